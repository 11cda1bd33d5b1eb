/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine that is off: each of its volumes that is on a claim, and the claim with its TPM and
 * firmware state. Volumes of any other kind are not exported.
 */
#include "source.h"

#include <string.h>

/* Whether the machine keeps state in a claim that KubeVirt made for it. */
static bool keeps_state(const struct json *vm)
{
    const struct json *domain = json_at(vm, "spec.template.spec.domain");
    const struct json *tpm = json_at(domain, "devices.tpm");
    const char *tracking = json_text(vm, "status.changedBlockTracking.state");

    if (tpm && json_bool(json_get(tpm, "persistent")) &&
        (!json_get(tpm, "enabled") || json_bool(json_get(tpm, "enabled"))))
        return true;
    if (json_bool(json_at(domain, "firmware.bootloader.efi.persistent")))
        return true;
    return tracking && (strcmp(tracking, "Enabled") == 0 || strcmp(tracking, "Initializing") == 0);
}

/* The newest of the claims that hold the machine's state. (Names break ties.) */
static const struct json *state_claim(struct world *world, const char *vm)
{
    const struct json *all = world_find(world, KIND_PVC, PVCS_BY_STATE_OF, vm), *best = NULL;

    for (const struct json *pvc = json_first(all); pvc; pvc = json_next(pvc)) {
        const char *made = json_text(pvc, "metadata.creationTimestamp");
        const char *best_made = json_text(best, "metadata.creationTimestamp");

        if (json_at(pvc, "metadata.deletionTimestamp") || kind_is_child(pvc))
            continue;
        if (!best || (made && best_made && strcmp(made, best_made) > 0))
            best = pvc;
    }
    return best;
}

/* Takes a claim of the machine in, and the first thing that it has to wait for. */
static void take(struct world *world, const char *claim, const struct json *pvc, struct source *out,
                 struct condition *waits)
{
    struct volume volume = volume_of(world, claim, pvc);
    struct condition reason = volume_waits(world, pvc);

    source_add(out, &volume);
    if (reason.type && !waits->type)
        *waits = reason;
}

static void missing(struct world *world, const char *claim, const char *what,
                    struct condition *waits)
{
    if (waits->type)
        return;
    *waits = (struct condition){"Ready", false, "VolumesNotPopulated",
                                world_printf(world,
                                             "PersistentVolumeClaim %s/%s of %s does not exist yet",
                                             world->ns, claim, what)};
}

static void collect(struct world *world, const char *name, const struct json *vm,
                    struct source *out, struct condition *waits)
{
    const struct json *volumes = json_at(vm, "spec.template.spec.volumes"), *state;

    out->volumes = world_array(world, json_count(volumes) + 1, sizeof(struct volume));
    for (const struct json *v = json_first(volumes); v; v = json_next(v)) {
        const char *claim = kind_volume_claim(v);
        const struct json *pvc = claim ? world_get(world, KIND_PVC, claim) : NULL;

        if (pvc)
            take(world, claim, pvc, out, waits);
        else if (claim)
            missing(world, claim,
                    world_printf(world, "volume '%s' of Virtual Machine %s",
                                 json_text(v, "name") ? json_text(v, "name") : "?", name),
                    waits);
    }
    if (!keeps_state(vm))
        return;
    state = state_claim(world, name);
    if (state)
        take(world, json_text(state, "metadata.name"), state, out, waits);
    else
        missing(world, "(labelled persistent-state-for)",
                world_printf(world, "the TPM and firmware state of Virtual Machine %s", name),
                waits);
}

/* The reasons are KubeVirt's: all that a machine's volumes wait for is one of them. */
static void not_populated(struct world *world, const char *name, const struct condition *waits,
                          struct source *out)
{
    source_not_ready(out, "VolumesNotPopulated",
                     world_printf(world,
                                  "Not all volumes in the Virtual Machine %s/%s are populated: %s",
                                  world->ns, name, waits->message));
}

static bool running(struct world *world, const char *name, struct source *out)
{
    const struct json *vmi = world_get(world, KIND_VMI, name);

    if (!vmi || kind_has_ended(json_text(vmi, "status.phase")))
        return false;
    out->in_use = true;
    out->user = json_text(vmi, "metadata.uid");
    source_not_ready(out, "InUse",
                     world_printf(world,
                                  "Virtual Machine %s/%s is running: stop it, or make a "
                                  "VirtualMachineSnapshot of it and export that",
                                  world->ns, name));
    return true;
}

void source_vm(struct world *world, const char *name, struct source *out)
{
    const struct json *vm = world_get(world, KIND_VM, name);
    struct condition waits = {NULL, false, NULL, NULL};

    out->vm_name = name;
    if (!vm && !world_serves(world, KIND_VM)) {
        source_not_ready(out, "KubeVirtNotInstalled",
                         "VirtualMachines are not served by this cluster: install KubeVirt, or "
                         "export a PersistentVolumeClaim");
        return;
    }
    if (!vm) {
        out->skipped = true;
        source_not_ready(out, "VMNotFound",
                         world_printf(world,
                                      "Virtual Machine %s/%s not found: the export goes on when it "
                                      "is made",
                                      world->ns, name));
        return;
    }
    out->vm = vm;
    out->expandable = true;
    collect(world, name, vm, out, &waits);
    if (!out->count && !waits.type) {
        out->skipped = true;
        source_not_ready(out, "VMNoVolumes",
                         world_printf(world,
                                      "Virtual Machine %s/%s has no volumes that can be exported "
                                      "(PersistentVolumeClaim, DataVolume, MemoryDump)",
                                      world->ns, name));
        return;
    }
    if (running(world, name, out) ||
        source_in_use(world, world_printf(world, " of Virtual Machine %s", name), out))
        return;
    if (waits.type)
        not_populated(world, name, &waits, out);
    else
        out->available = true;
}
