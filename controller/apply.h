/* SPDX-License-Identifier: Apache-2.0 */
/* Carries plans out: the only writer to the API server. */
#pragma once

#include "authority.h"
#include "inspect.h"
#include "kube/events.h"
#include "plan.h"

/* Who signs; guarded by its own lock. */
struct signer {
    pthread_rwlock_t lock;
    struct authority *authority; /* NULL: none yet */
    struct authority_settings settings;
};

struct apply {
    struct kube_conn *conn; /* the worker's own */
    struct cache *cache;
    struct kube_events *events;
    struct signer *signer;
    const struct kube_resource *exports; /* with the group of the settings */
    struct inspector *inspector;
};

/*
 * Looks at one export and does what is to be done. 0 with `*look_again` (0: not by time); negative
 * when it is to be tried again, with the cause in `err`. `*gone` when there is no such export.
 */
int apply_export(struct apply *apply, const char *key, time_t *look_again, bool *gone,
                 struct err *err);
