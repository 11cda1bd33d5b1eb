/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ConfigMap of the manifests by which a machine can be made again elsewhere, and the claims that
 * a snapshot is restored into. The ConfigMap is patched whenever anything in it changes; the kubelet
 * brings it into the running pod.
 */
#include "links.h"
#include "manifests.h"
#include "plan.h"

#include <string.h>

void child_restored(struct children *children)
{
    struct world *world = children->world;
    const struct json *claims = children->source->restored;

    for (const struct json *claim = json_first(claims); claim; claim = json_next(claim)) {
        struct json *pvc = world_keep(world, json_copy(claim));
        const char *name = json_text(pvc, "metadata.name");
        cleanup_json struct json *ours = child_metadata(children, name, false);
        struct json *metadata = json_edit(pvc, "metadata");
        struct step *step = plan_step(children->plan, STEP_CREATE, KIND_PVC, name);

        if (!json_get(metadata, "labels"))
            json_set(metadata, "labels", json_new_object());
        json_put(json_edit(metadata, "labels"), MANAGED_BY_LABEL, json_new_string(MANAGED_BY));
        json_set(metadata, "ownerReferences", json_take(ours, "ownerReferences"));
        step->object = pvc;
    }
}

/* The machine with its instancetype expanded, where KubeVirt can do that; else as it is. */
static const struct json *machine(struct children *children)
{
    struct world *world = children->world;
    const struct source *source = children->source;
    cleanup_str struct str version = STR_INIT;

    if (!source->expandable ||
        (!json_at(source->vm, "spec.instancetype") && !json_at(source->vm, "spec.preference")))
        return source->vm;
    kind_digest(source->vm, &version);
    if (!world->memo->vm_version || strcmp(world->memo->vm_version, str_get(&version)) ||
        (!world->memo->expanded && world->memo->expand_again <= world->now)) {
        children->plan->need = NEED_EXPANSION;
        children->plan->need_name = source->vm_name;
        return NULL;
    }
    if (world->memo->expanded)
        return world->memo->expanded;
    plan_look_again(children->plan, world->memo->expand_again);
    return source->vm;
}

static struct json *build(struct children *children, const struct json *vm)
{
    struct world *world = children->world;
    const struct source *source = children->source;
    struct manifest_volume *volumes = world_array(world, source->count, sizeof(*volumes));
    struct manifest_input in = {
        .export_name = world->name,
        .vm = vm,
        .namespace_ = world->ns,
        .volumes = volumes,
        .volumes_count = source->count,
        .internal_base = links_internal_base(world, children->service),
        .internal_ca = world->around->ca_bundle ? world->around->ca_bundle : "",
        .external_base = links_external_base(world),
        .external_ca = world->around->external_cert ? world->around->external_cert : "",
    };
    struct json *data = NULL;
    struct err err;

    for (size_t i = 0; i < source->count; i++)
        volumes[i] = (struct manifest_volume){source->volumes[i].vm_claim, source->volumes[i].claim,
                                              source->volumes[i].saved, source->volumes[i].disk};
    if (manifests_build(&in, &data, &err) < 0) {
        child_trouble(
            children, "ManifestsFailed",
            world_printf(world, "the manifests of the machine cannot be made: %s", err.msg));
        return NULL;
    }
    return world_keep(world, data);
}

/* Files that are no longer among the data go. */
static struct json *manifest_patch(const struct json *have, const struct json *data)
{
    struct json *patch = json_format("{'data':%j}", data);

    for (const struct json *k = json_first(json_get(have, "keys")); k; k = json_next(k))
        if (!json_get(data, json_string(k)))
            json_set(json_edit(patch, "data"), json_string(k), json_new_null());
    return patch;
}

void child_manifests(struct children *children)
{
    struct world *world = children->world;
    struct name name = names_manifest(world->settings->names, world->name);
    const struct json *vm = machine(children), *data, *have;
    cleanup_json struct json *metadata = NULL;
    cleanup_str struct str digest = STR_INIT;
    const char *has;
    struct step *step;

    if (!children->source->vm || !vm)
        return;
    data = build(children, vm);
    have = world_get(world, KIND_CONFIGMAP, name.text);
    if (!data || child_taken(children, KIND_CONFIGMAP, name.text, have))
        return;
    kind_digest(data, &digest);
    has = json_text(have, "digest");
    if (has && strcmp(has, str_get(&digest)) == 0)
        return;
    metadata = child_metadata(children, name.text, false);
    step = plan_step(children->plan, have ? STEP_PATCH : STEP_CREATE, KIND_CONFIGMAP,
                     world_printf(world, "%s", name.text));
    step->uid = json_text(have, "metadata.uid");
    step->object = world_keep(
        world, have ? manifest_patch(have, data)
                    : json_format("{'apiVersion':'v1','kind':'ConfigMap','metadata':%j,'data':%j}",
                                  metadata, data));
}
