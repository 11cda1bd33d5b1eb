/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps a store in step with the API server: what client-go calls a reflector
 * (https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes).
 *
 * One thread per reflector, straight code: list, then watch from the list's resourceVersion, again
 * and again. The state comes by a watch with sendInitialEvents where the server has it, object by
 * object (so that no list of megabytes is ever held), else by a list in pages.
 */
#pragma once

#include "kube/client.h"
#include "kube/store.h"

struct kube_reflector;

struct kube_reflector_config {
    struct kube_client *client;
    struct kube_selection what; /* its texts must outlive the reflector */
    struct kube_store *store;
    bool optional; /* the kind may not be served: then it counts as synced, and empty */
    /* Told when the kind begins (true) or ceases to be served, and once the first state is
     * complete; may be NULL. */
    void (*changed)(void *ctx);
    /* Told, by its thread, why a list or watch had to begin anew and which object could not be read,
     * one line each, for the log; may be NULL. */
    void (*problem)(void *ctx, const char *message);
    void *ctx;
};

/* Starts its thread. */
struct kube_reflector *kube_reflector_start(const struct kube_reflector_config *config,
                                            struct err *err);
/* Ends its thread, whatever it is in. It can still be asked: what one reflector's thread is told may
 * lead to a question to another, so several that do are all stopped before the first is freed. Not
 * NULL. */
void kube_reflector_stop(struct kube_reflector *reflector);
/* Of one that is stopped, or NULL. */
void kube_reflector_free(struct kube_reflector *reflector);

/* The store has held a whole state at least once (or the kind is optional and not served). */
bool kube_reflector_synced(struct kube_reflector *reflector);
/* The API server serves the kind, as far as is known. */
bool kube_reflector_served(struct kube_reflector *reflector);
/* The resourceVersion up to which the store has all changes, and the listener was told of them; the
 * caller frees; NULL: none. Opaque. */
char *kube_reflector_version(struct kube_reflector *reflector);
/* A kind may have appeared (its CRD was established): look now instead of in a minute. */
void kube_reflector_wake(struct kube_reflector *reflector);
/* How often a watch or list had to begin anew after an error. */
unsigned long kube_reflector_restarts(struct kube_reflector *reflector);
