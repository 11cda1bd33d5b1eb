/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X.509 certificates (RFC 5280) and their keys: what the controller's own CA and the certificates
 * of ingresses need. Texts are PEM (RFC 7468), times are seconds since 1970 and always given by
 * the caller. Private keys are wiped from memory when freed.
 *
 * What is returned may be read by several threads at once.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* A certificate is valid from so many seconds before it is made: clocks of clients differ. */
enum { PKI_CLOCK_SKEW = 300 };
/* A text with more certificates is refused; the bundle of all public CAs has some 150. */
enum { PKI_BUNDLE_MAX = 1000 };

struct x509_st; /* OpenSSL's X509 */

struct pki_cert {
    char *pem;            /* its text, with a newline at the end and nothing else around it */
    char *subject;        /* the distinguished name as RFC 2253 writes it, "CN=a,O=b" */
    char **names;         /* DNS names and IP addresses of the subjectAltName, in its order */
    size_t name_count;    /* names with a NUL byte in them are left out */
    time_t not_before;    /* valid from, inclusive */
    time_t not_after;     /* valid until, inclusive */
    bool is_ca;           /* may sign certificates: version 3 with CA:TRUE */
    bool self_issued;     /* its issuer has its own name: a root, as far as a name can tell */
    char fingerprint[65]; /* SHA-256 of its DER, in hex */
    struct x509_st *x509;
};

struct pki_bundle {
    struct pki_cert *cert;
    size_t count;
};

/*
 * The certificates of a text in their order; other blocks and what stands between them is skipped.
 * `bundle` is the caller's to free, also after a failure. ERR_INPUT names the certificate that
 * cannot be read by its number. An empty text is an empty bundle.
 */
int pki_bundle_parse(const char *pem, struct pki_bundle *bundle, struct err *err);
void pki_bundle_free(struct pki_bundle *bundle);

/* Whether the certificate's time has come and not yet passed. */
bool pki_valid_at(const struct pki_cert *cert, time_t now);
/* Whether `issuer` signed it: by name, key identifier, key usage and signature, whatever the time.
 */
bool pki_issued_by(const struct pki_cert *cert, const struct pki_cert *issuer);
/* Whether a client that asks for `host` (a DNS name or an IP address) accepts it (RFC 6125). */
bool pki_is_for(const struct pki_cert *cert, const char *host);

/* ---- a certificate with its private key ---- */

struct pki_pair;

/*
 * Makes a self-signed CA: ECDSA P-256, subject CN=name (at most 64 bytes), that signs end
 * certificates only, valid for `duration` seconds.
 */
struct pki_pair *pki_make_ca(const char *name, time_t now, int64_t duration, struct err *err);

/*
 * Makes the certificate of a TLS server, signed by `ca`: ECDSA P-256, valid for `duration` seconds
 * but not beyond the CA. `names` (one at least) are its DNS names and addresses; the first is its CN, when it is
 * short enough for one.
 */
struct pki_pair *pki_make_leaf(const struct pki_pair *ca, const char *const *names, size_t count,
                               time_t now, int64_t duration, struct err *err);

/* The same as texts, which is less work than a pair that is to be used: the caller wipes `key`. */
int pki_issue(const struct pki_pair *ca, const char *const *names, size_t count, time_t now,
              int64_t duration, struct str *cert, struct str *key, struct err *err);

/* Reads the first certificate of `cert` and the private key of `key` (PKCS#8 or SEC 1, without a
 * passphrase). ERR_INPUT also when they do not belong together. */
struct pki_pair *pki_pair_parse(const char *cert, const char *key, struct err *err);
void pki_pair_free(struct pki_pair *pair);

const struct pki_cert *pki_pair_cert(const struct pki_pair *pair);
/* Appends the private key as PKCS#8; the caller wipes the text. */
void pki_pair_key(const struct pki_pair *pair, struct str *out);

/* Frees a text that held a private key, and leaves no trace of it. */
void pki_wipe(struct str *secret);
#define cleanup_wipe __attribute__((cleanup(pki_wipe)))
