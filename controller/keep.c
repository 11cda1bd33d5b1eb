/* SPDX-License-Identifier: Apache-2.0 */
#include "keep.h"

#include <stdio.h>
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
    struct json *function(void *ctx, const struct json *object) \
    { \
        static const char *const paths[] = {__VA_ARGS__, NULL}; \
\
        (void)ctx; \
        return pick_all(object, paths); \
    }

KEEP_PATHS(keep_vmi, "status.phase")
KEEP_PATHS(keep_datavolume, "spec.contentType", "status.phase")
KEEP_PATHS(keep_vm, "metadata.labels", "metadata.annotations", "spec",
           "status.changedBlockTracking")
KEEP_PATHS(keep_vmsnapshot, "spec.source", "status.readyToUse",
           "status.virtualMachineSnapshotContentName")
KEEP_PATHS(keep_content, "spec.virtualMachineSnapshotName", "spec.source", "spec.volumeBackups",
           "status.volumeSnapshotStatus")
KEEP_PATHS(keep_volumesnapshot, "status.restoreSize", "status.readyToUse", "status.error")
KEEP_PATHS(keep_kubevirt, "spec.configuration.developerConfiguration",
           "status.observedKubeVirtVersion")
KEEP_PATHS(keep_route, "spec.to", "spec.tls.termination", "spec.tls.certificate",
           "spec.tls.caCertificate", "status.ingress")
KEEP_PATHS(keep_crd, "metadata.labels")
KEEP_PATHS(keep_service, "metadata.ownerReferences", "metadata.labels", "spec.selector",
           "spec.ports", "spec.publishNotReadyAddresses")

struct json *keep_export(void *ctx, const struct json *object)
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

struct json *keep_pvc(void *ctx, const struct json *object)
{
    static const char *const paths[] = {"metadata.deletionTimestamp",
                                        "metadata.ownerReferences",
                                        "spec.accessModes",
                                        "spec.dataSource",
                                        "spec.volumeMode",
                                        "spec.resources",
                                        "status.phase",
                                        "status.capacity",
                                        NULL};
    struct json *out = pick_all(object, paths);

    (void)ctx;
    pick_entry(object, "annotations", "cdi.kubevirt.io/storage.contentType", out);
    pick_entry(object, "labels", "persistent-state-for", out);
    if (json_at(out, "metadata.labels")) /* of several with a machine's state, the latest counts */
        pick(object, "metadata.creationTimestamp", out);
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

    if (json_text(pod, "status.reason")) { /* of the pod as a whole: evicted, not admitted */
        json_put(out, "trouble", json_copy(json_at(pod, "status.reason")));
        if (json_text(pod, "status.message"))
            json_put(out, "message", json_copy(json_at(pod, "status.message")));
        return;
    }
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
 * A pod in a form of its own: claims, phase, node, and of an export's pod also ready, ip, trouble
 * and the annotations that it was made with. A pod without claims is of no interest.
 */
struct json *keep_pod(void *ctx, const struct json *object)
{
    static const char *const foreign[] = {"metadata.deletionTimestamp", NULL};
    static const char *const own[] = {
        "metadata.deletionTimestamp", "metadata.deletionGracePeriodSeconds",
        "metadata.ownerReferences",   "metadata.annotations",
        "metadata.creationTimestamp", NULL};
    const struct kind_context *context = ctx;
    const char *phase = json_text(object, "status.phase");
    const char *node = json_text(object, "spec.nodeName");
    const char *ip = json_text(object, "status.podIP");
    struct json *claims = claims_of(object), *out;
    bool ours = kind_is_exporter(context->settings, object);

    if (!json_first(claims) && !ours) {
        json_free(claims);
        return NULL;
    }
    out = pick_all(object, ours ? own : foreign);
    json_set(out, "claims", claims);
    json_set_string(out, "phase", phase ? phase : "Pending");
    if (node)
        json_set_string(out, "node", node);
    if (ours) {
        json_set(out, "ready", json_new_bool(pod_ready(object)));
        if (ip)
            json_set_string(out, "ip", ip);
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
struct json *keep_secret(void *ctx, const struct json *object)
{
    static const char *const own[] = {"metadata.resourceVersion", "metadata.ownerReferences",
                                      "metadata.annotations", NULL};
    static const char *const other[] = {"metadata.resourceVersion", "metadata.ownerReferences",
                                        NULL};
    const struct kind_context *context = ctx;
    cleanup_str struct str key = STR_INIT;

    if (is_managed(object) || kind_is_child(object)) /* also one that has lost its label */
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
struct json *keep_configmap(void *ctx, const struct json *object)
{
    static const char *const paths[] = {"metadata.ownerReferences", NULL};
    struct json *out = pick_all(object, paths);
    const char *name = json_text(object, "metadata.name");
    cleanup_str struct str text = STR_INIT;

    (void)ctx;
    if (name && strcmp(name, CA_CONFIGMAP) == 0)
        json_set(out, "data", json_copy(json_get(object, "data")));
    kind_digest(json_get(object, "data"), &text);
    json_set_string(out, "digest", str_get(&text));
    json_set(out, "keys", keys_of(json_get(object, "data")));
    return out;
}

/* Those that may lead to the proxy, and those that we made. */
struct json *keep_ingress(void *ctx, const struct json *object)
{
    static const char *const own[] = {"metadata.ownerReferences", "metadata.labels",
                                      "metadata.annotations", "spec", NULL};
    static const char *const other[] = {"metadata.ownerReferences", "metadata.labels", "spec",
                                        NULL};

    if (is_managed(object))
        return pick_all(object, own);
    return in_own_namespace(ctx, object) ? pick_all(object, other) : NULL;
}

/* The CA whole; of all others only the certificate. */
struct json *keep_own_secret(void *ctx, const struct json *object)
{
    const struct kind_context *context = ctx;
    static const char *const whole[] = {"metadata.resourceVersion", "metadata.labels", "data",
                                        NULL};
    static const char *const other[] = {NULL};
    const char *name = json_text(object, "metadata.name");
    const struct json *certificate = json_get(json_get(object, "data"), "tls.crt");
    struct json *out;

    if (name &&
        (strcmp(name, CA_SECRET) == 0 || strcmp(name, context->settings->proxy_certificate) == 0))
        return pick_all(object, whole);
    out = pick_all(object, other);
    if (certificate)
        json_set(out, "data", json_format("{'tls.crt':%j}", certificate));
    return out;
}
