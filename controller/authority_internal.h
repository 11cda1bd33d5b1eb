/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets with PEM texts in them: what the CA (authority.c) and what it signs (authority_leaf.c) share. */
#pragma once

#include "authority.h"

/* Appends the decoded value of a Secret's data, nothing when it is not there. */
int authority_value(const struct json *secret, const char *key, struct str *out, struct err *err);

/* Adds a value to `data`, encoded; a pair as a certificate and a PKCS#8 key. */
void authority_put(struct json *data, const char *key, const struct str *text);
void authority_put_pair(struct json *data, const char *cert_key, const char *key_key,
                        const struct pki_pair *pair);
