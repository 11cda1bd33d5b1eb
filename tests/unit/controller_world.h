/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cluster on paper, for the tests of what the controller plans: objects as the API server would
 * have them, each put through the real keep function into the real cache. A plan can be looked at,
 * carried out on paper, and made again.
 *
 * Objects are written as lists of JSON with ' for "; one of a kind and name that are there already
 * is merged over it (RFC 7396). A namespace ("ns"), a uid and a time of making are filled in.
 */
#pragma once

#include "../../controller/plan.h"
#include "../../controller/token.h"
#include "base/base64.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "support.h"

enum { NOW = 1767225600, LATE = NOW + 7200 }; /* LATE: the end of an export made NOW */
#define NOW_TEXT "2026-01-01T00:00:00Z"

struct paper {
    struct settings settings;
    struct cache cache;
    struct json *objects;  /* by "Kind/namespace/name" */
    struct json *expanded; /* KubeVirt's answer for the machine; NULL: it has none */
    const char *name;      /* of the export that is looked at */
    time_t now;
    unsigned version; /* resourceVersion and uid of what was written last */
    struct world world;
    bool open;
    struct plan plan;
    struct str text; /* what was described last */
};

/* ---- objects by their short names ---- */

#define EXPORT_OF(kind, group, source) \
    "{'kind':'VirtualMachineExport','metadata':{'name':'e'},'spec':{'source':{" \
    "'apiGroup':'" group "','kind':'" kind "','name':'" source "'}}}"
#define EXPORT_PVC EXPORT_OF("PersistentVolumeClaim", "", "disk")
#define EXPORT_VM EXPORT_OF("VirtualMachine", "kubevirt.io", "vm")
#define EXPORT_SNAPSHOT EXPORT_OF("VirtualMachineSnapshot", "snapshot.kubevirt.io", "snap")
#define TO_EXPORT(more) "{'kind':'VirtualMachineExport','metadata':{'name':'e'}," more "}"

#define PVC(name) \
    "{'kind':'PersistentVolumeClaim','metadata':{'name':'" name "'},'spec':{'accessModes':[" \
    "'ReadWriteOnce'],'volumeMode':'Block','resources':{'requests':{'storage':'1Gi'}}}," \
    "'status':{'phase':'Bound'}}"
#define TO_PVC(name, more) \
    "{'kind':'PersistentVolumeClaim','metadata':{'name':'" name "'}," more "}"
#define OWNED_BY_DV \
    "{'kind':'PersistentVolumeClaim','metadata':{'name':'disk','ownerReferences':[{" \
    "'apiVersion':'cdi.kubevirt.io/v1beta1','kind':'DataVolume','name':'disk','uid':'dv'," \
    "'controller':true}]}}"
#define DV(phase) "{'kind':'DataVolume','metadata':{'name':'disk'},'status':{'phase':'" phase "'}}"
#define POD(name, claim, phase) \
    "{'kind':'Pod','metadata':{'name':'" name "'},'spec':{'nodeName':'n7','volumes':[{'name':'v'," \
    "'persistentVolumeClaim':{'claimName':'" claim "'}}]},'status':{'phase':'" phase "'}}"
#define VM(volumes) \
    "{'kind':'VirtualMachine','metadata':{'name':'vm'},'spec':{'template':{'spec':{'volumes':" \
    "[" volumes "]}}}}"
#define ON_CLAIM(name, claim) \
    "{'name':'" name "','persistentVolumeClaim':{'claimName':'" claim "'}}"
#define SECRET(name, data) "{'kind':'Secret','metadata':{'name':'" name "'},'data':" data "}"

#define SNAPSHOT \
    "{'kind':'VirtualMachineSnapshot','metadata':{'name':'snap'},'spec':{'source':{'name':'vm'}}," \
    "'status':{'readyToUse':true,'virtualMachineSnapshotContentName':'content'}}," \
    "{'kind':'VirtualMachineSnapshotContent','metadata':{'name':'content'},'spec':{" \
    "'virtualMachineSnapshotName':'snap','source':{'virtualMachine':{'metadata':{'name':'vm'}," \
    "'spec':{'template':{'spec':{'volumes':[" ON_CLAIM( \
        "root", "disk") "]}}}}}," \
                        "'volumeBackups':[{'volumeName':'root','volumeSnapshotName':'vs','" \
                        "persistentVolumeClaim':{" \
                        "'metadata':{'name':'disk'},'spec':{'accessModes':['ReadWriteOnce'],'" \
                        "resources':{'requests':" \
                        "{'storage':'1Gi'}},'storageClassName':'fast','volumeMode':'Block'}}}]},'" \
                        "status':{" \
                        "'volumeSnapshotStatus':[{}]}}," \
                        "{'kind':'VolumeSnapshot','metadata':{'name':'vs'},'status':{'" \
                        "readyToUse':true,'restoreSize':'2Gi'}}"

/* ---- the API server ---- */

static inline enum kind paper_kind(const char *kind)
{
    for (int k = 0; k < KINDS; k++)
        if (strcmp(kind_table[k].resource.kind, kind) == 0)
            return (enum kind)k;
    fail_msg("no kind '%s'", kind);
    return KINDS;
}

static inline void paper_merge(struct json *into, const struct json *patch)
{
    for (const struct json *v = json_first(patch); v; v = json_next(v)) {
        struct json *old = json_take(into, json_key(v));

        if (json_kind(v) == JSON_OBJECT) {
            if (json_kind(old) != JSON_OBJECT) {
                json_free(old);
                old = json_new_object();
            }
            paper_merge(old, v);
            json_set(into, json_key(v), old);
            continue;
        }
        json_free(old);
        if (json_kind(v) != JSON_NULL)
            json_set(into, json_key(v), json_copy(v));
    }
}

/* As the API server's maps are: by key. */
static inline void paper_sort(struct json *object, const char *key)
{
    cleanup_json struct json *map = json_take(object, key);
    cleanup_free const struct json **sorted = json_sorted(map);
    struct json *out = json_new_object();

    for (size_t i = 0; sorted[i]; i++)
        json_set(out, json_key(sorted[i]), json_copy(sorted[i]));
    if (map)
        json_set(object, key, out);
    else
        json_free(out);
}

static inline char *paper_key(const char *kind, const char *name)
{
    char *key = NULL;

    assert_true(asprintf(&key, "%s/ns/%s", kind, name) > 0);
    return key;
}

/* NULL when there is none. */
static inline const struct json *paper_get(const struct paper *p, const char *kind,
                                           const char *name)
{
    cleanup_free char *key = paper_key(kind, name);

    return json_get(p->objects, key);
}

/* The watch's event; of Secrets it has the metadata only. */
static inline void paper_tell(struct paper *p, const struct json *object)
{
    enum kind kind = paper_kind(json_text(object, "kind"));
    cleanup_json struct json *seen = json_copy(object);

    if (kind_table[kind].metadata_only)
        json_free(json_take(seen, "data"));
    kube_store_put(p->cache.stores[kind], seen);
}

static inline void paper_default(struct json *metadata, const char *key, const char *text)
{
    if (!json_get(metadata, key))
        json_set_string(metadata, key, text);
}

static inline void paper_put(struct paper *p, const struct json *object)
{
    const char *kind = json_text(object, "kind");
    cleanup_free char *key = paper_key(kind, json_text(object, "metadata.name"));
    struct json *whole = json_take(p->objects, key), *metadata;
    char text[CLOCK_RFC3339_SIZE], uid[16], version[16];

    if (!whole)
        whole = json_new_object();
    paper_merge(whole, object);
    metadata = json_edit(whole, "metadata");
    snprintf(version, sizeof(version), "%u", ++p->version);
    snprintf(uid, sizeof(uid), "uid-%u", p->version);
    json_put(metadata, "resourceVersion", json_new_string(version));
    paper_default(metadata, "namespace", "ns");
    paper_default(metadata, "uid", uid);
    paper_default(metadata, "creationTimestamp", clock_rfc3339(p->now, text));
    if (strcmp(kind, "ConfigMap") == 0)
        paper_sort(whole, "data");
    json_set(p->objects, key, whole);
    paper_tell(p, whole);
}

/* A list of objects, without its brackets; NULL: none. */
static inline void paper_add(struct paper *p, const char *objects)
{
    cleanup_str struct str text = STR_INIT;
    cleanup_json struct json *list = NULL;

    str_printf(&text, "[%s]", objects ? objects : "");
    list = json_format(str_get(&text));
    for (const struct json *o = json_first(list); o; o = json_next(o))
        paper_put(p, o);
}

static inline void paper_remove(struct paper *p, const char *kind, const char *name)
{
    cleanup_free char *key = paper_key(kind, name);
    cleanup_json struct json *object = json_take(p->objects, key);

    if (!object)
        fail_msg("there is no %s to remove", key);
    kube_store_remove(p->cache.stores[paper_kind(kind)], object);
}

/* ---- setting up ---- */

/* {'ca','signers','signer','host','cert','gate'}, each may be left out. True when they differ. */
static inline bool paper_surround(struct paper *p, const char *text)
{
    cleanup_json struct json *from = json_format(text);
    struct surroundings *around = calloc(1, sizeof(*around));
    const struct {
        const char *key;
        char **to;
    } fields[] = {{"ca", &around->ca_bundle},       {"signers", &around->signers},
                  {"signer", &around->signer},      {"host", &around->external_host},
                  {"cert", &around->external_cert}, {"gate", &around->gate}};

    for (size_t i = 0; i < COUNT(fields); i++)
        if (json_text(from, fields[i].key))
            *fields[i].to = strdup(json_text(from, fields[i].key));
    return cache_surround(&p->cache, around);
}

#define SIGNED "'ca':'CA','signers':'s1 ','signer':'s1'"

static inline void paper_listen(struct paper *p, const char *settings, kube_change_fn *change,
                                void *listener)
{
    cleanup_json struct json *values = json_format(settings);
    struct err err;

    *p = (struct paper){.name = "e", .now = NOW, .objects = json_new_object()};
    if (settings_from(values, &p->settings, &err) < 0)
        fail_msg("%s", err.msg);
    cache_init(&p->cache, &p->settings, change, listener);
    for (int k = 0; k < KINDS; k++)
        atomic_store(&p->cache.served[k], true);
    paper_surround(p, "{" SIGNED "}");
}

static inline void paper_start(struct paper *p, const char *settings, const char *objects)
{
    paper_listen(p, settings, NULL, NULL);
    paper_add(p, objects);
}

static inline void paper_close(struct paper *p)
{
    if (p->open)
        world_close(&p->world);
    p->open = false;
}

static inline void paper_end(struct paper *p)
{
    paper_close(p);
    cache_free(&p->cache);
    settings_free(&p->settings);
    json_free(p->objects);
    json_free(p->expanded);
    str_free(&p->text);
}

#define cleanup_paper __attribute__((cleanup(paper_end)))

/* ---- looking ---- */

static inline struct memo *paper_memo(struct paper *p)
{
    cleanup_str struct str key = STR_INIT;

    str_printf(&key, "ns/%s", p->name);
    return cache_memo(&p->cache, str_get(&key));
}

static inline void paper_set(char **text, const char *value)
{
    free(*text);
    *text = strdup(value ? value : "");
}

static inline void paper_open(struct paper *p)
{
    cleanup_str struct str key = STR_INIT;

    paper_close(p);
    str_printf(&key, "ns/%s", p->name);
    p->open = true;
    assert_true(world_open(&p->world, &p->cache, str_get(&key), p->now));
}

/* What ask.c does. */
static inline void paper_answer(struct paper *p)
{
    cleanup_str struct str digest = STR_INIT;
    struct memo *memo = paper_memo(p);

    if (p->plan.need == NEED_TOKEN) {
        const struct json *secret = paper_get(p, "Secret", p->plan.need_name);

        memo->token = secret ? token_judge(secret) : TOKEN_MISSING;
        paper_set(&memo->token_version, json_text(secret, "metadata.resourceVersion"));
        if (secret)
            paper_tell(p, secret);
        return;
    }
    if (p->plan.need == NEED_CERTIFICATE) {
        const struct json *secret = paper_get(p, "Secret", p->plan.need_name);

        memo->tls_bad =
            strcmp(json_string(json_get(json_get(secret, "data"), "tls.crt")), "eA==") != 0;
        paper_set(&memo->tls_version, json_text(secret, "metadata.resourceVersion"));
        return;
    }
    json_free(memo->expanded);
    memo->expanded = p->expanded ? json_copy(p->expanded) : NULL;
    memo->expand_again = p->now + 60;
    kind_digest(world_get(&p->world, KIND_VM, p->plan.need_name), &digest);
    paper_set(&memo->vm_version, str_get(&digest));
}

static inline void paper_look_once(struct paper *p)
{
    paper_open(p);
    plan_make(&p->world, &p->plan);
}

static inline void paper_look(struct paper *p)
{
    paper_look_once(p);
    for (int round = 0; p->plan.need != NEED_NOTHING; round++) {
        if (round == 4)
            fail_msg("what the plan needs does not come: %s", p->plan.need_name);
        paper_answer(p);
        world_refresh(&p->world);
        plan_make(&p->world, &p->plan);
    }
}

/* "create Service virt-export-e; token export-token-e; delete Pod virt-export-e in 1 s" */
static inline const char *paper_steps(struct paper *p)
{
    static const char *const words[] = {[STEP_DELETE] = "delete",
                                        [STEP_CREATE] = "create",
                                        [STEP_PATCH] = "patch",
                                        [STEP_TOKEN] = "token",
                                        [STEP_CERTIFICATE] = "certificate"};

    str_clear(&p->text);
    for (size_t i = 0; i < p->plan.count; i++) {
        const struct step *step = &p->plan.steps[i];
        bool short_ = step->what == STEP_TOKEN || step->what == STEP_CERTIFICATE;

        str_printf(&p->text, "%s%s %s%s%s", i ? "; " : "", words[step->what],
                   short_ ? "" : kind_table[step->kind].resource.kind, short_ ? "" : " ",
                   step->name);
        if (step->grace >= 0)
            str_printf(&p->text, " in %d s", step->grace);
    }
    return str_get(&p->text);
}

/* "Pending: Ready=False PodPending, PVCReady=True PVCBound" */
static inline const char *paper_status(struct paper *p)
{
    const struct json *conditions = json_get(p->plan.status, "conditions");

    str_clear(&p->text);
    if (!p->plan.status)
        return "none";
    str_puts(&p->text, json_text(p->plan.status, "phase"));
    for (const struct json *c = json_first(conditions); c; c = json_next(c))
        str_printf(&p->text, "%s %s=%s %s", c == json_first(conditions) ? ":" : ",",
                   json_text(c, "type"), json_text(c, "status"), json_text(c, "reason"));
    return str_get(&p->text);
}

/* The message of the condition Ready. */
static inline const char *paper_message(const struct paper *p)
{
    return json_text(json_first(json_get(p->plan.status, "conditions")), "message");
}

static inline unsigned paper_generation(const struct paper *p)
{
    return (unsigned)json_number(json_get(p->plan.status, "dataGeneration"), 0);
}

static inline const struct step *paper_step(const struct paper *p, enum step_what what,
                                            enum kind kind)
{
    for (size_t i = 0; i < p->plan.count; i++)
        if (p->plan.steps[i].what == what && p->plan.steps[i].kind == kind)
            return &p->plan.steps[i];
    return NULL;
}

#define assert_row(row, what, is, want) \
    do { \
        const char *is_ = (is); \
        if (strcmp(is_, want) != 0) \
            fail_msg("%s: %s is\n%s\nnot\n%s", row, what, is_, want); \
    } while (0)
#define assert_says(row, is, want) \
    do { \
        if (!(is) || !strstr(is, want)) \
            fail_msg("%s: '%s' is not in: %s", row, want, is); \
    } while (0)

static inline void assert_plan(struct paper *p, const char *row, const char *steps,
                               const char *status)
{
    paper_look(p);
    if (steps)
        assert_row(row, "the plan", paper_steps(p), steps);
    if (status)
        assert_row(row, "the status", paper_status(p), status);
}

/* ---- carrying out ---- */

/* What the server adds to what it is given. */
static inline void paper_create(struct paper *p, const struct step *step, struct json *object)
{
    static const struct {
        const char *kind, *more;
    } added[] = {
        {"Pod", "{'status':{'phase':'Pending'},'spec':{'schedulerName':'default-scheduler'}}"},
        {"Service", "{'spec':{'type':'ClusterIP','clusterIP':'10.0.0.1'},'status':{}}"},
        {"PersistentVolumeClaim", "{'status':{'phase':'Pending'}}"},
        {"Ingress", "{'spec':{'ingressClassName':'the-default'},'status':{'loadBalancer':{}}}"},
    };
    const char *kind = json_text(object, "kind");

    if (paper_get(p, kind, step->name))
        fail_msg("%s %s is there already", kind, step->name);
    assert_string_equal(json_text(object, "metadata.name"), step->name);
    assert_true(world_owns(&p->world, object));
    for (size_t i = 0; i < COUNT(added); i++) {
        cleanup_json struct json *more = json_format(added[i].more);
        bool has_class = json_at(object, "spec.ingressClassName") != NULL;

        if (strcmp(added[i].kind, kind) == 0 && !has_class)
            paper_merge(object, more);
    }
    paper_put(p, object);
}

static inline void paper_patch(struct paper *p, const struct step *step, struct json *patch)
{
    const char *kind = kind_table[step->kind].resource.kind;
    const struct json *have = paper_get(p, kind, step->name);

    assert_non_null(have);
    assert_string_equal(json_text(have, "metadata.uid"), step->uid);
    if (!json_get(patch, "metadata"))
        json_set(patch, "metadata", json_new_object());
    json_put(json_edit(patch, "metadata"), "name", json_new_string(step->name));
    json_put(patch, "kind", json_new_string(kind));
    paper_put(p, patch);
}

static inline void paper_certify(struct paper *p, struct json *secret)
{
    struct json *annotations = json_edit(secret, "metadata.annotations");
    cleanup_str struct str names = STR_INIT;
    char renew_at[24];

    str_printf(&names, "%s.ns.svc.%s", names_service(p->settings.names, p->name).text,
               p->settings.cluster_domain);
    snprintf(renew_at, sizeof(renew_at), "%lld", (long long)p->now + 3600);
    json_put(annotations, TLS_SIGNER, json_new_string(p->world.around->signer));
    json_put(annotations, TLS_NAMES, json_new_string(str_get(&names)));
    json_put(annotations, TLS_RENEW_AT, json_new_string(renew_at));
    json_set(secret, "data", json_format("{'tls.crt':'eA==','tls.key':'eQ=='}"));
}

static inline void paper_do(struct paper *p, const struct step *step)
{
    cleanup_json struct json *object = step->object ? json_copy(step->object) : NULL;
    const char *kind = kind_table[step->kind].resource.kind;

    switch (step->what) {
    case STEP_TOKEN:
        json_set(object, "data", json_format("{'token':'dG9rZW4='}"));
        paper_create(p, step, object);
        break;
    case STEP_CERTIFICATE:
        paper_certify(p, object);
        if (step->exists)
            paper_patch(p, step, object);
        else
            paper_create(p, step, object);
        paper_memo(p)->tls_bad = false;
        paper_set(&paper_memo(p)->tls_version,
                  json_text(paper_get(p, kind, step->name), "metadata.resourceVersion"));
        break;
    case STEP_CREATE:
        paper_create(p, step, object);
        break;
    case STEP_PATCH:
        paper_patch(p, step, object);
        break;
    case STEP_DELETE:
        assert_string_equal(json_text(paper_get(p, kind, step->name), "metadata.uid"), step->uid);
        paper_remove(p, kind, step->name);
        break;
    }
}

/* The first `steps` of the plan, and when these are all of it, the status. */
static inline void paper_carry_out(struct paper *p, size_t steps)
{
    cleanup_str struct str key = STR_INIT;
    cleanup_json struct json *export = NULL;

    for (size_t i = 0; i < p->plan.count && i < steps; i++)
        paper_do(p, &p->plan.steps[i]);
    if (steps <= p->plan.count || !p->plan.status)
        return;
    export = json_format("{'kind':'VirtualMachineExport','metadata':{'name':%s},'status':null}",
                         p->name);
    paper_put(p, export);
    json_put(export, "status", json_copy(p->plan.status));
    paper_put(p, export);
    str_printf(&key, "ns/%s", p->name);
    cache_untouch(&p->cache, str_get(&key), p->plan.users);
}

/* The kubelet and the provisioner: pods run, claims are bound. */
static inline void paper_run(struct paper *p)
{
    cleanup_json struct json *changes = json_new_array();

    for (const struct json *o = json_first(p->objects); o; o = json_next(o)) {
        const char *kind = json_text(o, "kind"), *phase = json_text(o, "status.phase");
        const char *name = json_text(o, "metadata.name");

        if (!phase || strcmp(phase, "Pending") || !kind_owner(o))
            continue;
        if (strcmp(kind, "Pod") == 0)
            json_append(changes, json_format("{'kind':'Pod','metadata':{'name':%s},'spec':{"
                                             "'nodeName':'n1'},'status':{'phase':'Running',"
                                             "'containerStatuses':[{'ready':true}]}}",
                                             name));
        else
            json_append(changes, json_format("{'kind':%s,'metadata':{'name':%s},'status':{"
                                             "'phase':'Bound'}}",
                                             kind, name));
    }
    for (const struct json *c = json_first(changes); c; c = json_next(c))
        paper_put(p, c);
}

/* Looks and finds nothing to do. */
static inline bool paper_settled(struct paper *p)
{
    paper_look(p);
    return p->plan.count == 0 &&
           (!p->plan.status || json_equal(p->plan.status, json_get(p->world.export, "status")));
}

/* Carries plans out, and lets run what was made, until there is nothing to do. */
static inline void paper_settle(struct paper *p, const char *row)
{
    paper_run(p);
    for (int round = 0; !paper_settled(p); round++) {
        if (round == 8)
            fail_msg("%s: there is always something to do: %s", row, paper_steps(p));
        paper_carry_out(p, PLAN_STEPS_MAX + 1);
        paper_run(p);
    }
}
