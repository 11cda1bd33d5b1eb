/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /healthz, /readyz and /metrics over plain HTTP, for the kubelet's probes
 * (https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/) and for
 * Prometheus. Served by a thread of its own, so that a program that hangs can be told from one
 * that works. What can be read there is no secret, and nothing can be changed.
 */
#pragma once

#include "err.h"
#include "str.h"

#include <stdint.h>

/* 0, or negative with the reason in `err`, which is shown to whoever asks. Must not block: a probe
 * has a second. Called from the server's thread. */
typedef int health_check_fn(void *ctx, struct err *err);

struct health_check {
    const char *name;
    health_check_fn *check;
    void *ctx;
};

struct health_config {
    const char *address; /* "10.0.0.1:8080", "[::1]:8080", ":8080" (every address); port 0: any */
    /* Tables that end with an entry without name; NULL: nothing to check. They must outlive the
     * server. Answered with 200 when all of a table's checks pass, else 503; the body has a line for
     * each, as kube-apiserver's with ?verbose. */
    const struct health_check *live;
    const struct health_check *ready;
    void (*metrics)(struct str *out); /* NULL: none */
};

struct health;

/* Listens and starts the thread. ERR_INPUT: the address makes no sense. NULL on failure. */
struct health *health_start(const struct health_config *config, struct err *err);
uint16_t health_port(const struct health *health);
/* Closes all connections; NULL is ignored. */
void health_stop(struct health *health);
