/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks export pods what of their volumes they cannot read, by HTTPS at their address, and puts the
 * answer into the cache (struct inspection), where the next look finds it.
 *
 * In threads of its own: a pod that does not answer holds up no look at an export. Where pods cannot
 * be reached (the controller runs outside of the cluster, a NetworkPolicy) that is all there is to
 * it: exports do without the condition.
 */
#pragma once

#include "cache.h"
#include "kube/workqueue.h"

struct inspector;

/* An export whose answer makes a difference goes into `queue`. Both must outlive it. */
struct inspector *inspector_start(struct cache *cache, struct kube_queue *queue, struct err *err);
/* Ends within a second or two; NULL is ignored. */
void inspector_stop(struct inspector *inspector);

/* Asks the pod of this uid, once. Thread-safe. */
void inspector_ask(struct inspector *inspector, const char *key, const char *pod);
