/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to the API server that is no longer one of HTTP: a GET with "Upgrade: websocket" that
 * was answered 101 (RFC 6455 §4). Server, TLS, credential, proxy and impersonation are as for every
 * other request. Which frames go over it is the caller's business.
 *
 * It belongs to one thread at a time. Needs SIGPIPE blocked or ignored.
 */
#pragma once

#include "kube/client.h"

struct kube_upgrade;

struct kube_upgrade_target {
    const struct kube_resource *resource;
    const char *ns, *name;
    const char *subresource; /* "portforward" */
    const char *key;         /* of the query: "ports" */
    unsigned value;
    const char *protocol; /* Sec-WebSocket-Protocol: the server has to choose it */
};

/* Whether to give up; asked every second at least, in the thread of the call. */
typedef bool kube_stopped_fn(void *ctx);

/*
 * Returns 0 and `*out`, or a negative `enum kube_reason` as all of client.h: a refusal with the
 * message of its Status; KUBE_MALFORMED for an answer that is no upgrade to what was asked for;
 * KUBE_OTHER for any other answer that is none. A 401 is asked again once with a renewed credential.
 */
int kube_upgrade_open(struct kube_client *client, const struct kube_upgrade_target *target,
                      kube_stopped_fn *stopped, void *ctx, struct kube_upgrade **out,
                      struct err *err);
void kube_upgrade_free(struct kube_upgrade *upgrade);

/* For poll(2). Before waiting for bytes to come, receive until there is nothing: TLS may hold some. */
int kube_upgrade_fd(const struct kube_upgrade *upgrade);

/* Move what is possible now, which may be nothing (`*moved` 0), and return 0; negative, with ERR_PEER or
 * ERR_IO, when the connection has ended or broken. What could not be sent has to be given again from
 * the same place in memory, with what follows it or without. */
int kube_upgrade_send(struct kube_upgrade *upgrade, const void *data, size_t len, size_t *moved,
                      struct err *err);
int kube_upgrade_recv(struct kube_upgrade *upgrade, void *data, size_t size, size_t *moved,
                      struct err *err);
