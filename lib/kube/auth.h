/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials that change while we run: a token file that the kubelet rotates, a credential plugin's
 * answer. Thread-safe. Secrets never appear in a message.
 */
#pragma once

#include "kube/config.h"

struct kube_auth;

struct kube_credential {
    char *bearer;     /* the value after "Bearer "; NULL: none */
    char *cert, *key; /* PEM; NULL: none */
    unsigned
        generation; /* another number: another credential (a TLS connection must be made anew) */
};

/* `config` must outlive it. */
struct kube_auth *kube_auth_new(const struct kube_config *config);
void kube_auth_free(struct kube_auth *auth);

/* The credential of now: of several ways a token file, else the config's token, else (without a
 * password) the plugin's; with it the plugin's certificate or the config's own. From the cache as long
 * as it holds: may block while the plugin runs, a minute at most, ten when it may ask a person. Free
 * with kube_credential_free after success. */
int kube_auth_get(struct kube_auth *auth, struct kube_credential *out, struct err *err);
void kube_credential_free(struct kube_credential *credential);

/* The server answered 401 to this generation: the next kube_auth_get asks anew. True when asking
 * anew may help (a file or a plugin), so that the request is worth one more try. */
bool kube_auth_rejected(struct kube_auth *auth, unsigned generation);
