/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the export proxy's pods mount, both in the controller's namespace: the ConfigMap CA_CONFIGMAP
 * with the CAs by which they know export pods (key ca.pem), and the Secret of the certificate that
 * they show (settings.proxy_certificate), signed by the same CA for the proxy's Service and for the
 * host by which it is reached from outside.
 *
 * An object of these names without the controller's label is somebody else's and stays as it is: so
 * a certificate of the user's own is used by putting it there.
 */
#pragma once

#include "authority.h"
#include "cache.h"
#include "kube/client.h"

struct proxy_files {
    struct kube_conn *conn;
    struct cache *cache;
    const struct authority *authority;
    const struct authority_settings *durations;
    const char *external_host; /* NULL: none */
};

/* Appends the certificates by which a client knows the proxy itself; nothing when they are not ours
 * to know. `bundle` is the CA's, NULL for none yet. */
void proxy_files_trust(struct cache *cache, const char *bundle, struct str *pem);

/* Makes or mends both. `*next` is lowered to when to look again. For the leader. */
int proxy_files_keep(const struct proxy_files *files, time_t now, time_t *next, struct err *err);
