/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cluster that the command line chose: kubeconfig, context, namespace, and kubectl's flags over
 * them. One thread.
 */
#pragma once

#include "command_line/options.h"
#include "kube/client.h"

struct cluster_watchman; /* who ends the requests of `conn` on an interrupt */

struct cluster {
    struct kube_client *client;
    struct kube_conn *conn;
    char *ns;
    unsigned timeout_s; /* of a request */
    struct cluster_watchman *watchman;
};

/* ERR_NOT_FOUND: no kubeconfig, with what to do; ERR_INPUT: one that makes no sense. An interrupt
 * (interrupt.h) ends its requests. */
int cluster_open(const struct options *options, struct cluster *cluster, struct err *err);
void cluster_close(struct cluster *cluster);

/* A connection that an interrupt does not end: for putting back what was begun. Ten seconds a
 * request. The caller frees it. */
struct kube_conn *cluster_spare(struct cluster *cluster);

/* Whether the API group is served, and then the best of its versions: the first of `preferred`, which
 * NULL ends. ERR_NOT_FOUND: it is not, or in none of them. */
int cluster_version(struct cluster *cluster, const char *group, const char *const *preferred,
                    const char **version, struct err *err);

/* Turns what a request of lib/kube returned into a class of base/err.h: KUBE_FORBIDDEN and
 * KUBE_UNAUTHORIZED are ERR_FORBIDDEN, KUBE_NOT_FOUND is ERR_NOT_FOUND... Returns -1. */
int cluster_fail(int rc, struct err *err);
