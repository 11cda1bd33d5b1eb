/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"
#include "base/clock.h"
#include "base/log.h"
#include "telemetry.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    DRAIN_SECONDS = 3,
    MEND_MS = 1000, /* what somebody has to mend is not mended sooner */
    BUSY_MS = 5000, /* the server has asked for patience ten times in a row */
    GOING_MS = 5000 /* the export goes with its namespace */
};

struct worker {
    struct workers_config config;
    struct apply apply;
    pthread_t thread;
};

struct workers {
    struct kube_queue *queue;
    int count;
    struct worker worker[];
};

static void again(struct worker *worker, const char *key, time_t when)
{
    time_t now = time(NULL);

    if (when)
        kube_queue_add_after(worker->config.queue, key,
                             when > now ? (uint64_t)(when - now) * 1000 : 0);
}

static uint64_t pause_ms(int rc)
{
    if (rc == -KUBE_TOO_MANY_REQUESTS)
        return BUSY_MS;
    if (rc == -KUBE_TERMINATING)
        return GOING_MS;
    bool refused = rc == -KUBE_FORBIDDEN || rc == -KUBE_INVALID || rc == -KUBE_BAD_REQUEST ||
                   rc == -KUBE_ALREADY_EXISTS;

    return refused ? MEND_MS : 0;
}

static void look(struct worker *worker, const char *key)
{
    uint64_t start = clock_ns();
    time_t look_again = 0;
    bool gone = false;
    struct err err = {0};
    int rc = apply_export(&worker->apply, key, &look_again, &gone, &err);

    telemetry_reconciled(rc == 0 ? NULL : kube_reason_name((enum kube_reason) - rc),
                         (double)(clock_ns() - start) / 1e9);
    if (rc < 0 && !kube_conn_cancelled(worker->apply.conn)) {
        if (rc != -KUBE_TERMINATING) /* there is nothing to be mended */
            log_warning("export %s: %s", key, err.msg);
        kube_queue_retry(worker->config.queue, key, pause_ms(rc));
    } else if (gone) {
        kube_queue_drop(worker->config.queue, key);
    } else {
        kube_queue_forget(worker->config.queue, key);
    }
    again(worker, key, look_again);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    char *key;

    while ((key = kube_queue_get(worker->config.queue))) {
        look(worker, key);
        kube_queue_done(worker->config.queue, key);
        free(key);
    }
    return NULL;
}

struct workers *workers_start(const struct workers_config *config, struct err *err)
{
    struct workers *workers =
        calloc(1, sizeof(*workers) + (size_t)config->count * sizeof(workers->worker[0]));

    if (!workers)
        abort();
    workers->queue = config->queue;
    for (int i = 0; i < config->count; i++) {
        struct worker *worker = &workers->worker[i];

        worker->config = *config;
        worker->apply = (struct apply){kube_conn_new(config->client),
                                       config->cache,
                                       config->events,
                                       config->signer,
                                       config->exports,
                                       config->inspector};
        if (pthread_create(&worker->thread, NULL, work, worker)) {
            err_set(err, ERR_SYSTEM, "cannot start worker %d", i);
            kube_conn_free(worker->apply.conn);
            workers_stop(workers);
            return NULL;
        }
        workers->count++;
    }
    return workers;
}

void workers_stop(struct workers *workers)
{
    struct timespec until;

    if (!workers)
        return;
    kube_queue_shut_down(workers->queue);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += DRAIN_SECONDS;
    for (int i = 0; i < workers->count; i++) {
        struct worker *worker = &workers->worker[i];

        if (pthread_timedjoin_np(worker->thread, NULL, &until)) {
            kube_conn_cancel(worker->apply.conn);
            pthread_join(worker->thread, NULL);
        }
        kube_conn_free(worker->apply.conn);
    }
    free(workers);
}
