/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the reflector, and its tests, share. */
#pragma once

#include "backoff.h"
#include "reflector.h"

#include <pthread.h>

struct reflector_times {
    unsigned backoff_first_ms, backoff_max_ms, backoff_quiet_ms;
    unsigned short_ms;    /* a watch that ends earlier, without an event, has failed */
    unsigned unserved_ms; /* between two looks for a kind that is not served */
    unsigned search_ms;   /* after a wake-up, for so long, it is looked for more often: */
    unsigned search_first_ms, search_max_ms; /* doubles from the first up to the longest */
};

extern const struct reflector_times reflector_times;

/* kube_reflector_start, with other times. */
struct kube_reflector *reflector_start(const struct kube_reflector_config *config,
                                       const struct reflector_times *times, struct err *err);

struct kube_reflector {
    struct kube_reflector_config config;
    struct reflector_times times;
    struct kube_conn *conn;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t cond; /* `stopping` or `woken` was set */
    bool stopping, woken;
    bool synced, served;
    unsigned long restarts;

    /* ---- of its thread alone ---- */
    char *version;     /* the resourceVersion to watch from; NULL: the state is to be had first.
                          Written below the lock, for kube_reflector_version */
    bool lists;        /* the server does not send initial events */
    bool list_next;    /* they failed: get the state by a list this time */
    unsigned refusals; /* the server's own errors in a row, since the last event */
    struct backoff backoff;
    uint64_t search_until; /* by clock_ms */
    unsigned search_ms;    /* the wait after the next look */
};

/* What to do after a list or a watch. */
enum outcome {
    OUTCOME_ON,       /* go on from the version that is there */
    OUTCOME_RETRY,    /* the same, after a pause */
    OUTCOME_ANEW,     /* forget the version, and after a pause get the whole state */
    OUTCOME_LIST,     /* initial events are refused: never ask for them again */
    OUTCOME_UNSERVED, /* there is no such kind */
};

/* Of a failed request or an ERROR event. */
enum outcome reflector_outcome(struct kube_reflector *reflector, enum kube_reason reason);
/* For RETRY and ANEW these say in `err` why. */
enum outcome reflector_list(struct kube_reflector *reflector, struct err *err);
enum outcome reflector_watch(struct kube_reflector *reflector, struct err *err);

/* Remembers the version of an object, bookmark or list. */
void reflector_put_version(struct kube_reflector *reflector, const char *version);
/* That of an object, if it has one. */
void reflector_set_version(struct kube_reflector *reflector, const struct json *object);
/* The store has the whole state. */
void reflector_complete(struct kube_reflector *reflector);
void reflector_problem(struct kube_reflector *reflector, const char *message);
