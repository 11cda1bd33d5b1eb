/* SPDX-License-Identifier: Apache-2.0 */
/* Within lease.c, which has the threads, and lease_election.c, which has the rules. */
#pragma once

#include "kube/lease.h"

#include <pthread.h>

struct kube_lease {
    struct kube_lease_config config;
    char *identity;
    struct kube_conn *conn;
    pthread_t writer, guard;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool stopping, held, over; /* over: was held, and lost */
    bool asked;                /* to be renewed at once */
    uint64_t renewed;          /* when the last request that succeeded was sent */
    char *holder;              /* as last seen; NULL: nobody */

    /* The writer's own: */
    struct json *object; /* as the server answered last; NULL: to be read */
    char *seen;          /* the record as last read, */
    uint64_t seen_first; /* and when it was first read so */
    char trouble[sizeof(((struct err *)0)->msg)]; /* last told of */
};

/* Tries once to get or to renew it. The writer's. */
int lease_try(struct kube_lease *lease, struct err *err);
bool lease_is_held(struct kube_lease *lease);
/* Leading has ended: tells so, once, and nothing more is written. From any thread. */
void lease_end(struct kube_lease *lease);
/* Gives it back, once the threads have ended. */
void lease_release(struct kube_lease *lease);
