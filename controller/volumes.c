/* SPDX-License-Identifier: Apache-2.0 */
#include "source.h"

#include <string.h>

static bool is(const char *text, const char *value)
{
    return text && strcmp(text, value) == 0;
}

/* ---- content ---- */

static const struct json *owning_datavolume(const struct json *pvc)
{
    const struct json *owner = kind_owner(pvc);
    const char *group = json_text(owner, "apiVersion");

    return is(json_text(owner, "kind"), "DataVolume") && group &&
                   str_starts(group, "cdi.kubevirt.io/")
               ? owner
               : NULL;
}

static bool is_disk(struct world *world, const struct json *pvc)
{
    const char *content = json_string(
        json_get(json_at(pvc, "metadata.annotations"), "cdi.kubevirt.io/storage.contentType"));
    const struct json *owner = owning_datavolume(pvc), *datavolume;

    if (is(json_text(pvc, "spec.volumeMode"), "Block") || is(content, "kubevirt") ||
        is(content, ""))
        return true;
    if (!owner)
        return false;
    datavolume = world_get_in(world, KIND_DATAVOLUME, json_text(pvc, "metadata.namespace"),
                              json_text(owner, "name"));
    content = json_text(datavolume, "spec.contentType");
    return datavolume && (!content || is(content, "") || is(content, "kubevirt"));
}

static bool has_mode(const struct json *pvc, const char *mode)
{
    for (const struct json *m = json_first(json_at(pvc, "spec.accessModes")); m; m = json_next(m))
        if (is(json_string(m), mode))
            return true;
    return false;
}

struct volume volume_of(struct world *world, const char *claim, const struct json *pvc)
{
    return (struct volume){.name = claim,
                           .claim = claim,
                           .vm_claim = claim,
                           .pvc = pvc,
                           .saved = pvc,
                           .block = is(json_text(pvc, "spec.volumeMode"), "Block"),
                           .disk = is_disk(world, pvc),
                           .shared =
                               has_mode(pvc, "ReadWriteMany") || has_mode(pvc, "ReadOnlyMany")};
}

/* ---- waiting ---- */

static struct condition waits(const char *reason, const char *message)
{
    return (struct condition){"Ready", false, reason, message};
}

static struct condition waits_for_datavolume(struct world *world, const struct json *owner,
                                             const char *pvc)
{
    const char *name = json_text(owner, "name");
    const struct json *datavolume = world_get(world, KIND_DATAVOLUME, name);
    const char *phase = json_text(datavolume, "status.phase");

    if (!datavolume && !world_serves(world, KIND_DATAVOLUME))
        return waits("PVCPending",
                     world_printf(world,
                                  "PersistentVolumeClaim %s/%s is not populated: it belongs to "
                                  "DataVolume %s, and no CDI is installed that serves DataVolumes",
                                  world->ns, pvc, name));
    if (!datavolume)
        return waits("PVCPending", world_printf(world,
                                                "PersistentVolumeClaim %s/%s is not populated: its "
                                                "DataVolume %s does not exist (any more)",
                                                world->ns, pvc, name));
    if (is(phase, "Succeeded"))
        return (struct condition){NULL, false, NULL, NULL};
    if (is(phase, "Failed"))
        return waits("DataVolumeFailed",
                     world_printf(world,
                                  "PersistentVolumeClaim %s/%s is not populated: its DataVolume %s "
                                  "has failed; see its conditions, mend or delete it",
                                  world->ns, pvc, name));
    if (is(phase, "WaitForFirstConsumer") || is(phase, "PendingPopulation"))
        return waits("PVCPending",
                     world_printf(world,
                                  "PersistentVolumeClaim %s/%s is not populated: its DataVolume %s "
                                  "waits for a first consumer; start the machine once, or annotate "
                                  "it with cdi.kubevirt.io/storage.bind.immediate.requested",
                                  world->ns, pvc, name));
    return waits("PVCPending", world_printf(world,
                                            "PersistentVolumeClaim %s/%s is not populated: its "
                                            "DataVolume %s is %s",
                                            world->ns, pvc, name, phase ? phase : "new"));
}

struct condition volume_waits(struct world *world, const struct json *pvc)
{
    const char *name = json_text(pvc, "metadata.name");
    const struct json *owner = owning_datavolume(pvc);

    if (json_at(pvc, "metadata.deletionTimestamp"))
        return waits("PVCTerminating",
                     world_printf(world,
                                  "PersistentVolumeClaim %s/%s is being deleted: export another",
                                  world->ns, name));
    if (is(json_text(pvc, "status.phase"), "Lost"))
        return waits("PVCLost", world_printf(world,
                                             "PersistentVolumeClaim %s/%s has lost its "
                                             "PersistentVolume: its data is no longer there; "
                                             "restore the volume, or delete this export",
                                             world->ns, name));
    if (owner)
        return waits_for_datavolume(world, owner, name);
    return (struct condition){NULL, false, NULL, NULL};
}

/* ---- users ---- */

/* Of two export pods at a claim that allows but one, the older stays; uids break ties. */
static bool goes_first(struct world *world, const struct json *other)
{
    const struct json *own =
        world_get(world, KIND_POD, names_pod(world->settings->names, world->name).text);
    const char *theirs = json_text(other, "metadata.creationTimestamp");
    const char *ours = json_text(own, "metadata.creationTimestamp");
    int order = theirs && ours ? strcmp(theirs, ours) : -1;

    if (order == 0)
        order = strcmp(json_text(other, "metadata.uid"), json_text(own, "metadata.uid"));
    return order < 0;
}

const struct json *volume_user(struct world *world, const struct json *pvc)
{
    const struct json *pods =
        world_find(world, KIND_POD, PODS_BY_CLAIM, json_text(pvc, "metadata.name"));
    bool alone = has_mode(pvc, "ReadWriteOncePod");

    for (const struct json *pod = json_first(pods); pod; pod = json_next(pod)) {
        if (world_owns(world, pod) || kind_has_ended(json_text(pod, "phase")))
            continue;
        if (kind_is_exporter(world->settings, pod) && !(alone && goes_first(world, pod)))
            continue;
        return pod;
    }
    return NULL;
}
