/* SPDX-License-Identifier: Apache-2.0 */
#include "routes.h"

#include <stdio.h>
#include <string.h>

static struct kube_store *store(struct routes *routes, enum kind kind)
{
    return routes->cache->stores[kind];
}

static const char *ns_of(const struct json *object)
{
    return json_text(object, "metadata.namespace");
}

static const char *name_of(const struct json *object)
{
    return json_text(object, "metadata.name");
}

/* `pod` is the uid of the pod that it is about, if it is about one. */
typedef void key_fn(struct routes *routes, const char *key, const char *pod);

static void add(struct routes *routes, const char *key, const char *pod)
{
    (void)pod;
    if (atomic_load(&routes->live)) /* else there are no workers; all are added when they begin */
        kube_queue_add(routes->queue, key);
}

static void touch(struct routes *routes, const char *key, const char *pod)
{
    cache_touch(routes->cache, key, pod);
    kube_queue_add(routes->queue, key);
}

static void each(struct routes *routes, const struct json *exports, key_fn *fn, const char *pod)
{
    for (const struct json *e = json_first(exports); e; e = json_next(e)) {
        cleanup_str struct str key = STR_INIT;

        str_printf(&key, "%s/%s", ns_of(e), name_of(e));
        fn(routes, str_get(&key), pod);
    }
}

/* ---- from a source to its exports ---- */

static void exports_of(struct routes *routes, const char *kind, const char *ns, const char *name,
                       key_fn *fn, const char *pod)
{
    cleanup_str struct str value = STR_INIT;
    cleanup_json struct json *exports = NULL;

    if (!ns || !name)
        return;
    str_printf(&value, "%s/%s/%s", kind, ns, name);
    exports = kube_store_find(store(routes, KIND_EXPORT), EXPORTS_BY_SOURCE, str_get(&value));
    each(routes, exports, fn, pod);
}

static void exports_of_vm(struct routes *routes, const char *ns, const char *name, key_fn *fn,
                          const char *pod)
{
    exports_of(routes, "VirtualMachine", ns, name, fn, pod);
}

static void exports_of_claim(struct routes *routes, const char *ns, const char *claim, key_fn *fn,
                             const char *pod)
{
    cleanup_str struct str value = STR_INIT;
    cleanup_json struct json *vms = NULL, *pvc = NULL;
    const struct json *owner;
    const char *vm;

    exports_of(routes, "PersistentVolumeClaim", ns, claim, fn, pod);
    str_printf(&value, "%s/%s", ns, claim);
    vms = kube_store_find(store(routes, KIND_VM), VMS_BY_CLAIM, str_get(&value));
    for (const struct json *v = json_first(vms); v; v = json_next(v))
        exports_of_vm(routes, ns, name_of(v), fn, pod);
    pvc = kube_store_get(store(routes, KIND_PVC), ns, claim);
    vm = json_string(json_get(json_at(pvc, "metadata.labels"), "persistent-state-for"));
    if (vm)
        exports_of_vm(routes, ns, vm, fn, pod);
    owner = kind_owner(pvc);
    if (json_text(owner, "kind") && strcmp(json_text(owner, "kind"), "VirtualMachineExport") == 0) {
        str_clear(&value);
        str_printf(&value, "%s/%s", ns, json_text(owner, "name"));
        fn(routes, str_get(&value), pod);
    }
}

static void owner_export(struct routes *routes, const struct json *object)
{
    const struct json *owner = kind_owner(object);
    cleanup_str struct str key = STR_INIT;

    if (!json_text(owner, "kind") || strcmp(json_text(owner, "kind"), "VirtualMachineExport"))
        return;
    str_printf(&key, "%s/%s", ns_of(object), json_text(owner, "name"));
    add(routes, str_get(&key), NULL);
}

/* ---- kind by kind; `o` is the object as it was or as it is ---- */

static void route_export(struct routes *routes, const struct json *o)
{
    cleanup_str struct str key = STR_INIT;

    str_printf(&key, "%s/%s", ns_of(o), name_of(o));
    add(routes, str_get(&key), NULL);
}

static void route_pvc(struct routes *routes, const struct json *o)
{
    const char *vm = json_string(json_get(json_at(o, "metadata.labels"), "persistent-state-for"));

    owner_export(routes, o);
    exports_of_claim(routes, ns_of(o), name_of(o), add, NULL);
    if (vm)
        exports_of_vm(routes, ns_of(o), vm, add, NULL);
}

/* Its claims are named like it. */
static void route_datavolume(struct routes *routes, const struct json *o)
{
    exports_of_claim(routes, ns_of(o), name_of(o), add, NULL);
}

static void route_vm(struct routes *routes, const struct json *o)
{
    exports_of_vm(routes, ns_of(o), name_of(o), add, NULL);
}

static void route_snapshot(struct routes *routes, const struct json *o)
{
    exports_of(routes, "VirtualMachineSnapshot", ns_of(o), name_of(o), add, NULL);
}

static void route_content(struct routes *routes, const struct json *o)
{
    exports_of(routes, "VirtualMachineSnapshot", ns_of(o),
               json_text(o, "spec.virtualMachineSnapshotName"), add, NULL);
}

static void route_volumesnapshot(struct routes *routes, const struct json *o)
{
    cleanup_str struct str value = STR_INIT;
    cleanup_json struct json *contents = NULL;

    str_printf(&value, "%s/%s", ns_of(o), name_of(o));
    contents = kube_store_find(store(routes, KIND_VMSNAPSHOTCONTENT), CONTENTS_BY_SNAPSHOT,
                               str_get(&value));
    for (const struct json *c = json_first(contents); c; c = json_next(c))
        route_content(routes, c);
}

/* Ours by its owner; anybody's by an export that names it as its token. */
static void route_secret(struct routes *routes, const struct json *o)
{
    cleanup_str struct str value = STR_INIT;
    cleanup_json struct json *exports = NULL;

    owner_export(routes, o);
    str_printf(&value, "%s/%s", ns_of(o), name_of(o));
    exports = kube_store_find(store(routes, KIND_EXPORT), EXPORTS_BY_TOKEN, str_get(&value));
    each(routes, exports, add, NULL);
}

static void tell_surroundings(struct routes *routes, const struct json *o)
{
    (void)o;
    routes->surroundings(routes->ctx);
}

static void route_crd(struct routes *routes, const struct json *o)
{
    routes->crd(routes->ctx, name_of(o));
    tell_surroundings(routes, o);
}

static void route_ingress(struct routes *routes, const struct json *o)
{
    owner_export(routes, o);
    tell_surroundings(routes, o);
}

/* An export's manifests, or what the proxy knows export pods by. */
static void route_configmap(struct routes *routes, const struct json *o)
{
    owner_export(routes, o);
    if (strcmp(name_of(o), CA_CONFIGMAP) == 0 &&
        strcmp(ns_of(o), routes->cache->settings->namespace_) == 0)
        tell_surroundings(routes, o);
}

/* ---- pods ---- */

static void pod_claims(struct routes *routes, const struct json *pod, key_fn *fn)
{
    const char *known = json_text(pod, "metadata.uid"), *uid = known ? known : CACHE_UNKNOWN_POD;

    for (const struct json *c = json_first(json_get(pod, "claims")); c; c = json_next(c))
        exports_of_claim(routes, ns_of(pod), json_string(c), fn, uid);
}

/* A foreign pod may write from when it is there until it has gone. */
static void route_pod(struct routes *routes, const struct json *o)
{
    if (kind_is_exporter(routes->cache->settings, o)) {
        owner_export(routes, o);
        pod_claims(routes, o, add);
        return;
    }
    pod_claims(routes, o, atomic_load(&routes->live) ? touch : add);
}

static bool has_ended(const struct json *pod)
{
    return kind_has_ended(json_text(pod, "phase"));
}

/* It had ended before: whatever becomes of it now, it writes nothing more. */
static bool is_over(const struct json *before, const struct json *after)
{
    return before && has_ended(before) &&
           (!after || json_equal(json_at(before, "metadata.uid"), json_at(after, "metadata.uid")));
}

/* ---- the table ---- */

static void (*const table[KINDS])(struct routes *routes, const struct json *o) = {
    [KIND_EXPORT] = route_export,
    [KIND_POD] = route_pod,
    [KIND_SERVICE] = owner_export,
    [KIND_SECRET] = route_secret,
    [KIND_CONFIGMAP] = route_configmap,
    [KIND_PVC] = route_pvc,
    [KIND_INGRESS] = route_ingress,
    [KIND_ROUTE] = tell_surroundings,
    [KIND_OWN_SECRET] = tell_surroundings,
    [KIND_DATAVOLUME] = route_datavolume,
    [KIND_VM] = route_vm,
    [KIND_VMI] = route_vm,
    [KIND_VMSNAPSHOT] = route_snapshot,
    [KIND_VMSNAPSHOTCONTENT] = route_content,
    [KIND_VOLUMESNAPSHOT] = route_volumesnapshot,
    [KIND_KUBEVIRT] = tell_surroundings,
    [KIND_CRD] = route_crd,
};

/* What a change concerned before, it concerns now, too: volumes may have been taken off a machine. */
void routes_change(void *ctx, const struct json *before, const struct json *after)
{
    const struct kind_context *context = ctx;
    struct routes *routes = context->listener;

    if (context->kind == KIND_POD && is_over(before, after)) {
        owner_export(routes, before);
        pod_claims(routes, before, add);
        return;
    }
    if (after)
        table[context->kind](routes, after);
    if (before)
        table[context->kind](routes, before);
}

static void all(struct routes *routes, key_fn *fn, const char *pod)
{
    cleanup_json struct json *keys = kube_store_keys(store(routes, KIND_EXPORT));

    for (const struct json *k = json_first(keys); k; k = json_next(k))
        fn(routes, json_string(k), pod);
}

void routes_add_all(struct routes *routes)
{
    all(routes, add, NULL);
}

void routes_touch_all(struct routes *routes)
{
    all(routes, touch, CACHE_UNKNOWN_POD);
}

void routes_pod_seen(struct routes *routes, const struct json *pod, bool gone)
{
    cleanup_json struct json *kept =
        kind_table[KIND_POD].keep(&routes->cache->contexts[KIND_POD], pod);

    if (kept && !kind_is_exporter(routes->cache->settings, kept) && !(gone && has_ended(kept)))
        pod_claims(routes, kept, touch);
}
