/* SPDX-License-Identifier: Apache-2.0 */
#include "command_line/complete_names.h"

#include "api/cluster.h"
#include "api/exports.h"

#include <string.h>

enum { SECONDS = 2, NAMES_MAX = 500 };

static const struct {
    const char *kind;
    struct kube_resource resource;
} kinds[] = {
    {"@claims", {"", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true}},
    {"@machines", {"kubevirt.io", "v1", "virtualmachines", "VirtualMachine", true}},
    {"@snapshots",
     {"snapshot.kubevirt.io", "v1beta1", "virtualmachinesnapshots", "VirtualMachineSnapshot",
      true}},
    {"@namespaces", {"", "v1", "namespaces", "Namespace", false}},
};

static void add_names(struct cluster *cluster, const struct kube_resource *resource,
                      struct str *out)
{
    const struct kube_selection what = {.resource = resource,
                                        .ns = resource->namespaced ? cluster->ns : NULL,
                                        .metadata_only = true};
    cleanup_json struct json *list = NULL;
    struct err err;

    if (kube_list(cluster->conn, &what, NAMES_MAX, NULL, NULL, &list, &err) < 0)
        return;
    for (const struct json *item = json_first(json_get(list, "items")); item;
         item = json_next(item)) {
        const char *name = json_text(item, "metadata.name");

        if (name)
            str_printf(out, "%s\n", name);
    }
}

static void add_exports(struct cluster *cluster, const struct options *options, struct str *out)
{
    struct exports exports;
    struct err err;

    if (exports_discover(cluster, options->api_group, &exports, &err) < 0)
        return;
    for (size_t i = 0; i < exports.count; i++)
        add_names(cluster, &exports.group[i], out);
}

void complete_names(const char *kind, const struct options *options, struct str *out)
{
    struct options patient = *options;
    struct cluster cluster;
    struct err err;

    patient.request_timeout_s = SECONDS;
    if (cluster_open(&patient, &cluster, &err) < 0)
        return;
    if (strcmp(kind, "@exports") == 0)
        add_exports(&cluster, &patient, out);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kind, kinds[i].kind) == 0)
            add_names(&cluster, &kinds[i].resource, out);
    cluster_close(&cluster);
}
