/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps are done one after the other; the first that fails ends the round. Why it failed decides
 * what becomes of it: what will last (a quota, an admission policy, a name that is taken) is told in
 * the export's status, everything is tried again with growing pauses.
 *
 * Each write names the uid (and for the status the resourceVersion) of what it is meant for, so that
 * a controller that no longer leads cannot harm what another has made since.
 */
#include "apply.h"
#include "ask.h"
#include "base/cleanup.h"
#include "base/json_merge.h"
#include "base/log.h"
#include "status.h"
#include "token.h"

#include <stdio.h>
#include <string.h>

enum { ROUNDS_MAX = 6 }; /* of asking what a plan needs */

static const struct kube_resource *resource_of(const struct apply *apply, enum kind kind)
{
    return kind == KIND_EXPORT ? apply->exports : &kind_table[kind].resource;
}

/* ---- writes ---- */

/*
 * The object is there already: ours after all, of an earlier export of this name, or another's. In
 * the first case it goes into the store (`*out`), and the next look makes of it what is wanted.
 */
static int look_at_existing(struct apply *apply, struct world *world, const struct step *step,
                            struct json **out, struct err *err)
{
    const char *kind = kind_table[step->kind].resource.kind, *owner;
    cleanup_json struct json *found = NULL;
    struct err ignored;

    if (kube_get(apply->conn, resource_of(apply, step->kind), world->ns, step->name, &found,
                 &ignored) < 0)
        return -KUBE_CONFLICT; /* gone in between: once more */
    if (world_owns(world, found)) {
        err_set(err, ERR_UNAVAILABLE, "%s %s/%s is there already: it is looked at again", kind,
                world->ns, step->name);
        *out = steal_ptr(found);
        return -KUBE_CONFLICT;
    }
    owner = json_text(kind_owner(found), "name");
    if (kind_is_child(found) && owner && strcmp(owner, world->name) == 0) {
        err_set(err, ERR_UNAVAILABLE, "%s %s/%s of an earlier export of this name is being deleted",
                kind, world->ns, step->name);
        return -KUBE_CONFLICT;
    }
    return -KUBE_ALREADY_EXISTS;
}

static int create(struct apply *apply, struct world *world, const struct step *step,
                  const struct json *object, struct err *err)
{
    struct kube_store_write *write =
        kube_store_begin(apply->cache->stores[step->kind], world->ns, step->name);
    cleanup_json struct json *made = NULL;
    int rc =
        kube_create(apply->conn, resource_of(apply, step->kind), world->ns, object, &made, err);

    if (rc == -KUBE_ALREADY_EXISTS)
        rc = look_at_existing(apply, world, step, &made, err);
    kube_store_commit(write, made, false);
    if (rc == 0 && step->what == STEP_TOKEN)
        ask_token_made(world, made);
    if (rc == 0 && step->what == STEP_CERTIFICATE)
        ask_certificate_made(world, made);
    return rc;
}

static int patch(struct apply *apply, struct world *world, const struct step *step,
                 const struct json *change, struct err *err)
{
    struct kube_store_write *write =
        kube_store_begin(apply->cache->stores[step->kind], world->ns, step->name);
    cleanup_json struct json *body = json_copy(change), *made = NULL;
    int rc;

    if (!json_get(body, "metadata"))
        json_set(body, "metadata", json_new_object());
    json_put(json_edit(body, "metadata"), "uid", json_new_string(step->uid));
    rc = kube_patch(apply->conn, resource_of(apply, step->kind), world->ns, step->name, NULL,
                    KUBE_PATCH_MERGE, body, &made, err);
    kube_store_commit(write, made, rc == -KUBE_NOT_FOUND);
    if (rc == 0 && step->what == STEP_CERTIFICATE)
        ask_certificate_made(world, made);
    return rc;
}

/* What is gone already, or another by now, need not be deleted: 1. */
static int delete (struct apply *apply, struct world *world, const struct step *step,
                   struct err *err)
{
    struct kube_store_write *write =
        kube_store_begin(apply->cache->stores[step->kind], world->ns, step->name);
    const struct kube_delete_options options = {.uid = step->uid, .grace_seconds = step->grace};
    cleanup_json struct json *left = NULL;
    int rc = kube_delete(apply->conn, resource_of(apply, step->kind), world->ns, step->name,
                         &options, &left, err);

    kube_store_commit(write, left, rc == -KUBE_NOT_FOUND || (rc == 0 && !left));
    return rc == -KUBE_NOT_FOUND || rc == -KUBE_CONFLICT ? 1 : rc;
}

static int make_token(struct apply *apply, struct world *world, const struct step *step,
                      struct err *err)
{
    cleanup_json struct json *secret = json_copy(step->object);
    char token[TOKEN_TEXT_MAX];
    int rc;

    if (token_make(token, err) < 0)
        return -KUBE_OTHER;
    json_set(secret, "stringData", json_format("{'token':%s}", token));
    rc = create(apply, world, step, secret, err);
    token_wipe(token);
    return rc;
}

/* The Secret with a new certificate, and what is to be known of it in its annotations. */
static int certificate(struct apply *apply, struct world *world, const struct step *step,
                       struct json **out, struct err *err)
{
    const struct tls_names names = child_tls_names(world);
    struct json *secret = json_copy(step->object), *annotations, *data = NULL;
    struct authority *authority;
    char renew_at[24];

    pthread_rwlock_rdlock(&apply->signer->lock);
    authority = apply->signer->authority;
    data = authority ? authority_issue(authority, names.name, TLS_NAMES_COUNT,
                                       &apply->signer->settings, world->now, err)
                     : NULL;
    annotations = json_edit(secret, "metadata.annotations");
    if (data) {
        int64_t life = apply->signer->settings.leaf_duration;
        time_t end = pki_pair_cert(authority->signer)->not_after;

        end = end < world->now + life ? end : (time_t)(world->now + life);
        snprintf(renew_at, sizeof(renew_at), "%lld", (long long)authority_renewal(world->now, end));
        json_put(annotations, TLS_SIGNER,
                 json_new_string(pki_pair_cert(authority->signer)->fingerprint));
        json_put(annotations, TLS_NAMES, json_new_string(names.name[TLS_NAMES_COUNT - 1]));
        json_put(annotations, TLS_RENEW_AT, json_new_string(renew_at));
        json_set(secret, "data", data);
    }
    pthread_rwlock_unlock(&apply->signer->lock);
    *out = secret;
    return data ? 0 : -KUBE_OTHER;
}

static int make_certificate(struct apply *apply, struct world *world, const struct step *step,
                            struct err *err)
{
    cleanup_json struct json *secret = NULL;
    int rc = certificate(apply, world, step, &secret, err);

    if (rc < 0)
        return rc;
    return step->exists ? patch(apply, world, step, secret, err)
                        : create(apply, world, step, secret, err);
}

static int do_step(struct apply *apply, struct world *world, const struct step *step,
                   struct err *err)
{
    switch (step->what) {
    case STEP_DELETE:
        return delete (apply, world, step, err);
    case STEP_CREATE:
        return create(apply, world, step, step->object, err);
    case STEP_PATCH:
        return patch(apply, world, step, step->object, err);
    case STEP_TOKEN:
        return make_token(apply, world, step, err);
    case STEP_CERTIFICATE:
        return make_certificate(apply, world, step, err);
    }
    return -KUBE_OTHER;
}

/* ---- what is told ---- */

static void tell_event(struct apply *apply, struct world *world, const struct step_event *event)
{
    cleanup_json struct json *about = NULL;

    if (!event->reason)
        return;
    about = json_format("{'apiVersion':%s,'kind':'VirtualMachineExport','metadata':%j}",
                        world_printf(world, "%s/v1", world->settings->api_group),
                        json_get(world->export, "metadata"));
    kube_events_add(apply->events, about, event->type, event->reason, event->message);
}

static void tell(struct apply *apply, struct world *world, const struct step *step)
{
    static const char *const done[] = {[STEP_DELETE] = "deleted",
                                       [STEP_CREATE] = "created",
                                       [STEP_PATCH] = "changed",
                                       [STEP_TOKEN] = "created",
                                       [STEP_CERTIFICATE] = "wrote the certificate in"};

    log_info("export %s/%s: %s %s %s", world->ns, world->name, done[step->what],
             kind_table[step->kind].resource.kind, step->name);
    tell_event(apply, world, &step->event);
}

/* The watch may yet tell of an older status, by which the pod would be another. */
static void remember_data(struct world *world, const struct json *status)
{
    struct memo *memo =
        cache_memo(world->cache, world_printf(world, "%s/%s", world->ns, world->name));
    const struct json *users = json_get(status, "dataUsers");

    memo->generation = (unsigned)json_number(json_get(status, "dataGeneration"), 0);
    json_free(memo->last_users);
    memo->last_users = users ? json_copy(users) : NULL;
}

/* Only when it differs from the one there. */
static int write_status(struct apply *apply, struct world *world, const struct json *status,
                        struct err *err)
{
    const struct json *before = json_get(world->export, "status");
    cleanup_json struct json *change = json_merge_patch(before, status);
    cleanup_json struct json *body =
        json_format("{'metadata':{'uid':%s,'resourceVersion':%s},'status':%j}",
                    json_text(world->export, "metadata.uid"),
                    json_text(world->export, "metadata.resourceVersion"), change);
    cleanup_json struct json *made = NULL;
    struct kube_store_write *write;
    int rc;

    if (!json_first(change))
        return 0;
    write = kube_store_begin(apply->cache->stores[KIND_EXPORT], world->ns, world->name);
    rc = kube_patch(apply->conn, apply->exports, world->ns, world->name, "status", KUBE_PATCH_MERGE,
                    body, &made, err);
    kube_store_commit(write, made, false);
    if (rc == 0)
        remember_data(world, status);
    return rc == -KUBE_NOT_FOUND ? 0 : rc; /* deleted in between */
}

/* Failures that somebody has to mend, with the reason of the condition; NULL: try again quietly. */
static const char *lasting(int rc, const struct err *err)
{
    switch (-rc) {
    case KUBE_FORBIDDEN:
        return strstr(err->msg, "exceeded quota") ? "QuotaExceeded" : "Forbidden";
    case KUBE_ALREADY_EXISTS:
        return "NameTaken";
    case KUBE_INVALID:
    case KUBE_BAD_REQUEST:
        return "Refused";
    default:
        return NULL;
    }
}

static const char *failure(struct world *world, const struct step *step, const char *reason,
                           const struct err *err)
{
    const char *kind = kind_table[step->kind].resource.kind;

    if (strcmp(reason, "NameTaken") == 0)
        return world_printf(world,
                            "%s %s/%s, which this export needs, exists and is not its own: delete "
                            "or rename that, or make an export of another name",
                            kind, world->ns, step->name);
    return world_printf(world,
                        "%s: mend what refuses %s %s/%s, or delete this export; it is tried again",
                        err->msg, kind, world->ns, step->name);
}

static int failed(struct apply *apply, struct world *world, const struct plan *plan,
                  const struct step *step, int rc, struct err *err)
{
    const char *reason = lasting(rc, err);
    const struct json *status = NULL;
    struct err ignored;

    if (reason)
        status = plan_failed(world, plan, reason, failure(world, step, reason, err));
    if (status && write_status(apply, world, status, &ignored) == 0)
        cache_untouch(apply->cache, world_printf(world, "%s/%s", world->ns, world->name),
                      plan->users);
    return rc;
}

/* ---- one look ---- */

/* Plans until the plan needs nothing more. */
static int make_plan(struct apply *apply, struct world *world, struct plan *plan, struct err *err)
{
    int rc;

    ask_certificate_seen(world);
    for (int round = 0; round < ROUNDS_MAX; round++) {
        plan_make(world, plan);
        if (plan->need == NEED_NOTHING)
            return 0;
        rc = ask(apply, world, plan, err);
        if (rc < 0)
            return rc;
        world_refresh(world);
    }
    err_set(err, ERR_SYSTEM, "what the plan needs does not come");
    return -KUBE_OTHER;
}

static int carry_out(struct apply *apply, struct world *world, const struct plan *plan,
                     const char *key, struct err *err)
{
    for (size_t i = 0; i < plan->count; i++) {
        int rc = do_step(apply, world, &plan->steps[i], err);

        if (rc < 0)
            return failed(apply, world, plan, &plan->steps[i], rc, err);
        if (rc == 0)
            tell(apply, world, &plan->steps[i]);
    }
    if (plan->status) {
        int rc = write_status(apply, world, plan->status, err);

        if (rc < 0)
            return rc;
        tell_event(apply, world, &plan->event);
        if (plan->inspect)
            inspector_ask(apply->inspector, key, plan->inspect);
    }
    cache_untouch(apply->cache, key, plan->users);
    return 0;
}

int apply_export(struct apply *apply, const char *key, time_t *look_again, bool *gone,
                 struct err *err)
{
    struct world world;
    struct plan *plan;
    int rc = 0;

    *look_again = 0;
    *gone = !world_open(&world, apply->cache, key, time(NULL));
    if (*gone) {
        cache_forget(apply->cache, key);
    } else {
        plan = world_array(&world, 1, sizeof(*plan));
        rc = make_plan(apply, &world, plan, err);
        if (rc == 0)
            rc = carry_out(apply, &world, plan, key, err);
        *look_again = plan->look_again;
    }
    world_close(&world);
    return rc;
}
