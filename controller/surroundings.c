/* SPDX-License-Identifier: Apache-2.0 */
#include "surroundings.h"
#include "base/clock.h"
#include "base/json_merge.h"
#include "base/log.h"
#include "gate.h"
#include "owner.h"
#include "proxy_files.h"
#include "way_in.h"

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
    atomic_bool ready;        /* the cache has a CA */
    time_t since;             /* this replica has known the bundle from then on */
    /* The last that was logged of each, NULL for none since all was well. */
    char *said_of_ca, *said_of_way_in, *said_of_proxy;
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
        rc = owner_put(keeper->conn, keeper->config.cache->settings, body, err);
        if (rc == 0)
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
    return 0;
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

/* So that each failure is said once, not each time it is tried again; NULL: there is none. */
static bool is_news(char **last, const char *message)
{
    bool news = message && (!*last || strcmp(*last, message));

    free(*last);
    *last = message ? strdup(message) : NULL;
    return news;
}

static void find_way_in(struct surroundings_keeper *keeper, struct surroundings *around, time_t now,
                        time_t *next)
{
    cleanup_str struct str trouble = STR_INIT;

    way_in_find(keeper->conn, keeper->config.cache, around, now, next, &trouble);
    if (is_news(&keeper->said_of_way_in, trouble.len ? str_get(&trouble) : NULL))
        log_warning("%s", str_get(&trouble));
}

/* What the proxy mounts; there must be a CA. */
static void keep_proxy_files(struct surroundings_keeper *keeper, time_t now, time_t *next)
{
    const struct signer *signer = keeper->config.signer;
    struct surroundings *around = cache_surroundings(keeper->config.cache);
    const struct proxy_files files = {keeper->conn, keeper->config.cache, signer->authority,
                                      &signer->settings, around->external_host};
    struct err err;
    int rc = proxy_files_keep(&files, now, next, &err);

    if (is_news(&keeper->said_of_proxy, rc < 0 ? err.msg : NULL))
        log_error("%s", err.msg);
    if (rc < 0)
        earlier(next, now + RETRY_SECONDS);
    surroundings_release(around);
}

/* Into the cache, and who waits for a CA there goes on. */
static void publish(struct surroundings_keeper *keeper, struct surroundings *around)
{
    bool signs = around->signer != NULL;

    if (cache_surround(keeper->config.cache, around))
        routes_add_all(keeper->config.routes);
    if (!signs)
        return;
    pthread_mutex_lock(&keeper->lock);
    atomic_store(&keeper->ready, true);
    pthread_cond_broadcast(&keeper->wake); /* for surroundings_wait */
    pthread_mutex_unlock(&keeper->lock);
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
        if (is_news(&keeper->said_of_ca, err.msg))
            log_error("%s", err.msg);
        describe_last(keeper, around);
        next = now + RETRY_SECONDS;
    } else {
        is_news(&keeper->said_of_ca, NULL);
    }
    find_way_in(keeper, around, now, &next);
    around->gate = gate_closed(kubevirts);
    publish(keeper, around);
    if (leads && keeper->config.signer->authority)
        keep_proxy_files(keeper, now, &next);
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

void surroundings_cancel(struct surroundings_keeper *keeper)
{
    set(keeper, &keeper->stops);
}

void surroundings_stop(struct surroundings_keeper *keeper)
{
    if (!keeper)
        return;
    surroundings_cancel(keeper);
    kube_conn_cancel(keeper->conn);
    pthread_join(keeper->thread, NULL);
    kube_conn_free(keeper->conn);
    free(keeper->said_of_ca);
    free(keeper->said_of_way_in);
    free(keeper->said_of_proxy);
    free(keeper);
}

bool surroundings_wait(struct surroundings_keeper *keeper, unsigned seconds)
{
    struct timespec until = {.tv_sec = time(NULL) + (time_t)seconds};
    bool stops;
    int rc = 0;

    pthread_mutex_lock(&keeper->lock);
    while (rc == 0 && !keeper->stops && !surroundings_ready(keeper))
        rc = pthread_cond_timedwait(&keeper->wake, &keeper->lock, &until);
    stops = keeper->stops;
    pthread_mutex_unlock(&keeper->lock);
    return !stops;
}

bool surroundings_ready(struct surroundings_keeper *keeper)
{
    return atomic_load(&keeper->ready);
}
