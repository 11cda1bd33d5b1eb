/* SPDX-License-Identifier: Apache-2.0 */
/* What reading (pki.c) and making (pki_make.c) certificates share. */
#pragma once

#include "pki.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

struct pki_pair {
    struct pki_cert cert;
    EVP_PKEY *key;
};

/* Takes both, also when it fails. */
struct pki_pair *pki_pair_new(X509 *x509, EVP_PKEY *key, struct err *err);

/* Fills `err` with OpenSSL's reason after the message, empties its queue and returns -1. */
int pki_error(struct err *err, enum err_class class, const char *what);

/* Append the PEM text; the caller wipes that of a key. */
void pki_put_key(EVP_PKEY *key, struct str *out);
void pki_put_cert(X509 *cert, struct str *out);
/* As pki_put_key, for a P-256 key only and quicker; false when OpenSSL fails. */
bool pki_put_p256_key(EVP_PKEY *key, struct str *out);
