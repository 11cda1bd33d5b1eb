/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which events are one and which are too many: the rules of client-go's EventCorrelator
 * (tools/record/events_cache.go), for events.c. Bounded: what was not seen for longest is forgotten
 * first. Not thread-safe; times are the caller's, so that tests need not wait.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum {
    CORRELATE_SIMILAR = 10,          /* events that differ in their message only */
    CORRELATE_SIMILAR_SECONDS = 600, /* without a similar one: begin to count anew */
    CORRELATE_BURST = 25,            /* of all events of one object */
    CORRELATE_REFILL_SECONDS = 300,  /* until it may have one more */
    CORRELATE_RECORDS = 12288,       /* about three for each event */
};

/* One Event on the server, or one that is to be there. */
struct kube_series {
    char *name;
    time_t first, last;
    unsigned count;
    /* Kept by the caller: */
    bool posted; /* the server has it */
    bool queued; /* to be written */
    bool pinned; /* it must not be forgotten now */
};

struct kube_happening {
    const char *object; /* all that tells it from other objects */
    const char *object_name;
    const char *type, *reason, *message;
};

struct kube_correlator;

struct kube_correlator *kube_correlator_new(size_t records);
void kube_correlator_free(struct kube_correlator *correlator);

/*
 * The series that it belongs to, with what happened counted. `combined`: the event stands for
 * several with other messages, and its message must say so. Valid until the next call unless pinned.
 */
struct kube_series *kube_correlate(struct kube_correlator *correlator,
                                   const struct kube_happening *happening, struct timespec now,
                                   bool *combined);
/* Whether one more event of this object may be written now; takes one of its burst. */
bool kube_correlate_allow(struct kube_correlator *correlator, const char *object, time_t now);
size_t kube_correlator_count(const struct kube_correlator *correlator);
