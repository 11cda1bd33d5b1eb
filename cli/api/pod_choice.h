/* SPDX-License-Identifier: Apache-2.0 */
/* Which pod, and which of its ports, is behind a port of a Service now. */
#pragma once

#include "kube/client.h"

struct pod_choice {
    char name[254];
    unsigned port;
};

/*
 * Of the pods that the Service selects the first that is ready and not being deleted; the Service's
 * targetPort, which may be a name, in it. A headless Service has the same port as its pods. Returns 0, or
 * -1: ERR_NOT_FOUND, no such Service or port; ERR_UNAVAILABLE, no pod is ready; else as cluster_fail.
 */
int pod_choose(struct kube_conn *conn, const char *ns, const char *service, unsigned port,
               struct pod_choice *out, struct err *err);
