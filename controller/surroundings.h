/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps what all exports share (struct surroundings in cache.h, and who signs) as it is to be: the
 * CA in its Secret, the host and certificate of the way in, KubeVirt's feature gate. A thread of its
 * own, woken by changes and by time.
 */
#pragma once

#include "apply.h"
#include "routes.h"

struct surroundings_keeper;

struct surroundings_config {
    struct kube_client *client;
    struct cache *cache;
    struct routes *routes;
    struct signer *signer;
    /* The API group is served by another controller: this one must end. */
    void (*taken)(void *ctx, const char *message);
    void *ctx;
};

struct surroundings_keeper *surroundings_start(const struct surroundings_config *config,
                                               struct err *err);
/* Something may have changed: look. */
void surroundings_wake(struct surroundings_keeper *keeper);
/* From now on this replica leads: it makes and renews the CA. */
void surroundings_lead(struct surroundings_keeper *keeper);
/* Ends it after the look under way, and surroundings_wait at once: no request is cut off, as those
 * who look into the cache may still be at work. surroundings_stop has still to be called. From any
 * thread. */
void surroundings_cancel(struct surroundings_keeper *keeper);
void surroundings_stop(struct surroundings_keeper *keeper);
/* Waits until there is a CA for those who look into the cache, for so many seconds at most. False
 * when it was cancelled. */
bool surroundings_wait(struct surroundings_keeper *keeper, unsigned seconds);
/* Whether there is such a CA. */
bool surroundings_ready(struct surroundings_keeper *keeper);
