/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that carries bytes between a socket and a port of a pod, over a WebSocket of
 * v4.channel.k8s.io. It ends when either side does; why, unless it is the socket's doing, is said as a
 * warning, once.
 */
#pragma once

#include "kube/upgrade.h"

struct tunnel;

struct tunnel_ends {
    struct kube_upgrade *upgrade;
    int user;         /* a connected stream socket, non-blocking */
    int stop;         /* a descriptor that becomes readable when it is to end; not taken over */
    unsigned port;    /* of the pod */
    unsigned ping_ms; /* from one of our pings to the next */
    const char *what; /* what the port is of, for the warning; copied */
};

/* Takes `upgrade` and `user` over, whatever comes of it. NULL with ERR_SYSTEM: no thread. */
struct tunnel *tunnel_start(const struct tunnel_ends *ends, struct err *err);
/* Whether nothing is left to wait for. From any thread. */
bool tunnel_ended(const struct tunnel *tunnel);
/* Waits for the end; frees it. */
void tunnel_join(struct tunnel *tunnel);
