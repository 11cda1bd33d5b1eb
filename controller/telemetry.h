/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller's numbers, under the names that dashboards of controllers know
 * (controller-runtime's and client-go's), and a few of its own: docs/operations.md lists them.
 */
#pragma once

#include "cache.h"
#include "kube/events.h"
#include "kube/workqueue.h"
#include "watches.h"

/* Where the numbers come from that are kept elsewhere; all must outlive the metrics. */
struct telemetry {
    struct cache *cache;
    struct kube_queue *queue;
    struct kube_events *events;
    struct watches *watches;
    atomic_bool *leads;
};

void telemetry_start(const struct telemetry *sources);
void telemetry_print(struct str *out);
void telemetry_stop(void);

/* A kube_observe_fn. */
void telemetry_request(void *ctx, const char *verb, int code, double seconds);
/* One look at an export; `reason` is NULL when it went well. */
void telemetry_reconciled(const char *reason, double seconds);
