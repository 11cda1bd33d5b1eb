/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reflectors, one for each kind, that fill the cache. They begin in an order: exports first, as
 * whether a Secret is kept depends on who names it. Thread-safe, but for start and stop.
 */
#pragma once

#include "cache.h"
#include "kube/client.h"
#include "routes.h"

struct watches;

struct watches_config {
    struct kube_client *client;
    struct cache *cache;
    struct routes *routes;
    const struct kube_resource *exports; /* with the group of the settings */
    /* A first state is complete, or a kind has begun or ceased to be served; from their threads. */
    void (*changed)(void *ctx);
    void *ctx;
};

struct watches *watches_new(const struct watches_config *config);
/* Starts the exports' reflector, or all others. */
int watches_start_exports(struct watches *watches, struct err *err);
int watches_start_others(struct watches *watches, struct err *err);
/* Stops them all and frees; NULL is ignored. */
void watches_stop(struct watches *watches);

/* The first kind whose state is not complete yet; KINDS: all are. */
enum kind watches_behind(struct watches *watches);
/* Appends what went wrong with it last, nothing when nothing did. */
void watches_why_behind(struct watches *watches, enum kind kind, struct str *out);
bool watches_synced(struct watches *watches, enum kind kind);
/* A CRD came or changed: if its kind was missing, it is looked for now. */
void watches_crd(struct watches *watches, const char *name);
/* kube_reflector_version and kube_reflector_restarts of a kind; NULL and 0 before its start. */
char *watches_version(struct watches *watches, enum kind kind);
unsigned long watches_restarts(struct watches *watches, enum kind kind);
