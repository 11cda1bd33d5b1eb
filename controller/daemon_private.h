/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the daemon share. */
#pragma once

#include "account.h"
#include "apply.h"
#include "base/health.h"
#include "daemon.h"
#include "kube/lease.h"
#include "surroundings.h"
#include "watches.h"
#include "worker.h"

#include <pthread.h>

struct daemon {
    const struct settings *settings;
    struct kube_client *client;
    struct kube_resource exports; /* with the group of the settings */
    struct cache cache;
    struct routes routes;
    struct kube_queue *queue;
    struct signer signer;
    struct kube_events *events;
    struct watches *watches;
    struct surroundings_keeper *keeper;
    struct kube_lease *lease;
    struct kube_conn *gap_conn;
    struct inspector *inspector;
    struct workers *workers;
    struct health *health;
    atomic_bool leads;
    atomic_int exit_code;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopping;          /* below the lock */
    struct account account; /* has a lock of its own */
};

/* ---- daemon.c ---- */

/* Something has changed that the main thread may wait for; `ctx` is the daemon. */
void daemon_wake(void *ctx);

/* ---- daemon_lead.c ---- */

/* Waits for the lease, or the end, and starts what a leader has. */
int daemon_lead(struct daemon *daemon, struct err *err);
