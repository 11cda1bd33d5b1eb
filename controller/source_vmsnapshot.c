/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot of a machine: each VolumeSnapshot in its content is restored into a claim of the
 * export's own, which goes with the export. Nobody else uses such a claim, and none is waited for to
 * be bound: where the storage class waits for a first consumer, the export's pod is the one.
 */
#include "quantity.h"
#include "source.h"

#include <string.h>

/* Annotations that tell of the saved claim's own life, not of its data. */
static const char *const not_restored[] = {"pv.kubernetes.io",    "volume.beta.kubernetes.io",
                                           "cdi.kubevirt.io",     "volume.kubernetes.io",
                                           "k8s.io/CloneRequest", "k8s.io/CloneOf"};

static struct condition created(bool status, const char *reason, const char *message)
{
    return (struct condition){"VolumesCreated", status, reason, message};
}

/* The machine's own disks are KubeVirt content; dumps and the like are not. */
static bool is_disk_of(const struct json *vm, const char *volume)
{
    const struct json *volumes = json_at(vm, "spec.template.spec.volumes");

    for (const struct json *v = json_first(volumes); v; v = json_next(v))
        if (json_text(v, "name") && strcmp(json_text(v, "name"), volume) == 0)
            return json_get(v, "dataVolume") || json_get(v, "persistentVolumeClaim");
    return false;
}

static struct json *annotations(const struct json *saved, bool disk)
{
    static const char content[] = "cdi.kubevirt.io/storage.contentType";
    const struct json *all = json_at(saved, "metadata.annotations");
    struct json *out = json_new_object();

    for (const struct json *a = json_first(all); a; a = json_next(a)) {
        bool drop = false;

        for (size_t i = 0; i < sizeof(not_restored) / sizeof(not_restored[0]); i++)
            drop |= str_starts(json_key(a), not_restored[i]);
        if (!drop || strcmp(json_key(a), content) == 0)
            json_set(out, json_key(a), json_copy(a));
    }
    if (disk)
        json_put(out, content, json_new_string("kubevirt"));
    return out;
}

/* Without the one by which KubeVirt finds the state of a machine: it would take this claim for it. */
static struct json *labels(const struct json *saved)
{
    struct json *out = json_copy(json_at(saved, "metadata.labels"));

    json_free(json_take(out, "persistent-state-for"));
    return out;
}

/* The larger of what the claim asked for and what the snapshot needs. */
static const char *size(const struct json *saved, const struct json *snapshot)
{
    return quantity_larger(json_text(saved, "spec.resources.requests.storage"),
                           json_text(snapshot, "status.restoreSize"));
}

static struct json *restored_claim(struct world *world, const char *name, const struct json *backup,
                                   const struct json *snapshot, bool disk)
{
    const struct json *saved = json_get(backup, "persistentVolumeClaim");
    cleanup_json struct json *source =
        json_format("{'apiGroup':'snapshot.storage.k8s.io','kind':'VolumeSnapshot','name':%s}",
                    json_text(backup, "volumeSnapshotName"));
    cleanup_json struct json *notes = annotations(saved, disk);
    struct json *pvc =
        json_format("{'apiVersion':'v1','kind':'PersistentVolumeClaim',"
                    "'metadata':{'name':%s,'namespace':%s,'annotations':%j},"
                    "'spec':{'accessModes':%j,'resources':{'requests':{'storage':%s}},"
                    "'dataSource':%j,'dataSourceRef':%j}}",
                    name, world->ns, notes, json_at(saved, "spec.accessModes"),
                    size(saved, snapshot), source, source);
    struct json *spec = json_edit(pvc, "spec");
    static const char *const kept[] = {"storageClassName", "volumeMode"};

    if (json_at(saved, "metadata.labels"))
        json_set(json_edit(pvc, "metadata"), "labels", labels(saved));
    for (size_t i = 0; i < 2; i++)
        if (json_get(json_get(saved, "spec"), kept[i]))
            json_set(spec, kept[i], json_copy(json_get(json_get(saved, "spec"), kept[i])));
    return pvc;
}

static void not_created(struct source *out, const char *reason, const char *message)
{
    out->own = created(false, reason, message);
    source_not_ready(out, reason, message);
}

/* One volume: there is a claim with its data, or it is to be made. False when neither can be. */
static bool restore(struct world *world, const struct json *content, const struct json *backup,
                    struct source *out)
{
    const char *claim = json_text(backup, "persistentVolumeClaim.metadata.name");
    const char *from = json_text(backup, "volumeSnapshotName");
    const struct json *snapshot = from ? world_get(world, KIND_VOLUMESNAPSHOT, from) : NULL;
    const struct json *pvc = NULL;
    struct name name;
    struct volume volume;
    bool disk = is_disk_of(json_at(content, "spec.source.virtualMachine"),
                           json_text(backup, "volumeName") ? json_text(backup, "volumeName") : "");

    if (claim) {
        name = names_restored(world->settings->names, world->name, claim);
        pvc = world_get(world, KIND_PVC, name.text);
    }
    if (!claim || (!pvc && !snapshot)) {
        not_created(out, "NotAllPVCsCreated",
                    world_printf(world, "VolumeSnapshot %s/%s of the disk '%s' does not exist",
                                 world->ns, from ? from : "(none named)", claim ? claim : "?"));
        return false;
    }
    /* The machine's snapshot says so of all of them; what of each is known here may be older, and
     * lack the size that it needs. */
    if (!pvc && !json_bool(json_at(snapshot, "status.readyToUse"))) {
        not_created(out, "NotAllPVCsCreated",
                    world_printf(world, "VolumeSnapshot %s/%s of the disk '%s' is not ready to use",
                                 world->ns, from, claim));
        return false;
    }
    if (!pvc) {
        pvc = world_keep(world, restored_claim(world, name.text, backup, snapshot, disk));
        json_append(out->restored, json_copy(pvc));
    } else if (!world_owns(world, pvc)) {
        out->look_after = TAKEN_SECONDS;
        not_created(out, "NameTaken",
                    world_printf(world,
                                 "PersistentVolumeClaim %s/%s, into which the disk '%s' would be "
                                 "restored, is not this export's: delete or rename one of the two",
                                 world->ns, name.text, claim));
        return false;
    }
    if (json_text(pvc, "spec.dataSource.name") &&
        strcmp(json_text(pvc, "spec.dataSource.name"), from)) {
        not_created(out, "SnapshotChanged",
                    world_printf(world,
                                 "the disk '%s' was restored from VolumeSnapshot %s, and the "
                                 "snapshot has %s now: delete this export and make it again",
                                 claim, json_text(pvc, "spec.dataSource.name"), from));
        return false;
    }
    volume = volume_of(world, world_printf(world, "%s", name.text), pvc);
    volume.name = volume.vm_claim = claim;
    volume.saved = json_get(backup, "persistentVolumeClaim");
    source_add(out, &volume);
    return true;
}

/* Told in a condition of its own, as the pod may be there long before. */
static struct condition restored_state(const struct source *source)
{
    for (size_t i = 0; i < source->count; i++) {
        const char *phase = json_text(source->volumes[i].pvc, "status.phase");

        if (!phase || strcmp(phase, "Bound"))
            return created(false, "NotAllPVCsReady", "Not all PVCs are ready");
    }
    return created(true, "AllPVCsReady", "");
}

static void restore_all(struct world *world, const char *name, const struct json *content,
                        struct source *out)
{
    const struct json *backups = json_at(content, "spec.volumeBackups");
    size_t total = json_count(json_at(content, "status.volumeSnapshotStatus"));

    if (!total || !json_first(backups)) {
        out->skipped = true;
        out->own = created(false, "VMSnapshotNoVolumes",
                           world_printf(world,
                                        "VirtualMachineSnapshot %s/%s does not contain any volume "
                                        "snapshots",
                                        world->ns, name));
        source_not_ready(out, "Initializing", out->own.message);
        return;
    }
    out->volumes = world_array(world, json_count(backups), sizeof(struct volume));
    out->restored = world_keep(world, json_new_array());
    for (const struct json *b = json_first(backups); b; b = json_next(b))
        if (!restore(world, content, b, out))
            return;
    if (out->count != total) {
        not_created(out, "NotAllPVCsCreated",
                    "Not all PVCs have been successfully restored: the snapshot's content tells of "
                    "another number of volumes");
        return;
    }
    out->own = restored_state(out);
    /* Nobody has a reason to use a restored claim; who does may write to it all the same. */
    out->available = !source_in_use(world, ", which was restored for this export,", out);
}

void source_vmsnapshot(struct world *world, const char *name, struct source *out)
{
    const struct json *snapshot = world_get(world, KIND_VMSNAPSHOT, name), *content;
    const char *content_name = json_text(snapshot, "status.virtualMachineSnapshotContentName");

    out->vm_name =
        json_text(snapshot, "spec.source.name") ? json_text(snapshot, "spec.source.name") : "";
    if (!snapshot && !world_serves(world, KIND_VMSNAPSHOT)) {
        not_created(out, "KubeVirtNotInstalled",
                    "VirtualMachineSnapshots are not served by this cluster: install KubeVirt, or "
                    "export a PersistentVolumeClaim");
        return;
    }
    if (!snapshot) {
        out->skipped = true;
        out->own = created(false, "VMSnapshotNoVolumes",
                           world_printf(world,
                                        "VirtualMachineSnapshot %s/%s does not contain any volume "
                                        "snapshots",
                                        world->ns, name));
        source_not_ready(out, "VMSnapshotNotFound",
                         world_printf(world,
                                      "VirtualMachineSnapshot %s/%s not found: the export goes on "
                                      "when it is made",
                                      world->ns, name));
        return;
    }
    if (!json_bool(json_at(snapshot, "status.readyToUse"))) {
        not_created(out, "NotAllPVCsCreated",
                    world_printf(world, "VirtualMachineSnapshot %s/%s is not ready to use",
                                 world->ns, name));
        return;
    }
    content = content_name ? world_get(world, KIND_VMSNAPSHOTCONTENT, content_name) : NULL;
    out->vm = json_at(content, "spec.source.virtualMachine");
    restore_all(world, name, content, out);
}
