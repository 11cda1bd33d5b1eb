/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread and what it does between requests. Whatever went wrong, it pauses before it asks
 * again; an error that says that the version is of no use costs a whole state, every other one only
 * the watch. A server that is away for a while is not asked for lists when it is back.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "reflector_private.h"

#include <errno.h>
#include <string.h>

enum { REFUSALS_MAX = 5 }; /* of the server's own errors, until a new state is tried */

const struct reflector_times reflector_times = {
    .backoff_first_ms = 800,
    .backoff_max_ms = 30000,
    .backoff_quiet_ms = 120000,
    .short_ms = 1000,
    .unserved_ms = 60000,
    .search_ms = 10000,
    .search_first_ms = 200,
    .search_max_ms = 2000,
};

/* ---- what the requests share ---- */

enum outcome reflector_outcome(struct kube_reflector *reflector, enum kube_reason reason)
{
    switch (reason) {
    case KUBE_SERVER:
    case KUBE_TIMEOUT:
        return ++reflector->refusals > REFUSALS_MAX ? OUTCOME_ANEW : OUTCOME_RETRY;
    case KUBE_UNAUTHORIZED:
    case KUBE_FORBIDDEN:
    case KUBE_TOO_MANY_REQUESTS:
    case KUBE_TRANSPORT:
    case KUBE_CANCELLED:
        return OUTCOME_RETRY;
    case KUBE_NOT_FOUND:
        return reflector->config.optional ? OUTCOME_UNSERVED : OUTCOME_ANEW;
    default:
        return OUTCOME_ANEW;
    }
}

void reflector_problem(struct kube_reflector *reflector, const char *message)
{
    if (reflector->config.problem)
        reflector->config.problem(reflector->config.ctx, message);
}

/* Takes `version` over. */
static void put_version(struct kube_reflector *reflector, char *version)
{
    pthread_mutex_lock(&reflector->lock);
    free(reflector->version);
    reflector->version = version;
    pthread_mutex_unlock(&reflector->lock);
}

char *kube_reflector_version(struct kube_reflector *reflector)
{
    char *version;

    pthread_mutex_lock(&reflector->lock);
    version = reflector->version ? strdup(reflector->version) : NULL;
    pthread_mutex_unlock(&reflector->lock);
    return version;
}

static void forget_version(struct kube_reflector *reflector)
{
    put_version(reflector, NULL);
}

void reflector_put_version(struct kube_reflector *reflector, const char *version)
{
    char *copy = strdup(version);

    if (!copy)
        abort();
    put_version(reflector, copy);
}

void reflector_set_version(struct kube_reflector *reflector, const struct json *object)
{
    const char *version = json_text(object, "metadata.resourceVersion");

    if (version && *version)
        reflector_put_version(reflector, version);
}

/* The store is as it should be: of a kind that is served, or empty. */
static void settle(struct kube_reflector *reflector, bool served)
{
    bool changed;

    kube_store_replace_end(reflector->config.store);
    pthread_mutex_lock(&reflector->lock);
    changed = !reflector->synced || reflector->served != served;
    reflector->synced = true;
    reflector->served = served;
    pthread_mutex_unlock(&reflector->lock);
    if (changed && reflector->config.changed)
        reflector->config.changed(reflector->config.ctx);
}

void reflector_complete(struct kube_reflector *reflector)
{
    reflector->refusals = 0;
    settle(reflector, true);
}

/* ---- waiting ---- */

static bool stopping(struct kube_reflector *reflector)
{
    bool stop;

    pthread_mutex_lock(&reflector->lock);
    stop = reflector->stopping;
    pthread_mutex_unlock(&reflector->lock);
    return stop;
}

/* Until then, or until it is to stop or, for a kind that is not served, it is woken. */
static void wait_for(struct kube_reflector *reflector, unsigned ms)
{
    struct timespec until = clock_timespec(clock_ns() + (uint64_t)ms * 1000000);
    int rc = 0;

    pthread_mutex_lock(&reflector->lock);
    while (rc != ETIMEDOUT && !reflector->stopping && (!reflector->woken || reflector->served))
        rc = pthread_cond_timedwait(&reflector->cond, &reflector->lock, &until);
    if (reflector->woken) {
        reflector->woken = false;
        reflector->search_until = clock_ms() + reflector->times.search_ms;
        reflector->search_ms = reflector->times.search_first_ms;
    }
    pthread_mutex_unlock(&reflector->lock);
}

static void pause_after(struct kube_reflector *reflector, const struct err *err)
{
    if (stopping(reflector))
        return; /* what failed was cancelled */
    reflector_problem(reflector, err->msg);
    pthread_mutex_lock(&reflector->lock);
    reflector->restarts++;
    pthread_mutex_unlock(&reflector->lock);
    wait_for(reflector, backoff_next(&reflector->backoff, clock_ms()));
}

/* The kind's definition may take a moment until it is served: look more often at first. */
static void wait_until_served(struct kube_reflector *reflector)
{
    unsigned ms = reflector->times.unserved_ms, doubled = reflector->search_ms * 2;

    if (clock_ms() < reflector->search_until) {
        ms = reflector->search_ms;
        reflector->search_ms =
            doubled < reflector->times.search_max_ms ? doubled : reflector->times.search_max_ms;
    }
    wait_for(reflector, ms);
}

/* ---- the thread ---- */

static void act(struct kube_reflector *reflector, enum outcome outcome, const struct err *err)
{
    if (outcome == OUTCOME_ANEW || outcome == OUTCOME_UNSERVED)
        forget_version(reflector);
    switch (outcome) {
    case OUTCOME_ON:
        break;
    case OUTCOME_LIST:
        reflector->lists = true;
        break;
    case OUTCOME_UNSERVED:
        kube_store_replace_begin(reflector->config.store);
        settle(reflector, false);
        wait_until_served(reflector);
        break;
    case OUTCOME_RETRY:
    case OUTCOME_ANEW:
        pause_after(reflector, err);
        break;
    }
}

static void *run(void *arg)
{
    struct kube_reflector *reflector = arg;

    while (!stopping(reflector)) {
        bool list = !reflector->version && (reflector->lists || reflector->list_next);
        struct err err = {.class = ERR_NONE};
        enum outcome outcome =
            list ? reflector_list(reflector, &err) : reflector_watch(reflector, &err);

        act(reflector, outcome, &err);
    }
    return NULL;
}

void kube_reflector_free(struct kube_reflector *reflector)
{
    if (!reflector)
        return;
    kube_conn_free(reflector->conn);
    pthread_cond_destroy(&reflector->cond);
    pthread_mutex_destroy(&reflector->lock);
    free(reflector->version);
    free(reflector);
}

struct kube_reflector *reflector_start(const struct kube_reflector_config *config,
                                       const struct reflector_times *times, struct err *err)
{
    struct kube_reflector *reflector = calloc(1, sizeof(*reflector));
    pthread_condattr_t monotonic;
    int rc;

    if (!reflector)
        abort();
    reflector->config = *config;
    reflector->times = *times;
    reflector->served = !config->optional;
    reflector->backoff = (struct backoff){.first_ms = times->backoff_first_ms,
                                          .max_ms = times->backoff_max_ms,
                                          .quiet_ms = times->backoff_quiet_ms};
    pthread_mutex_init(&reflector->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&reflector->cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
    reflector->conn = kube_conn_new(config->client);
    rc = pthread_create(&reflector->thread, NULL, run, reflector);
    if (rc) {
        err_errno(err, ERR_SYSTEM, rc, "cannot start a thread that watches %s",
                  config->what.resource->plural);
        kube_reflector_free(reflector);
        return NULL;
    }
    return reflector;
}

struct kube_reflector *kube_reflector_start(const struct kube_reflector_config *config,
                                            struct err *err)
{
    return reflector_start(config, &reflector_times, err);
}

void kube_reflector_stop(struct kube_reflector *reflector)
{
    pthread_mutex_lock(&reflector->lock);
    reflector->stopping = true;
    pthread_cond_signal(&reflector->cond);
    pthread_mutex_unlock(&reflector->lock);
    kube_conn_cancel(reflector->conn);
    pthread_join(reflector->thread, NULL);
}

/* ---- asked by other threads ---- */

bool kube_reflector_synced(struct kube_reflector *reflector)
{
    bool synced;

    pthread_mutex_lock(&reflector->lock);
    synced = reflector->synced;
    pthread_mutex_unlock(&reflector->lock);
    return synced;
}

bool kube_reflector_served(struct kube_reflector *reflector)
{
    bool served;

    pthread_mutex_lock(&reflector->lock);
    served = reflector->served;
    pthread_mutex_unlock(&reflector->lock);
    return served;
}

void kube_reflector_wake(struct kube_reflector *reflector)
{
    pthread_mutex_lock(&reflector->lock);
    reflector->woken = true;
    pthread_cond_signal(&reflector->cond);
    pthread_mutex_unlock(&reflector->lock);
}

unsigned long kube_reflector_restarts(struct kube_reflector *reflector)
{
    unsigned long restarts;

    pthread_mutex_lock(&reflector->lock);
    restarts = reflector->restarts;
    pthread_mutex_unlock(&reflector->lock);
    return restarts;
}
