/* SPDX-License-Identifier: Apache-2.0 */
#include "source.h"

#include <stdlib.h>
#include <string.h>

struct source_kind {
    const char *kind;
    const char *groups[4]; /* "" is also that of none */
    void (*examine)(struct world *world, const char *name, struct source *out);
};

/* Both seeds write a claim's group: "" and v1. */
static const struct source_kind table[] = {
    {"PersistentVolumeClaim", {"", "v1"}, source_pvc},
    {"VirtualMachine", {"kubevirt.io"}, source_vm},
    {"VirtualMachineSnapshot", {"snapshot.kubevirt.io"}, source_vmsnapshot},
};

static bool has_group(const struct source_kind *kind, const char *group)
{
    for (size_t i = 0; kind->groups[i]; i++)
        if (strcmp(kind->groups[i], group ? group : "") == 0)
            return true;
    return false;
}

bool source_examine(struct world *world, struct source *out)
{
    const char *kind = json_text(world->export, "spec.source.kind");
    const char *name = json_text(world->export, "spec.source.name");
    const char *group = json_text(world->export, "spec.source.apiGroup");

    memset(out, 0, sizeof(*out));
    for (size_t i = 0; kind && name && i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(table[i].kind, kind) || !has_group(&table[i], group))
            continue;
        table[i].examine(world, name, out);
        return true;
    }
    return false;
}

void source_add(struct source *source, const struct volume *volume)
{
    for (size_t i = 0; i < source->count; i++)
        if (strcmp(source->volumes[i].claim, volume->claim) == 0)
            return;
    source->volumes[source->count++] = *volume;
}

void source_not_ready(struct source *source, const char *reason, const char *message)
{
    source->available = false;
    source->ready = (struct condition){"Ready", false, reason, message};
}

bool source_in_use(struct world *world, const char *whose, struct source *out)
{
    for (size_t i = 0; i < out->count; i++) {
        const struct json *user = volume_user(world, out->volumes[i].pvc);

        if (!user)
            continue;
        out->in_use = true;
        /* An export pod only reads: it leaves the data as it is. */
        out->user =
            kind_is_exporter(world->settings, user) ? NULL : json_text(user, "metadata.uid");
        source_not_ready(out, "InUse",
                         world_printf(world,
                                      "PersistentVolumeClaim %s/%s%s is in use by pod %s: the "
                                      "export goes on when that pod has ended or is deleted",
                                      world->ns, out->volumes[i].claim, whose,
                                      json_text(user, "metadata.name")));
        return true;
    }
    return false;
}
