/* SPDX-License-Identifier: Apache-2.0 */
#include "unreadable.h"
#include "status.h"

#include <string.h>

#define FILES_UNREADABLE "FilesUnreadable"

enum {
    NAMED_MAX = 8, /* volumes that a message names */
    COUNT_MAX = 1000000000,
};

/* ---- the pod's answer ---- */

static bool is_count(const struct json *value, double max)
{
    double number = json_number(value, -1);

    return number >= 0 && number <= max && number == (double)(uint64_t)number;
}

static bool is_bool(const struct json *value)
{
    return json_kind(value) == JSON_BOOL;
}

static bool is_volume(const struct json *volume)
{
    return json_text(volume, "name") && is_count(json_get(volume, "unreadable"), COUNT_MAX) &&
           is_bool(json_get(volume, "more")) && is_bool(json_get(volume, "block"));
}

static bool is_answer(const struct json *answer)
{
    const struct json *volumes = json_get(answer, "volumes");

    if (!is_count(json_get(answer, "uid"), UINT32_MAX) ||
        !is_count(json_get(answer, "gid"), UINT32_MAX) ||
        !is_bool(json_get(answer, "inspecting")) || json_kind(volumes) != JSON_ARRAY ||
        json_count(volumes) > SOURCE_VOLUMES_MAX)
        return false;
    for (const struct json *v = json_first(volumes); v; v = json_next(v))
        if (!is_volume(v))
            return false;
    return true;
}

static void copy(struct json *to, const struct json *from, const char *key)
{
    json_set(to, key, json_copy(json_get(from, key)));
}

static struct json *troubled(const struct json *answer)
{
    struct json *out = json_new_object(), *volumes = json_new_array();

    copy(out, answer, "uid");
    copy(out, answer, "gid");
    for (const struct json *v = json_first(json_get(answer, "volumes")); v; v = json_next(v)) {
        struct json *volume;

        if (json_number(json_get(v, "unreadable"), 0) < 1)
            continue;
        volume = json_new_object();
        copy(volume, v, "name");
        copy(volume, v, "unreadable");
        copy(volume, v, "more");
        copy(volume, v, "block");
        json_append(volumes, volume);
    }
    json_set(out, "volumes", volumes);
    return out;
}

int unreadable_parse(const char *text, size_t len, bool *inspecting, struct json **found,
                     struct err *err)
{
    cleanup_json struct json *answer = json_parse(text, len, err);

    *found = NULL;
    if (!answer)
        return -1;
    if (!is_answer(answer))
        return err_set(err, ERR_INPUT, "it is not what an export pod tells of its volumes");
    *inspecting = json_bool(json_get(answer, "inspecting"));
    if (*inspecting)
        return 0;
    *found = troubled(answer);
    if (!json_first(json_get(*found, "volumes"))) {
        json_free(*found);
        *found = NULL;
    }
    return 0;
}

/* ---- the message ---- */

static const struct json *volume_found(const struct json *found, const char *claim)
{
    for (const struct json *v = json_first(json_get(found, "volumes")); v; v = json_next(v))
        if (strcmp(json_text(v, "name"), claim) == 0)
            return v;
    return NULL;
}

/* "3 files of volume 'a', the block device of volume 'b'": of the export's own volumes. */
static size_t list(const struct json *found, const struct source *source, bool block,
                   struct str *out)
{
    size_t named = 0;

    for (size_t i = 0; i < source->count; i++) {
        const char *claim = source->volumes[i].claim;
        const struct json *volume = volume_found(found, claim);
        int count = (int)json_number(json_get(volume, "unreadable"), 0);

        if (!volume || json_bool(json_get(volume, "block")) != block || ++named > NAMED_MAX)
            continue;
        str_puts(out, named > 1 ? ", " : "");
        if (block)
            str_printf(out, "the block device of volume '%s'", claim);
        else
            str_printf(out, "%s%d %s of volume '%s'",
                       json_bool(json_get(volume, "more")) ? "at least " : "", count,
                       count == 1 ? "file" : "files", claim);
    }
    if (named > NAMED_MAX)
        str_printf(out, " and those of %zu more volumes", named - NAMED_MAX);
    return named;
}

static const char *message(struct world *world, const struct source *source,
                           const struct json *found)
{
    cleanup_str struct str files = STR_INIT, devices = STR_INIT, out = STR_INIT;
    bool has_files = list(found, source, false, &files) > 0;
    bool has_devices = list(found, source, true, &devices) > 0;

    if (!has_files && !has_devices)
        return NULL;
    str_printf(&out, "The export pod runs as %.0f:%.0f, which cannot read ",
               json_number(json_get(found, "uid"), 0), json_number(json_get(found, "gid"), 0));
    if (has_files)
        str_printf(
            &out,
            "%s: annotate the export with " EXPORT_RUN_AS
            "=UID:GID of a user that can, or, if group and mode of the volume's files may be "
            "changed for it, with " EXPORT_FS_GROUP "=GID",
            str_get(&files));
    if (has_devices)
        str_printf(&out,
                   "%s%s: set device_ownership_from_security_context in the container runtime of "
                   "the node, or annotate the export with " EXPORT_RUN_AS
                   "=UID:GID of a user or group that owns the device there",
                   has_files ? "; nor " : "", str_get(&devices));
    return world_printf(world, "%s", str_get(&out));
}

/* ---- the condition ---- */

static const struct json *pod_of(struct world *world)
{
    return world_get(world, KIND_POD, names_pod(world->settings->names, world->name).text);
}

static const struct json *before(const struct world *world)
{
    return status_find(json_at(world->export, "status.conditions"), UNREADABLE_CONDITION);
}

/* Whether the inspection is about the pod that is there. */
static bool is_of_pod(const struct world *world, const struct json *pod)
{
    const char *uid = json_text(pod, "metadata.uid");

    return uid && world->inspection.pod && strcmp(world->inspection.pod, uid) == 0;
}

static struct condition as_before(const struct world *world)
{
    const struct json *was = before(world);
    const char *status = json_text(was, "status"), *reason = json_text(was, "reason");

    if (!status || !reason)
        return (struct condition){NULL, false, NULL, NULL};
    return (struct condition){UNREADABLE_CONDITION, strcmp(status, "True") == 0, reason,
                              json_text(was, "message")};
}

struct condition unreadable_condition(struct world *world, const struct source *source)
{
    const struct inspection *inspection = &world->inspection;
    const struct condition none = {NULL, false, NULL, NULL};
    const char *text;

    if (!is_of_pod(world, pod_of(world)) || inspection->state == INSPECTION_ASKED)
        return as_before(world);
    if (inspection->state == INSPECTION_NO_ANSWER)
        return none;
    text = message(world, source, inspection->found);
    if (text)
        return (struct condition){UNREADABLE_CONDITION, false, FILES_UNREADABLE, text};
    return before(world) ? (struct condition){UNREADABLE_CONDITION, true, "AllReadable", ""} : none;
}

/* ---- the plan ---- */

static void plan_event(struct world *world, struct plan *plan)
{
    const struct json *is = status_find(json_get(plan->status, "conditions"), UNREADABLE_CONDITION);
    const struct json *was = before(world);
    const char *text = json_text(is, "message");

    if (!is || strcmp(json_text(is, "status"), "False") != 0 ||
        json_equal(json_get(is, "message"), json_get(was, "message")))
        return;
    plan->event = (struct step_event){"Warning", FILES_UNREADABLE, text};
}

/* Only a pod that serves, so that nothing waits for the answer. */
static void plan_asking(struct world *world, struct plan *plan)
{
    const struct json *pod = pod_of(world);

    if (strcmp(json_text(plan->status, "phase"), "Ready") == 0 && json_text(pod, "ip") &&
        world->around->ca_bundle && !is_of_pod(world, pod))
        plan->inspect = json_text(pod, "metadata.uid");
}

void unreadable_plan(struct children *children)
{
    plan_event(children->world, children->plan);
    plan_asking(children->world, children->plan);
}
