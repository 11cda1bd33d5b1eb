/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which exports a change concerns: from a changed object to the keys of the queue. Kept apart from
 * planning, so that a change is never missed for being thought unimportant: a plan that finds
 * nothing to do costs little.
 */
#pragma once

#include "cache.h"
#include "kube/workqueue.h"

struct routes {
    struct cache *cache;
    struct kube_queue *queue;
    atomic_bool live; /* changes are seen as they happen: what is listed at start is no change */
    void (*surroundings)(void *ctx); /* something that concerns all exports may have changed */
    void (*crd)(void *ctx, const char *name); /* a CRD came, changed or went */
    void *ctx;
};

/* A kube_change_fn; its ctx is a struct kind_context with the routes as listener. */
void routes_change(void *ctx, const struct json *before, const struct json *after);

/* Adds each export to the queue. */
void routes_add_all(struct routes *routes);
/* A foreign pod may have been at this claim: the exports of it are told and touched. For pods as
 * they come from the API, not as kept. */
void routes_pod_seen(struct routes *routes, const struct json *pod, bool gone);
void routes_touch_all(struct routes *routes);
