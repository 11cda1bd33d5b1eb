/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue of its own with the exports whose pods are to be asked. The queue's back-off is the pause
 * until a pod is asked again that is not done yet, or that did not answer.
 */
#include "inspect.h"
#include "base/log.h"
#include "kube/fetch.h"
#include "status.h"
#include "unreadable.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    THREADS = 2,
    PORT = 8443,
    CONNECT_TIMEOUT_MS = 3000, /* with the handshake, for which a pod may get little time */
    TIMEOUT_MS = 5000,
    ANSWER_MAX = 64 * 1024,
    AGAIN_MS = 1000,          /* the first pause; doubles */
    AGAIN_MAX_MS = 60 * 1000, /* as long as a pod inspects at most */
    TRIES_MAX = 10,           /* of a pod that is not done: minutes */
    TRIES_UNANSWERED = 4,
};

struct inspector {
    struct cache *cache;
    struct kube_queue *looks; /* the exports to be looked at */
    struct kube_queue *queue; /* the exports to be asked */
    atomic_bool stopping;
    atomic_bool told; /* that pods do not answer */
    pthread_t thread[THREADS];
    int threads;
};

/* One export and its pod. */
struct subject {
    const char *key;
    char *ns, *name;
    struct str pod; /* its uid */
    unsigned tries;
};

/* ---- asking ---- */

static int fetch(struct inspector *inspector, const struct subject *subject, const char *address,
                 struct str *body, struct err *err)
{
    const struct names_scheme *names = inspector->cache->settings->names;
    struct surroundings *around = cache_surroundings(inspector->cache);
    cleanup_str struct str host = STR_INIT;
    struct kube_fetch what = {
        .address = address,
        .port = PORT,
        .path = "/exportready",
        .accept = "Accept: application/json",
        .ca = around->ca_bundle,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .timeout_ms = TIMEOUT_MS,
        .max = ANSWER_MAX,
        .cancelled = &inspector->stopping,
    };
    int rc;

    str_printf(&host, "%s.%s.svc", names_service(names, subject->name).text, subject->ns);
    what.host = str_get(&host);
    rc = what.ca ? kube_fetch(&what, body, err) : err_set(err, ERR_UNAVAILABLE, "there is no CA");
    surroundings_release(around);
    return rc;
}

/* The address of the pod that is meant; NULL when it has gone. The caller frees. */
static char *address_of(const struct inspector *inspector, const struct subject *subject)
{
    const struct cache *cache = inspector->cache;
    cleanup_json struct json *pod =
        kube_store_get(cache->stores[KIND_POD], subject->ns,
                       names_pod(cache->settings->names, subject->name).text);
    const char *uid = json_text(pod, "metadata.uid"), *ip = json_text(pod, "ip");

    return uid && ip && strcmp(uid, str_get(&subject->pod)) == 0 ? strdup(ip) : NULL;
}

/* ---- what comes of it ---- */

/* Whether the export's status has something to say of it, or to take back. */
static bool matters(const struct inspector *inspector, const struct subject *subject,
                    const struct json *found)
{
    cleanup_json struct json *export = NULL;

    if (found)
        return true;
    export = kube_store_get(inspector->cache->stores[KIND_EXPORT], subject->ns, subject->name);
    return status_find(json_at(export, "status.conditions"), UNREADABLE_CONDITION) != NULL;
}

/* Takes `found`. */
static void finish(struct inspector *inspector, const struct subject *subject,
                   enum inspection_state state, struct json *found)
{
    bool look = matters(inspector, subject, found);

    cache_inspected(inspector->cache, subject->key, str_get(&subject->pod), state, found);
    kube_queue_forget(inspector->queue, subject->key);
    if (look)
        kube_queue_add(inspector->looks, subject->key);
}

static void again(struct inspector *inspector, const struct subject *subject, unsigned tries_max)
{
    if (subject->tries < tries_max)
        kube_queue_retry(inspector->queue, subject->key, 0);
    else
        finish(inspector, subject, INSPECTION_NO_ANSWER, NULL);
}

/* Told once until a pod answers again: where one cannot be reached, most likely none can. */
static void unanswered(struct inspector *inspector, const struct subject *subject,
                       const struct err *err)
{
    if (!atomic_load(&inspector->stopping) && !atomic_exchange(&inspector->told, true))
        log_info("export %s: its pod cannot be asked what it cannot read, so the status does not "
                 "say: %s",
                 subject->key, err->msg);
    again(inspector, subject, TRIES_UNANSWERED);
}

static void inspect(struct inspector *inspector, const struct subject *subject, const char *address)
{
    cleanup_str struct str body = STR_INIT;
    struct json *found = NULL;
    bool inspecting = false;
    struct err err;

    if (fetch(inspector, subject, address, &body, &err) < 0 ||
        unreadable_parse(str_get(&body), body.len, &inspecting, &found, &err) < 0) {
        unanswered(inspector, subject, &err);
        return;
    }
    atomic_store(&inspector->told, false);
    if (inspecting)
        again(inspector, subject, TRIES_MAX);
    else
        finish(inspector, subject, INSPECTION_DONE, found);
}

/* ---- threads ---- */

static void work_on(struct inspector *inspector, const char *key)
{
    const char *slash = strchr(key, '/');
    struct subject subject = {
        .key = key, .ns = strndup(key, (size_t)(slash - key)), .name = strdup(slash + 1)};
    char *address = NULL;

    if (!subject.ns || !subject.name)
        abort();
    if (cache_inspect_next(inspector->cache, key, &subject.pod, &subject.tries))
        address = address_of(inspector, &subject);
    if (address)
        inspect(inspector, &subject, address);
    else
        kube_queue_drop(inspector->queue, key); /* with the next pod it is asked for anew */
    free(address);
    free(subject.ns);
    free(subject.name);
    str_free(&subject.pod);
}

static void *run(void *arg)
{
    struct inspector *inspector = arg;
    char *key;

    while ((key = kube_queue_get(inspector->queue))) {
        work_on(inspector, key);
        kube_queue_done(inspector->queue, key);
        free(key);
    }
    return NULL;
}

struct inspector *inspector_start(struct cache *cache, struct kube_queue *queue, struct err *err)
{
    const struct kube_queue_config config = {.backoff_first_ms = AGAIN_MS,
                                             .backoff_max_ms = AGAIN_MAX_MS};
    struct inspector *inspector = calloc(1, sizeof(*inspector));

    if (!inspector)
        abort();
    inspector->cache = cache;
    inspector->looks = queue;
    inspector->queue = kube_queue_new(&config);
    while (inspector->threads < THREADS) {
        if (pthread_create(&inspector->thread[inspector->threads], NULL, run, inspector)) {
            err_set(err, ERR_SYSTEM, "cannot start a thread that asks export pods");
            inspector_stop(inspector);
            return NULL;
        }
        inspector->threads++;
    }
    return inspector;
}

void inspector_stop(struct inspector *inspector)
{
    if (!inspector)
        return;
    atomic_store(&inspector->stopping, true);
    kube_queue_shut_down(inspector->queue);
    for (int i = 0; i < inspector->threads; i++)
        pthread_join(inspector->thread[i], NULL);
    kube_queue_free(inspector->queue);
    free(inspector);
}

void inspector_ask(struct inspector *inspector, const char *key, const char *pod)
{
    if (!cache_inspect(inspector->cache, key, pod))
        return;
    kube_queue_forget(inspector->queue, key);
    kube_queue_add(inspector->queue, key);
}
