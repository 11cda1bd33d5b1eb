/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leader election on a Lease (https://kubernetes.io/docs/concepts/architecture/leases/), as
 * client-go does it: a record that has not changed for a whole lease duration, by our own monotonic
 * clock, may be taken over. Own thread and own connection, so that a slow reconcile cannot starve a
 * renewal. It is no fence: two leaders may overlap for a moment, so each write must be safe anyway.
 */
#pragma once

#include "kube/client.h"

struct kube_lease;

struct kube_lease_config {
    struct kube_client *client;
    const char *ns, *name;
    const char *identity;      /* NULL: host name and a random part */
    unsigned duration_seconds; /* 0: 15 */
    unsigned renew_seconds;    /* the deadline of a renewal; 0: 10 */
    unsigned retry_ms;         /* 0: 2000 */
    /* Called from its threads; each may be NULL. They return soon, and do not stop the lease. */
    /* `note` is what the leader before had left (below), NULL when there is none. */
    void (*acquired)(void *ctx, const char *note);
    void (*lost)(void *ctx); /* leading must end at once; it is not tried again: exit */
    void (*trouble)(void *ctx,
                    const struct err *err); /* it cannot be got or renewed; for the log */
    /* Each renewal writes this text, the caller of the callback frees it, into the Lease's annotation
     * `note_key`: how far the leader has come, for its successor. NULL (either): leave it. */
    const char *note_key;
    char *(*note)(void *ctx);
    /* Completes a Lease that is about to be made here; negative: not now. May be NULL. */
    int (*make)(void *ctx, struct kube_conn *conn, struct json *object, struct err *err);
    void *ctx;
};

/* Starts its threads. The texts must outlive it. ERR_INPUT: the times make no sense together. */
struct kube_lease *kube_lease_start(const struct kube_lease_config *config, struct err *err);
/* Ends it and, when we lead, gives the lease back so that the next one need not wait. */
void kube_lease_stop(struct kube_lease *lease);
/* Has it renewed at once, as there is something new to note. From any thread; does not block. */
void kube_lease_renew(struct kube_lease *lease);
bool kube_lease_held(struct kube_lease *lease);
/* Who holds it, as last seen; the caller frees; NULL: nobody. */
char *kube_lease_holder(struct kube_lease *lease);
