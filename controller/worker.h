/* SPDX-License-Identifier: Apache-2.0 */
/* The threads that look at exports, each with a connection of its own. */
#pragma once

#include "apply.h"
#include "kube/workqueue.h"

struct workers;

struct workers_config {
    struct kube_client *client;
    struct cache *cache;
    struct kube_queue *queue;
    struct kube_events *events;
    struct signer *signer;
    const struct kube_resource *exports;
    struct inspector *inspector;
    int count;
};

struct workers *workers_start(const struct workers_config *config, struct err *err);
/* Shuts the queue down and lets looks under way end, for some seconds; then cuts them off. NULL is
 * ignored. */
void workers_stop(struct workers *workers);
