/* SPDX-License-Identifier: Apache-2.0 */
#include "kinds.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- picking ---- */

/* Copies what is at `path` into the same place of `out`. */
static void pick(const struct json *object, const char *path, struct json *out)
{
    const struct json *value = json_at(object, path);
    const char *dot;

    if (!value)
        return;
    while ((dot = strchr(path, '.'))) {
        char key[64];

        snprintf(key, sizeof(key), "%.*s", (int)(dot - path), path);
        if (!json_get(out, key))
            json_set(out, key, json_new_object());
        out = json_edit(out, key);
        path = dot + 1;
    }
    json_put(out, path, json_copy(value));
}

static struct json *pick_all(const struct json *object, const char *const *paths)
{
    struct json *out = json_new_object();

    pick(object, "metadata.name", out);
    pick(object, "metadata.namespace", out);
    pick(object, "metadata.uid", out);
    for (; *paths; paths++)
        pick(object, *paths, out);
    return out;
}

/* One label or annotation: their keys have dots. */
static void pick_entry(const struct json *object, const char *map, const char *key,
                       struct json *out)
{
    const struct json *value = json_get(json_get(json_get(object, "metadata"), map), key);
    struct json *metadata = json_edit(out, "metadata");

    if (!json_string(value))
        return;
    if (!json_get(metadata, map))
        json_set(metadata, map, json_new_object());
    json_set_string(json_edit(metadata, map), key, json_string(value));
}

const struct json *kind_owner(const struct json *object)
{
    const struct json *owners = json_at(object, "metadata.ownerReferences");

    for (const struct json *o = json_first(owners); o; o = json_next(o))
        if (json_bool(json_get(o, "controller")))
            return o;
    return NULL;
}

bool kind_is_exporter(const struct settings *settings, const struct json *pod)
{
    const struct json *owner = kind_owner(pod);
    const char *kind = json_text(owner, "kind"), *version = json_text(owner, "apiVersion");
    size_t len = strlen(settings->api_group);

    return kind && strcmp(kind, "VirtualMachineExport") == 0 && version &&
           strncmp(version, settings->api_group, len) == 0 && version[len] == '/';
}

static bool is_managed(const struct json *object)
{
    const char *by = json_string(json_get(json_at(object, "metadata.labels"), MANAGED_BY_LABEL));

    return by && strcmp(by, MANAGED_BY) == 0;
}

static bool in_own_namespace(const struct kind_context *context, const struct json *object)
{
    const char *ns = json_text(object, "metadata.namespace");

    return ns && strcmp(ns, context->settings->namespace_) == 0;
}

/* ---- what is kept, kind by kind ---- */

#define KEEP_PATHS(function, ...) \
    static struct json *function(void *ctx, const struct json *object) \
    { \
        static const char *const paths[] = {__VA_ARGS__, NULL}; \
\
        (void)ctx; \
        return pick_all(object, paths); \
    }

KEEP_PATHS(keep_vmi, "status.phase")
KEEP_PATHS(keep_datavolume, "spec.contentType", "status.phase")
KEEP_PATHS(keep_vm, "metadata.resourceVersion", "metadata.labels", "metadata.annotations", "spec",
           "status.changedBlockTracking")
KEEP_PATHS(keep_vmsnapshot, "spec.source", "status.readyToUse",
           "status.virtualMachineSnapshotContentName")
KEEP_PATHS(keep_content, "spec.virtualMachineSnapshotName", "spec.source", "spec.volumeBackups",
           "status.volumeSnapshotStatus")
KEEP_PATHS(keep_volumesnapshot, "status.restoreSize", "status.readyToUse", "status.error")
KEEP_PATHS(keep_kubevirt, "spec.configuration.developerConfiguration",
           "status.observedKubeVirtVersion")
KEEP_PATHS(keep_route, "spec.to", "status.ingress")
KEEP_PATHS(keep_crd, "metadata.labels")
KEEP_PATHS(keep_service, "metadata.ownerReferences", "metadata.labels", "spec.selector",
           "spec.ports")

static struct json *keep_export(void *ctx, const struct json *object)
{
    static const char *const paths[] = {"metadata.resourceVersion",
                                        "metadata.generation",
                                        "metadata.creationTimestamp",
                                        "metadata.deletionTimestamp",
                                        "metadata.labels",
                                        "metadata.annotations",
                                        "spec",
                                        "status",
                                        NULL};
    struct json *out = pick_all(object, paths);
    struct json *annotations = json_edit(out, "metadata.annotations");

    (void)ctx;
    if (annotations)
        json_free(json_take(annotations, "kubectl.kubernetes.io/last-applied-configuration"));
    return out;
}

static struct json *keep_pvc(void *ctx, const struct json *object)
{
    static const char *const paths[] = {"metadata.creationTimestamp",
                                        "metadata.deletionTimestamp",
                                        "metadata.ownerReferences",
                                        "spec.accessModes",
                                        "spec.volumeMode",
                                        "spec.resources",
                                        "status.phase",
                                        "status.capacity",
                                        NULL};
    struct json *out = pick_all(object, paths);

    (void)ctx;
    pick_entry(object, "annotations", "cdi.kubevirt.io/storage.contentType", out);
    pick_entry(object, "labels", "persistent-state-for", out);
    return out;
}

/* The claims that a pod uses; one that is made for an `ephemeral` volume is named after both
 * (https://kubernetes.io/docs/concepts/storage/ephemeral-volumes/). */
static struct json *claims_of(const struct json *pod)
{
    const struct json *volumes = json_at(pod, "spec.volumes");
    struct json *claims = json_new_array();

    for (const struct json *v = json_first(volumes); v; v = json_next(v)) {
        const char *claim = json_text(v, "persistentVolumeClaim.claimName");
        cleanup_str struct str made = STR_INIT;

        if (json_get(v, "ephemeral"))
            str_printf(&made, "%s-%s", json_text(pod, "metadata.name"), json_text(v, "name"));
        if (claim || made.len)
            json_append(claims, json_new_string(claim ? claim : str_get(&made)));
    }
    return claims;
}

/* Running and each of its containers ready. */
static bool pod_ready(const struct json *pod)
{
    const char *phase = json_text(pod, "status.phase");
    const struct json *statuses = json_at(pod, "status.containerStatuses");

    if (!phase || strcmp(phase, "Running") || !json_first(statuses))
        return false;
    for (const struct json *s = json_first(statuses); s; s = json_next(s))
        if (!json_bool(json_get(s, "ready")))
            return false;
    return true;
}

/* Why a pod does not come up, as far as the scheduler and the kubelet have said. */
static void add_trouble(const struct json *pod, struct json *out)
{
    const struct json *statuses = json_at(pod, "status.containerStatuses");
    const struct json *conditions = json_at(pod, "status.conditions");

    for (const struct json *s = json_first(statuses); s; s = json_next(s)) {
        const char *reason = json_text(s, "state.waiting.reason");

        if (reason && strcmp(reason, "ContainerCreating") && strcmp(reason, "PodInitializing")) {
            json_put(out, "trouble", json_new_string(reason));
            if (json_text(s, "state.waiting.message"))
                json_put(out, "message", json_copy(json_at(s, "state.waiting.message")));
            return;
        }
    }
    for (const struct json *c = json_first(conditions); c; c = json_next(c)) {
        const char *type = json_text(c, "type"), *status = json_text(c, "status");

        if (!type || !status || strcmp(type, "PodScheduled") || strcmp(status, "False"))
            continue;
        if (json_text(c, "reason"))
            json_put(out, "trouble", json_copy(json_get(c, "reason")));
        if (json_text(c, "message"))
            json_put(out, "message", json_copy(json_get(c, "message")));
    }
}

/*
 * A pod in a form of its own: claims, phase, node, and of an export's pod also ready, trouble and
 * the annotations that it was made with. A pod without claims is of no interest.
 */
static struct json *keep_pod(void *ctx, const struct json *object)
{
    static const char *const paths[] = {"metadata.deletionTimestamp", "metadata.ownerReferences",
                                        NULL};
    static const char *const own[] = {
        "metadata.deletionTimestamp", "metadata.deletionGracePeriodSeconds",
        "metadata.ownerReferences",   "metadata.annotations",
        "metadata.creationTimestamp", NULL};
    const struct kind_context *context = ctx;
    const char *phase = json_text(object, "status.phase");
    const char *node = json_text(object, "spec.nodeName");
    struct json *claims = claims_of(object), *out;
    bool ours = kind_is_exporter(context->settings, object);

    if (!json_first(claims) && !ours) {
        json_free(claims);
        return NULL;
    }
    out = pick_all(object, ours ? own : paths);
    json_set(out, "claims", claims);
    json_set_string(out, "phase", phase ? phase : "Pending");
    if (node)
        json_set_string(out, "node", node);
    if (ours) {
        json_set(out, "ready", json_new_bool(pod_ready(object)));
        add_trouble(object, out);
    }
    return out;
}

/* Whether it is named as a token that we make: it may be somebody else's all the same. */
static bool has_token_name(const struct kind_context *context, const struct json *object)
{
    const char *name = json_text(object, "metadata.name");

    return name && str_starts(name, names_token(context->settings->names, "").text);
}

/* Ours, or one that is, or would be, an export's token. */
static struct json *keep_secret(void *ctx, const struct json *object)
{
    static const char *const own[] = {"metadata.resourceVersion", "metadata.ownerReferences",
                                      "metadata.annotations", NULL};
    static const char *const other[] = {"metadata.resourceVersion", "metadata.ownerReferences",
                                        NULL};
    const struct kind_context *context = ctx;
    cleanup_str struct str key = STR_INIT;

    if (is_managed(object))
        return pick_all(object, own);
    str_printf(&key, "%s/%s", json_text(object, "metadata.namespace"),
               json_text(object, "metadata.name"));
    return has_token_name(context, object) ||
                   kube_store_has(context->exports, EXPORTS_BY_TOKEN, str_get(&key))
               ? pick_all(object, other)
               : NULL;
}

static struct json *keys_of(const struct json *object)
{
    struct json *keys = json_new_array();

    for (const struct json *value = json_first(object); value; value = json_next(value))
        json_append(keys, json_new_string(json_key(value)));
    return keys;
}

/* A digest for the data: what is in it is never asked for, only whether it is as wanted. */
static struct json *keep_configmap(void *ctx, const struct json *object)
{
    static const char *const paths[] = {"metadata.ownerReferences", NULL};
    struct json *out = pick_all(object, paths);
    cleanup_str struct str text = STR_INIT;

    (void)ctx;
    kind_digest(json_get(object, "data"), &text);
    json_set_string(out, "digest", str_get(&text));
    json_set(out, "keys", keys_of(json_get(object, "data")));
    return out;
}

/* Those that may lead to the proxy, and those that we made. */
static struct json *keep_ingress(void *ctx, const struct json *object)
{
    static const char *const paths[] = {"metadata.ownerReferences", "metadata.labels", "spec",
                                        NULL};

    if (!is_managed(object) && !in_own_namespace(ctx, object))
        return NULL;
    return pick_all(object, paths);
}

/* The CA whole; of all others only the certificate. */
static struct json *keep_own_secret(void *ctx, const struct json *object)
{
    static const char *const ca[] = {"metadata.resourceVersion", "metadata.labels", "data", NULL};
    static const char *const other[] = {"type", NULL};
    struct json *out = pick_all(object, is_managed(object) ? ca : other);
    const struct json *certificate = json_get(json_get(object, "data"), "tls.crt");

    (void)ctx;
    if (!json_get(out, "data") && certificate)
        json_set(out, "data", json_format("{'tls.crt':%j}", certificate));
    return out;
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

const struct kind_info kind_table[KINDS] = {
    [KIND_EXPORT] = {.resource = {NULL, "v1", "virtualmachineexports", "VirtualMachineExport",
                                  true},
                     .keep = keep_export,
                     .indexes = {exports_by_source, exports_by_token}},
    [KIND_POD] = {.resource = {"", "v1", "pods", "Pod", true},
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
    cleanup_str struct str text = STR_INIT;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;

    if (json)
        json_print(json, 0, &text);
    if (EVP_Digest(str_get(&text), text.len, digest, &len, EVP_sha256(), NULL) != 1)
        abort();
    for (unsigned int i = 0; i < 16; i++)
        str_printf(out, "%02x", digest[i]);
}
