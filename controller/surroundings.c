/* SPDX-License-Identifier: Apache-2.0 */
#include "surroundings.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/json_merge.h"
#include "base/log.h"
#include "external.h"
#include "gate.h"
#include "proxy_files.h"

#include <stdlib.h>
#include <string.h>

enum {
    LOOK_SECONDS_MAX = 3600, /* between two looks when nothing happens */
    RETRY_SECONDS = 5,       /* after a failure */
};

struct surroundings_keeper {
    struct surroundings_config config;
    struct kube_conn *conn;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool dirty, leads, stops; /* below the lock */
    atomic_bool ready;
    time_t since;    /* this replica has known the bundle from then on */
    char *last_said; /* the last failure that was logged */
};

/* ---- the CA ---- */

/* Creates or patches the CA's Secret; what comes of it comes back by the watch. */
static int write_ca(struct surroundings_keeper *keeper, const struct json *secret,
                    const struct authority_plan *plan, struct err *err)
{
    const struct kube_resource *secrets = &kind_table[KIND_OWN_SECRET].resource;
    struct kube_store *store = keeper->config.cache->stores[KIND_OWN_SECRET];
    const char *ns = keeper->config.cache->settings->namespace_;
    struct kube_store_write *write = kube_store_begin(store, ns, CA_SECRET);
    cleanup_json struct json *body = NULL, *made = NULL;
    int rc;

    if (secret) {
        cleanup_json struct json *data =
            json_merge_patch(json_get(secret, "data"), json_get(plan->wanted, "data"));

        body = json_format("{'metadata':{'resourceVersion':%s},'data':%j}",
                           json_text(secret, "metadata.resourceVersion"), data);
        rc = kube_patch(keeper->conn, secrets, ns, CA_SECRET, NULL, KUBE_PATCH_MERGE, body, &made,
                        err);
    } else {
        body = json_format("{'apiVersion':'v1','kind':'Secret','metadata':{'name':'" CA_SECRET
                           "','namespace':%s,'labels':{'" MANAGED_BY_LABEL "':'" MANAGED_BY
                           "'}},'type':%j,'data':%j}",
                           ns, json_get(plan->wanted, "type"), json_get(plan->wanted, "data"));
        rc = kube_create(keeper->conn, secrets, ns, body, &made, err);
    }
    kube_store_commit(write, rc == 0 ? made : NULL, false);
    if (rc < 0)
        return err_wrap(err, "the CA's Secret %s/%s", ns, CA_SECRET);
    log_info("Secret %s/%s: %s", ns, CA_SECRET, plan->what);
    return 0;
}

static struct json *ca_secret(struct surroundings_keeper *keeper)
{
    return kube_store_get(keeper->config.cache->stores[KIND_OWN_SECRET],
                          keeper->config.cache->settings->namespace_, CA_SECRET);
}

static void earlier(time_t *next, time_t when)
{
    if (when && when < *next)
        *next = when;
}

/* What is to be done about the CA now, if this replica leads. */
static int step_ca(struct surroundings_keeper *keeper, bool leads, time_t now, time_t *next,
                   struct err *err)
{
    struct authority_settings *settings = &keeper->config.signer->settings;

    for (int i = 0; leads && i < 4; i++) {
        cleanup_json struct json *secret = ca_secret(keeper);
        struct authority_plan plan = {0};
        int rc = authority_step(secret, settings, keeper->since, now, &plan, err);
        bool done = rc < 0 || !plan.wanted;

        if (rc == 0) {
            earlier(next, plan.next);
            if (plan.wanted && write_ca(keeper, secret, &plan, err) < 0)
                rc = -1;
        }
        authority_plan_free(&plan);
        if (rc < 0)
            return -1;
        if (done)
            break;
    }
    return 0;
}

static void describe(const struct authority *authority, struct surroundings *around)
{
    cleanup_str struct str signers = STR_INIT;

    for (size_t i = 0; i < authority->trusted.count; i++)
        str_printf(&signers, "%s ", authority->trusted.cert[i].fingerprint);
    around->signers = str_steal(&signers);
    around->signer = strdup(pki_pair_cert(authority->signer)->fingerprint);
    around->ca_bundle = strdup(authority->bundle);
}

/* While the Secret's cannot be used, the last CA that could goes on being used. */
static void describe_last(struct surroundings_keeper *keeper, struct surroundings *around)
{
    struct signer *signer = keeper->config.signer;

    pthread_rwlock_rdlock(&signer->lock);
    if (signer->authority)
        describe(signer->authority, around);
    pthread_rwlock_unlock(&signer->lock);
}

/* Puts the Secret's CA in place; none when there is no Secret yet. */
static int load_ca(struct surroundings_keeper *keeper, struct surroundings *around, struct err *err)
{
    struct signer *signer = keeper->config.signer;
    cleanup_json struct json *secret = ca_secret(keeper);
    struct authority *authority, *before;

    if (!secret) {
        describe_last(keeper, around);
        return 0;
    }
    authority = calloc(1, sizeof(*authority));
    if (!authority || authority_load(secret, authority, err) < 0) {
        if (authority)
            authority_free(authority);
        free(authority);
        return -1;
    }
    describe(authority, around);
    pthread_rwlock_wrlock(&signer->lock);
    before = signer->authority;
    signer->authority = authority;
    pthread_rwlock_unlock(&signer->lock);
    if (before)
        authority_free(before);
    free(before);
    atomic_store(&keeper->ready, true);
    return 0;
}

/* ---- the way in ---- */

static struct json *own_ingresses(struct surroundings_keeper *keeper)
{
    cleanup_json struct json *all = kube_store_all(keeper->config.cache->stores[KIND_INGRESS]);
    const char *ns = keeper->config.cache->settings->namespace_;
    struct json *own = json_new_array();

    for (const struct json *i = json_first(all); i; i = json_next(i))
        if (json_text(i, "metadata.namespace") &&
            strcmp(json_text(i, "metadata.namespace"), ns) == 0)
            json_append(own, json_copy(i));
    return own;
}

/* The certificates in a Secret of the controller's namespace. */
static void secret_pem(struct surroundings_keeper *keeper, const char *name, struct str *out)
{
    cleanup_json struct json *secret =
        kube_store_get(keeper->config.cache->stores[KIND_OWN_SECRET],
                       keeper->config.cache->settings->namespace_, name);
    const char *text = json_string(json_get(json_get(secret, "data"), "tls.crt"));

    if (text && base64_decode(text, out) < 0)
        str_clear(out);
}

/* The cluster's CAs, which vouch for a Route of the cluster's own domain. */
static void cluster_pem(struct surroundings_keeper *keeper, struct str *out)
{
    static const struct kube_resource configmaps = {"", "v1", "configmaps", "ConfigMap", true};
    cleanup_json struct json *map = NULL;
    struct err err;

    if (kube_get(keeper->conn, &configmaps, keeper->config.cache->settings->namespace_,
                 "kube-root-ca.crt", &map, &err) == 0 &&
        json_string(json_get(json_get(map, "data"), "ca.crt")))
        str_puts(out, json_string(json_get(json_get(map, "data"), "ca.crt")));
}

static void find_way_in(struct surroundings_keeper *keeper, struct surroundings *around, time_t now,
                        time_t *next)
{
    const struct settings *settings = keeper->config.cache->settings;
    cleanup_json struct json *ingresses = own_ingresses(keeper);
    cleanup_json struct json *routes = kube_store_all(keeper->config.cache->stores[KIND_ROUTE]);
    cleanup_str struct str pem = STR_INIT, cert = STR_INIT;
    struct external external;
    time_t change = 0;
    struct err err;

    if (settings->external == EXTERNAL_NONE)
        return;
    external_find(ingresses, routes, settings->proxy_service, settings->external_host, &external);
    if (external.host) {
        if (external.direct && (external.route || settings->trust == TRUST_PROXY))
            proxy_files_trust(keeper->config.cache, around->ca_bundle, &pem);
        else if (external.pem)
            str_puts(&pem, external.pem);
        else if (external.cert_secret)
            secret_pem(keeper, external.cert_secret, &pem);
        else if (external.route)
            cluster_pem(keeper, &pem);
        if (external_certificate(str_get(&pem), external.host, now, &cert, &change, &err) < 0)
            log_warning("the certificate of the way in at %s: %s", external.host, err.msg);
        earlier(next, change);
        around->external_host = strdup(external.host);
        around->external_cert = strdup(str_get(&cert));
    }
    external_free(&external);
}

/* ---- one look ---- */

static void check_group(struct surroundings_keeper *keeper)
{
    const struct settings *settings = keeper->config.cache->settings;
    cleanup_str struct str name = STR_INIT, message = STR_INIT;
    cleanup_json struct json *crd = NULL;

    str_printf(&name, "virtualmachineexports.%s", settings->api_group);
    crd = kube_store_get(keeper->config.cache->stores[KIND_CRD], NULL, str_get(&name));
    if (gate_taken(crd, settings->api_group, &message))
        keeper->config.taken(keeper->config.ctx, str_get(&message));
}

/* Says each failure once, not each time it is tried again. */
static void say(struct surroundings_keeper *keeper, const char *message)
{
    if (message && (!keeper->last_said || strcmp(keeper->last_said, message)))
        log_error("%s", message);
    free(keeper->last_said);
    keeper->last_said = message ? strdup(message) : NULL;
}

/* What the proxy mounts, once the CA is known. */
static void keep_proxy_files(struct surroundings_keeper *keeper, const struct surroundings *around,
                             time_t now, time_t *next)
{
    const struct signer *signer = keeper->config.signer;
    const struct proxy_files files = {keeper->conn, keeper->config.cache, signer->authority,
                                      &signer->settings, around->external_host};
    struct err err;

    if (!signer->authority)
        return;
    if (proxy_files_keep(&files, now, next, &err) < 0) {
        log_error("%s", err.msg);
        earlier(next, now + RETRY_SECONDS);
    }
}

static time_t look(struct surroundings_keeper *keeper, bool leads)
{
    struct cache *cache = keeper->config.cache;
    struct surroundings *around = calloc(1, sizeof(*around));
    cleanup_json struct json *kubevirts = kube_store_all(cache->stores[KIND_KUBEVIRT]);
    time_t now = time(NULL), next = now + LOOK_SECONDS_MAX;
    struct err err;

    if (!around)
        abort();
    check_group(keeper);
    if (step_ca(keeper, leads, now, &next, &err) < 0 || load_ca(keeper, around, &err) < 0) {
        say(keeper, err.msg);
        describe_last(keeper, around);
        next = now + RETRY_SECONDS;
    } else {
        say(keeper, NULL);
    }
    find_way_in(keeper, around, now, &next);
    if (leads)
        keep_proxy_files(keeper, around, now, &next);
    around->gate = gate_closed(kubevirts);
    if (cache_surround(cache, around))
        routes_add_all(keeper->config.routes);
    return next;
}

static void *run(void *arg)
{
    struct surroundings_keeper *keeper = arg;
    time_t next = 0;

    pthread_mutex_lock(&keeper->lock);
    while (!keeper->stops) {
        struct timespec until = {.tv_sec = next > time(NULL) ? next : 0};
        bool leads = keeper->leads;

        if (!keeper->dirty && until.tv_sec) {
            pthread_cond_timedwait(&keeper->wake, &keeper->lock, &until);
            continue;
        }
        keeper->dirty = false;
        pthread_mutex_unlock(&keeper->lock);
        next = look(keeper, leads);
        if (next <= time(NULL))
            next = time(NULL) + 1;
        pthread_mutex_lock(&keeper->lock);
        pthread_cond_broadcast(&keeper->wake); /* for surroundings_wait */
    }
    pthread_mutex_unlock(&keeper->lock);
    return NULL;
}

struct surroundings_keeper *surroundings_start(const struct surroundings_config *config,
                                               struct err *err)
{
    struct surroundings_keeper *keeper = calloc(1, sizeof(*keeper));

    if (!keeper)
        abort();
    keeper->config = *config;
    keeper->since = time(NULL);
    keeper->dirty = true;
    keeper->conn = kube_conn_new(config->client);
    pthread_mutex_init(&keeper->lock, NULL);
    pthread_cond_init(&keeper->wake, NULL);
    if (pthread_create(&keeper->thread, NULL, run, keeper)) {
        err_set(err, ERR_SYSTEM, "cannot start a thread");
        kube_conn_free(keeper->conn);
        free(keeper);
        return NULL;
    }
    return keeper;
}

static void set(struct surroundings_keeper *keeper, bool *flag)
{
    pthread_mutex_lock(&keeper->lock);
    *flag = true;
    keeper->dirty = true;
    pthread_cond_broadcast(&keeper->wake);
    pthread_mutex_unlock(&keeper->lock);
}

void surroundings_wake(struct surroundings_keeper *keeper)
{
    set(keeper, &keeper->dirty);
}

void surroundings_lead(struct surroundings_keeper *keeper)
{
    set(keeper, &keeper->leads);
}

void surroundings_stop(struct surroundings_keeper *keeper)
{
    if (!keeper)
        return;
    set(keeper, &keeper->stops);
    kube_conn_cancel(keeper->conn);
    pthread_join(keeper->thread, NULL);
    kube_conn_free(keeper->conn);
    free(keeper->last_said);
    free(keeper);
}

void surroundings_wait(struct surroundings_keeper *keeper, unsigned seconds)
{
    struct timespec until = {.tv_sec = time(NULL) + (time_t)seconds};
    int rc = 0;

    pthread_mutex_lock(&keeper->lock);
    while (rc == 0 && !keeper->stops && !surroundings_ready(keeper))
        rc = pthread_cond_timedwait(&keeper->wake, &keeper->lock, &until);
    pthread_mutex_unlock(&keeper->lock);
}

bool surroundings_ready(struct surroundings_keeper *keeper)
{
    return atomic_load(&keeper->ready);
}
