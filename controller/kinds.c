/* SPDX-License-Identifier: Apache-2.0 */
#include "keep.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct json *kind_owner(const struct json *object)
{
    const struct json *owners = json_at(object, "metadata.ownerReferences");

    for (const struct json *o = json_first(owners); o; o = json_next(o))
        if (json_bool(json_get(o, "controller")))
            return o;
    return NULL;
}

bool kind_is_child(const struct json *object)
{
    const char *kind = json_text(kind_owner(object), "kind");

    return kind && strcmp(kind, "VirtualMachineExport") == 0;
}

bool kind_has_ended(const char *phase)
{
    return phase && (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0);
}

bool kind_is_exporter(const struct settings *settings, const struct json *pod)
{
    const struct json *owner = kind_owner(pod);
    const char *kind = json_text(owner, "kind"), *version = json_text(owner, "apiVersion");
    size_t len = strlen(settings->api_group);

    return kind && strcmp(kind, "VirtualMachineExport") == 0 && version &&
           strncmp(version, settings->api_group, len) == 0 && version[len] == '/';
}

/* ---- indexes ---- */

static void add_key(const struct json *kept, const char *name, struct kube_values *values)
{
    cleanup_str struct str key = STR_INIT;

    if (!name)
        return;
    str_printf(&key, "%s/%s", json_text(kept, "metadata.namespace"), name);
    kube_values_add(values, str_get(&key));
}

static void exports_by_source(const struct json *kept, struct kube_values *values)
{
    cleanup_str struct str key = STR_INIT;

    str_printf(&key, "%s/%s/%s", json_text(kept, "spec.source.kind"),
               json_text(kept, "metadata.namespace"), json_text(kept, "spec.source.name"));
    kube_values_add(values, str_get(&key));
}

static void exports_by_token(const struct json *kept, struct kube_values *values)
{
    const char *spec = json_text(kept, "spec.tokenSecretRef");

    add_key(kept, spec ? spec : json_text(kept, "status.tokenSecretRef"), values);
}

static void exports_by_phase(const struct json *kept, struct kube_values *values)
{
    const char *phase = json_text(kept, "status.phase");

    kube_values_add(values, phase ? phase : "");
}

static void pods_by_claim(const struct json *kept, struct kube_values *values)
{
    for (const struct json *c = json_first(json_get(kept, "claims")); c; c = json_next(c))
        add_key(kept, json_string(c), values);
}

static void pvcs_by_state_of(const struct json *kept, struct kube_values *values)
{
    add_key(kept, json_string(json_get(json_at(kept, "metadata.labels"), "persistent-state-for")),
            values);
}

const char *kind_volume_claim(const struct json *volume)
{
    const char *name = json_text(volume, "dataVolume.name");

    if (!name)
        name = json_text(volume, "persistentVolumeClaim.claimName");
    return name ? name : json_text(volume, "memoryDump.claimName");
}

static void vms_by_claim(const struct json *kept, struct kube_values *values)
{
    const struct json *volumes = json_at(kept, "spec.template.spec.volumes");

    for (const struct json *v = json_first(volumes); v; v = json_next(v))
        add_key(kept, kind_volume_claim(v), values);
}

static void contents_by_snapshot(const struct json *kept, struct kube_values *values)
{
    const struct json *backups = json_at(kept, "spec.volumeBackups");

    for (const struct json *b = json_first(backups); b; b = json_next(b))
        add_key(kept, json_text(b, "volumeSnapshotName"), values);
}

/* ---- the table ---- */

#define MANAGED MANAGED_BY_LABEL "=" MANAGED_BY

/* Most of a pod, and none of it says what it does with a claim. */
static const char *const unread_of_pod[] = {"containers", "initContainers", "ephemeralContainers",
                                            "tolerations", NULL};

const struct kind_info kind_table[KINDS] = {
    [KIND_EXPORT] = {.resource = {NULL, "v1", "virtualmachineexports", "VirtualMachineExport",
                                  true},
                     .keep = keep_export,
                     .indexes = {exports_by_source, exports_by_token, exports_by_phase}},
    [KIND_POD] = {.resource = {"", "v1", "pods", "Pod", true},
                  .unread = unread_of_pod,
                  .keep = keep_pod,
                  .indexes = {pods_by_claim}},
    [KIND_SERVICE] = {.resource = {"", "v1", "services", "Service", true},
                      .label_selector = MANAGED,
                      .keep = keep_service},
    [KIND_SECRET] = {.resource = {"", "v1", "secrets", "Secret", true},
                     .metadata_only = true,
                     .keep = keep_secret},
    [KIND_CONFIGMAP] = {.resource = {"", "v1", "configmaps", "ConfigMap", true},
                        .label_selector = MANAGED,
                        .keep = keep_configmap},
    [KIND_PVC] = {.resource = {"", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true},
                  .keep = keep_pvc,
                  .indexes = {pvcs_by_state_of}},
    [KIND_INGRESS] = {.resource = {"networking.k8s.io", "v1", "ingresses", "Ingress", true},
                      .keep = keep_ingress},
    [KIND_ROUTE] = {.resource = {"route.openshift.io", "v1", "routes", "Route", true},
                    .optional = true,
                    .own_namespace = true,
                    .keep = keep_route},
    [KIND_OWN_SECRET] = {.resource = {"", "v1", "secrets", "Secret", true},
                         .own_namespace = true,
                         .keep = keep_own_secret},
    [KIND_DATAVOLUME] = {.resource = {"cdi.kubevirt.io", "v1beta1", "datavolumes", "DataVolume",
                                      true},
                         .optional = true,
                         .keep = keep_datavolume},
    [KIND_VM] = {.resource = {"kubevirt.io", "v1", "virtualmachines", "VirtualMachine", true},
                 .optional = true,
                 .keep = keep_vm,
                 .indexes = {vms_by_claim}},
    [KIND_VMI] = {.resource = {"kubevirt.io", "v1", "virtualmachineinstances",
                               "VirtualMachineInstance", true},
                  .optional = true,
                  .keep = keep_vmi},
    [KIND_VMSNAPSHOT] = {.resource = {"snapshot.kubevirt.io", "v1beta1", "virtualmachinesnapshots",
                                      "VirtualMachineSnapshot", true},
                         .optional = true,
                         .keep = keep_vmsnapshot},
    [KIND_VMSNAPSHOTCONTENT] = {.resource = {"snapshot.kubevirt.io", "v1beta1",
                                             "virtualmachinesnapshotcontents",
                                             "VirtualMachineSnapshotContent", true},
                                .optional = true,
                                .keep = keep_content,
                                .indexes = {contents_by_snapshot}},
    [KIND_VOLUMESNAPSHOT] = {.resource = {"snapshot.storage.k8s.io", "v1", "volumesnapshots",
                                          "VolumeSnapshot", true},
                             .optional = true,
                             .keep = keep_volumesnapshot},
    [KIND_KUBEVIRT] = {.resource = {"kubevirt.io", "v1", "kubevirts", "KubeVirt", true},
                       .optional = true,
                       .keep = keep_kubevirt},
    [KIND_CRD] = {.resource = {"apiextensions.k8s.io", "v1", "customresourcedefinitions",
                               "CustomResourceDefinition", false},
                  .metadata_only = true,
                  .keep = keep_crd},
};

void kind_crd_name(enum kind kind, struct str *out)
{
    str_printf(out, "%s.%s", kind_table[kind].resource.plural, kind_table[kind].resource.group);
}

void kind_digest(const struct json *json, struct str *out)
{
    static const char hex[] = "0123456789abcdef";
    cleanup_str struct str text = STR_INIT;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;

    if (json)
        json_print(json, 0, &text);
    if (EVP_Digest(str_get(&text), text.len, digest, &len, EVP_sha256(), NULL) != 1)
        abort();
    for (unsigned int i = 0; i < 16; i++) {
        str_putc(out, hex[digest[i] >> 4]);
        str_putc(out, hex[digest[i] & 15]);
    }
}
