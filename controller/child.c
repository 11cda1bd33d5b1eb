/* SPDX-License-Identifier: Apache-2.0 */
/* What all children of an export have in common. */
#include "base/cleanup.h"
#include "base/json_merge.h"
#include "plan.h"

#include <assert.h>
#include <string.h>

struct step *plan_step(struct plan *plan, enum step_what what, enum kind kind, const char *name)
{
    struct step *step = &plan->steps[plan->count++];

    assert(plan->count <= PLAN_STEPS_MAX);
    *step = (struct step){.what = what, .kind = kind, .name = name, .grace = -1};
    return step;
}

void plan_look_again(struct plan *plan, time_t when)
{
    if (!plan->look_again || when < plan->look_again)
        plan->look_again = when;
}

/* Labels and annotations of the export go to its Service and pod; ours go on top of them, so that
 * nobody can lead the one away from the other. */
static struct json *inherited(struct children *children, const char *map, bool inherit)
{
    const struct json *all = json_get(json_get(children->world->export, "metadata"), map);

    return inherit && all ? json_copy(all) : json_new_object();
}

struct json *child_metadata(struct children *children, const char *name, bool inherit)
{
    struct world *world = children->world;
    cleanup_json struct json *labels = inherited(children, "labels", inherit);
    cleanup_json struct json *annotations = inherited(children, "annotations", inherit);
    cleanup_str struct str version = STR_INIT;

    json_put(labels, MANAGED_BY_LABEL, json_new_string(MANAGED_BY));
    json_put(labels, "kubevirt.io", json_new_string("virt-exporter"));
    str_printf(&version, "%s/v1", world->settings->api_group);
    return json_format("{'name':%s,'namespace':%s,'labels':%j,'annotations':%j,'ownerReferences':[{"
                       "'apiVersion':%s,'kind':'VirtualMachineExport','name':%s,'uid':%s,"
                       "'controller':true,'blockOwnerDeletion':true}]}",
                       name, world->ns, labels, annotations, str_get(&version), world->name,
                       json_text(world->export, "metadata.uid"));
}

void child_trouble(struct children *children, const char *reason, const char *message)
{
    if (!children->trouble.type)
        children->trouble = (struct condition){"Ready", false, reason, message};
}

bool child_taken(struct children *children, enum kind kind, const char *name,
                 const struct json *object)
{
    struct world *world = children->world;

    if (!object || world_owns(world, object))
        return false;
    plan_look_again(children->plan, world->now + TAKEN_SECONDS);
    child_trouble(
        children, "NameTaken",
        world_printf(world,
                     "%s %s/%s, which this export needs, is not its own: delete or rename "
                     "that, or make an export of another name",
                     kind_table[kind].resource.kind, world->ns, name));
    return true;
}

/* What makes `to` of `from`: keys that somebody has added to an object are taken away. */
static struct json *change(const struct json *from, const struct json *to)
{
    if (json_kind(from) == JSON_OBJECT && json_kind(to) == JSON_OBJECT)
        return json_merge_patch(from, to);
    return to ? json_copy(to) : json_new_null();
}

/* Puts into the patch what makes the value at `path` of `to` of the one of `from`. */
static void patch_field(struct json *patch, const char *path, const struct json *from,
                        const struct json *to)
{
    const char *dot = strchr(path, '.');
    cleanup_free char *key = dot ? strndup(path, (size_t)(dot - path)) : NULL;

    if (!dot) {
        json_put(patch, path, change(json_get(from, path), json_get(to, path)));
        return;
    }
    if (!json_get(patch, key))
        json_set(patch, key, json_new_object());
    patch_field(json_edit(patch, key), dot + 1, json_get(from, key), json_get(to, key));
}

void child_ensure(struct children *children, enum kind kind, const char *name,
                  const struct json *object, const char *const *fields,
                  const struct step_event *event)
{
    const struct json *have = world_get(children->world, kind, name);
    struct json *patch;
    struct step *step;

    if (!have) {
        step = plan_step(children->plan, STEP_CREATE, kind, name);
        step->object = object;
        if (event)
            step->event = *event;
        return;
    }
    if (child_taken(children, kind, name, have))
        return;
    patch = world_keep(children->world, json_new_object());
    for (; *fields; fields++)
        if (!json_equal(json_at(have, *fields), json_at(object, *fields)))
            patch_field(patch, *fields, have, object);
    if (!json_first(patch))
        return;
    step = plan_step(children->plan, STEP_PATCH, kind, name);
    step->object = patch;
    step->uid = json_text(have, "metadata.uid");
}
