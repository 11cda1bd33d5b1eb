/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"
#include "base/clock.h"
#include "base/duration.h"
#include "status.h"
#include "unreadable.h"

#include <string.h>

enum { USERS_MAX = 8 }; /* that a status remembers */

/* ---- expiry ---- */

static int64_t ttl_seconds(const struct world *world)
{
    const char *text = json_text(world->export, "spec.ttlDuration");
    struct err err;
    int64_t ns = 0;

    if (!text || duration_parse(text, &ns, &err) < 0 || ns <= 0)
        return world->settings->default_ttl;
    return (ns + DURATION_SECOND - 1) / DURATION_SECOND;
}

/* When the export ends: from its making, whatever has become of it since. It is written into the
 * status once, and what is written there counts. */
static time_t expiry(const struct world *world)
{
    time_t at = 0;

    if (clock_parse_seconds(json_text(world->export, "status.ttlExpirationTime"), &at))
        return at;
    clock_parse_seconds(json_text(world->export, "metadata.creationTimestamp"), &at);
    return at + (time_t)ttl_seconds(world);
}

static void expire(struct world *world, struct plan *plan)
{
    struct step *step = plan_step(plan, STEP_DELETE, KIND_EXPORT, world->name);

    step->uid = json_text(world->export, "metadata.uid");
}

/* ---- the data's generation ---- */

static bool is_in_use(const struct json *status)
{
    const struct json *conditions = json_get(status, "conditions");

    for (const struct json *c = json_first(conditions); c; c = json_next(c))
        if (json_text(c, "reason") && strcmp(json_text(c, "reason"), "InUse") == 0)
            return true;
    return false;
}

static bool knows(const struct json *users, const char *uid)
{
    for (const struct json *u = json_first(users); u; u = json_next(u))
        if (json_string(u) && strcmp(json_string(u), uid) == 0)
            return true;
    return false;
}

/* True when the status did not know of this one. */
static bool add_user(struct json *users, const char *uid)
{
    if (!uid || knows(users, uid))
        return false;
    if (strcmp(uid, CACHE_UNKNOWN_POD))
        json_append(users, json_new_string(uid));
    return true;
}

static struct json *last_of(const struct json *users, size_t count)
{
    struct json *out = json_new_array();
    size_t skip = json_count(users) > count ? json_count(users) - count : 0;

    for (const struct json *u = json_first(users); u; u = json_next(u))
        if (skip)
            skip--;
        else
            json_append(out, json_copy(u));
    return out;
}

/*
 * The generation rises when somebody else may have written to a volume since the status was last
 * written: once for each of them, and not while the export is in use, as no pod of ours gives
 * anything out meanwhile. The last users are kept in the status, so that one that is told of again
 * (its end, the history after a restart) is known.
 */
static void judge_data(struct children *children)
{
    struct world *world = children->world;
    const struct memo *memo = world->memo;
    const struct json *status = json_get(world->export, "status");
    unsigned told = (unsigned)json_number(json_get(status, "dataGeneration"), 0);
    bool stale = memo->generation > told;
    const struct json *before = stale ? memo->last_users : json_get(status, "dataUsers");
    cleanup_json struct json *users = before ? json_copy(before) : json_new_array();
    bool fresh = add_user(users, children->source->user);

    for (const struct json *u = json_first(world->users); u; u = json_next(u))
        fresh |= add_user(users, json_string(u));
    children->users = world_keep(world, last_of(users, USERS_MAX));
    children->generation =
        (stale ? memo->generation : told) + (fresh && !is_in_use(status) ? 1 : 0);
}

/* ---- the plan ---- */

static const char *named(struct world *world, struct name name)
{
    return world_printf(world, "%s", name.text);
}

/* Nothing of a volume is made before the volume can be read; what is there already, is looked
 * after. */
static void plan_children(struct children *children)
{
    struct world *world = children->world;

    if (world->around->gate)
        child_trouble(children, "FeatureGateDisabled", world->around->gate);
    child_service(children);
    child_user(children);
    if (children->source->available && !children->trouble.type) {
        child_restored(children);
        child_token(children);
        child_tls(children);
        if (children->source->vm)
            child_manifests(children);
    }
    child_ingress(children);
    if (children->plan->need == NEED_NOTHING)
        child_pod(children);
}

/* What somebody else waits for comes first: a step that fails must not keep a pod at its volumes. */
static void put_deletions_first(struct plan *plan)
{
    size_t front = 0;

    for (size_t i = 0; i < plan->count; i++) {
        struct step step = plan->steps[i];

        if (step.what != STEP_DELETE)
            continue;
        memmove(&plan->steps[front + 1], &plan->steps[front], (i - front) * sizeof(step));
        plan->steps[front++] = step;
    }
}

static const struct json *with_expiry(const struct json *status, struct world *world, time_t at)
{
    struct json *out = world_keep(world, json_copy(status));
    char text[CLOCK_RFC3339_SIZE];

    json_put(out, "ttlExpirationTime", json_new_string(clock_rfc3339(at, text)));
    return out;
}

void plan_make(struct world *world, struct plan *plan)
{
    const struct names_scheme *names = world->settings->names;
    const char *token = json_text(world->export, "spec.tokenSecretRef");
    struct source source;
    struct children children = {.world = world, .plan = plan, .source = &source};
    time_t end = expiry(world);

    memset(plan, 0, sizeof(*plan));
    plan->users = world->users;
    if (json_at(world->export, "metadata.deletionTimestamp"))
        return;
    if (end <= world->now) {
        expire(world, plan);
        return;
    }
    plan_look_again(plan, end);
    if (!source_examine(world, &source))
        return;
    if (source.count > SOURCE_VOLUMES_MAX)
        source_not_ready(&source, "TooManyVolumes",
                         world_printf(world,
                                      "the source has %zu volumes, and an export gives out %d at "
                                      "most: export claims of it one by one",
                                      source.count, SOURCE_VOLUMES_MAX));
    if (source.look_after)
        plan_look_again(plan, world->now + source.look_after);
    children.service = named(world, names_service(names, world->name));
    children.token = token ? token : named(world, names_token(names, world->name));
    children.tls = named(world, names_tls(names, world->name));
    judge_data(&children);
    plan_children(&children);
    if (plan->need != NEED_NOTHING)
        return;
    put_deletions_first(plan);
    plan->status = with_expiry(status_make(&children), world, end);
    unreadable_plan(&children);
}

const struct json *plan_failed(struct world *world, const struct plan *plan, const char *reason,
                               const char *message)
{
    const struct condition condition = {"Ready", false, reason, message};

    if (!plan->status || is_in_use(plan->status))
        return plan->status;
    return status_pending(world, plan->status, &condition);
}
