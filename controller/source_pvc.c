/* SPDX-License-Identifier: Apache-2.0 */
#include "source.h"

#include <string.h>

/* Whether the claim is bound. One that is not may still be exported: where its storage class waits
 * for a first consumer, the export's pod is the one. */
static struct condition bound(struct world *world, const char *name, const struct json *pvc)
{
    const char *phase = json_text(pvc, "status.phase");

    if (phase && strcmp(phase, "Pending") == 0)
        return (struct condition){
            "PVCReady", false, "PVCPending",
            world_printf(world, "PersistentVolumeClaim %s/%s is not bound to a volume yet",
                         world->ns, name)};
    if (phase && strcmp(phase, "Lost") == 0)
        return (struct condition){
            "PVCReady", false, "PVCLost",
            world_printf(world, "PersistentVolumeClaim %s/%s has lost its PersistentVolume",
                         world->ns, name)};
    return (struct condition){"PVCReady", true, "PVCBound", ""};
}

void source_pvc(struct world *world, const char *name, struct source *out)
{
    const struct json *pvc = world_get(world, KIND_PVC, name);
    struct condition waits;
    struct volume volume;

    out->volumes = world_array(world, 1, sizeof(volume));
    if (!pvc) {
        out->own = (struct condition){
            "PVCReady", false, "PVCNotFound",
            world_printf(world, "PersistentVolumeClaim %s/%s not found: the export waits for it",
                         world->ns, name)};
        source_not_ready(out, "Initializing", out->own.message);
        return;
    }
    volume = volume_of(world, name, pvc);
    source_add(out, &volume);
    out->own = bound(world, name, pvc);
    waits = volume_waits(world, pvc);
    if (waits.type)
        source_not_ready(out, waits.reason, waits.message);
    else
        out->available = !source_in_use(world, "", out);
}
