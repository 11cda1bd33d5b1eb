/* SPDX-License-Identifier: Apache-2.0 */
/* The text of the request that asks for an upgrade. Private to lib/kube/upgrade.c. */
#pragma once

#include "kube/endpoint.h"
#include "kube/upgrade.h"

struct upgrade_request {
    const struct endpoint *endpoint;
    const struct kube_upgrade_target *target;
    const struct kube_credential *credential;
    const char *agent;
    const char *key; /* Sec-WebSocket-Key */
};

/* Appends it; -KUBE_BAD_REQUEST for a configured value that has a line break. It has secrets. */
int upgrade_put_request(const struct upgrade_request *request, struct str *out, struct err *err);
