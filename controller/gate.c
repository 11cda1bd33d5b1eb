/* SPDX-License-Identifier: Apache-2.0 */
#include "gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has(const struct json *list, const char *value)
{
    for (const struct json *v = json_first(list); v; v = json_next(v))
        if (json_string(v) && strcmp(json_string(v), value) == 0)
            return true;
    return false;
}

/* Whether "v1.8.2" is before 1.9; false for what is no version. */
static bool has_gate(const char *version)
{
    unsigned major, minor;

    return version && sscanf(version, "v%4u.%4u", &major, &minor) == 2 &&
           (major < 1 || (major == 1 && minor < 9));
}

char *gate_closed(const struct json *kubevirts)
{
    static const char message[] =
        "VM export is not enabled in KubeVirt: add VMExport to "
        "spec.configuration.developerConfiguration.featureGates of the KubeVirt object";

    for (const struct json *k = json_first(kubevirts); k; k = json_next(k)) {
        const struct json *developer = json_at(k, "spec.configuration.developerConfiguration");

        if (has(json_get(developer, "disabledFeatureGates"), "VMExport") ||
            (has_gate(json_text(k, "status.observedKubeVirtVersion")) &&
             !has(json_get(developer, "featureGates"), "VMExport")))
            return strdup(message);
    }
    return NULL;
}

bool gate_taken(const struct json *crd, const char *group, struct str *message)
{
    const struct json *labels = json_at(crd, "metadata.labels");
    const char *by = json_string(json_get(labels, "app.kubernetes.io/managed-by"));

    if (!json_get(labels, "kubevirt.io") &&
        !(by && (strcmp(by, "virt-operator") == 0 || strcmp(by, "kubevirt-operator") == 0)))
        return false;
    str_printf(message,
               "the API group %s is served by KubeVirt, whose own controller works on its "
               "exports: set --api-group=export.vmexport.io (in the chart: api.group) and install "
               "the CRD of that group",
               group);
    return true;
}
