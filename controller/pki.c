/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading certificates. OpenSSL parses, compares names and checks signatures; nothing here looks
 * into DER by itself. A certificate is given out as its plain values, so that the callers need no
 * OpenSSL.
 */
#include "pki_internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int pki_error(struct err *err, enum err_class class, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    err_set(err, class, "%s: %s", what, reason ? reason : "unknown reason");
    ERR_clear_error();
    return -1;
}

void pki_wipe(struct str *secret)
{
    if (secret->data)
        OPENSSL_cleanse(secret->data, secret->cap);
    str_free(secret);
}

/* ---- the values of a certificate ---- */

/* A BIO in memory that OpenSSL has written to, as a text of its own. Takes the BIO. */
static char *bio_text(BIO *bio, bool written)
{
    const char *data = NULL;
    long len = written ? BIO_get_mem_data(bio, &data) : -1;
    char *text = len >= 0 ? strndup(data ? data : "", (size_t)len) : NULL;

    BIO_free(bio);
    return text;
}

static char *pem_of(X509 *x509)
{
    BIO *bio = BIO_new(BIO_s_mem());

    return bio_text(bio, bio && PEM_write_bio_X509(bio, x509));
}

static char *subject_of(const X509 *x509)
{
    BIO *bio = BIO_new(BIO_s_mem());

    return bio_text(bio, bio && X509_NAME_print_ex(bio, X509_get_subject_name(x509), 0,
                                                   XN_FLAG_RFC2253 &
                                                       ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0);
}

/* A time that OpenSSL cannot read is one that never comes or has always passed. */
static time_t time_of(const ASN1_TIME *time, time_t otherwise)
{
    struct tm tm;

    return ASN1_TIME_to_tm(time, &tm) ? timegm(&tm) : otherwise;
}

static void set_fingerprint(struct pki_cert *cert)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[32] = {0};

    X509_digest(cert->x509, EVP_sha256(), digest, NULL);
    for (size_t i = 0; i < sizeof(digest); i++) {
        cert->fingerprint[2 * i] = hex[digest[i] >> 4];
        cert->fingerprint[2 * i + 1] = hex[digest[i] & 15];
    }
}

/* The text of a DNS name or an IP address; NULL of other kinds of name. */
static char *name_text(const GENERAL_NAME *name)
{
    int type;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
    const unsigned char *data;
    size_t len;
    char address[INET6_ADDRSTRLEN];

    if (type != GEN_DNS && type != GEN_IPADD)
        return NULL;
    data = ASN1_STRING_get0_data(value);
    len = (size_t)ASN1_STRING_length(value);
    if (type == GEN_DNS)
        return memchr(data, '\0', len) ? NULL : strndup((const char *)data, len);
    if ((len != 4 && len != 16) ||
        !inet_ntop(len == 4 ? AF_INET : AF_INET6, data, address, sizeof(address)))
        return NULL;
    return strdup(address);
}

static int set_names(struct pki_cert *cert)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert->x509, NID_subject_alt_name, NULL, NULL);
    int count = names ? sk_GENERAL_NAME_num(names) : 0;

    cert->names = calloc((size_t)count + 1, sizeof(*cert->names));
    for (int i = 0; cert->names && i < count; i++) {
        char *text = name_text(sk_GENERAL_NAME_value(names, i));

        if (text)
            cert->names[cert->name_count++] = text;
    }
    GENERAL_NAMES_free(names);
    return cert->names ? 0 : -1;
}

static void cert_free(struct pki_cert *cert)
{
    for (size_t i = 0; i < cert->name_count; i++)
        free(cert->names[i]);
    free(cert->names);
    free(cert->subject);
    free(cert->pem);
    X509_free(cert->x509);
    *cert = (struct pki_cert){0};
}

/* Takes `x509`; `cert` is to be freed also after a failure. */
static int cert_init(struct pki_cert *cert, X509 *x509, struct err *err)
{
    *cert = (struct pki_cert){
        .x509 = x509,
        .pem = pem_of(x509),
        .subject = subject_of(x509),
        .not_before = time_of(X509_get0_notBefore(x509), INT64_MAX),
        .not_after = time_of(X509_get0_notAfter(x509), INT64_MIN),
        .is_ca = X509_check_ca(x509) == 1,
        .self_issued = !X509_NAME_cmp(X509_get_subject_name(x509), X509_get_issuer_name(x509)),
    };
    set_fingerprint(cert);
    if (!cert->pem || !cert->subject || set_names(cert) < 0)
        return err_set(err, ERR_SYSTEM, "out of memory for a certificate");
    /* What OpenSSL could not make sense of has been left out above. */
    ERR_clear_error();
    return 0;
}

/* ---- bundles ---- */

static BIO *bio_of(const char *text)
{
    size_t len = strlen(text);

    return len > INT32_MAX ? NULL : BIO_new_mem_buf(text, (int)len);
}

/* The next certificate; NULL at the end, and with `*rc` -1 when it cannot be read. */
static X509 *next_cert(BIO *bio, size_t number, int *rc, struct err *err)
{
    X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    char what[64];

    *rc = 0;
    if (!x509 && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
        snprintf(what, sizeof(what), "cannot read certificate %zu of the text", number);
        *rc = pki_error(err, ERR_INPUT, what);
    }
    ERR_clear_error();
    return x509;
}

static int add(struct pki_bundle *bundle, size_t *room, X509 *x509, struct err *err)
{
    struct pki_cert *grown = bundle->cert;

    if (bundle->count == *room) {
        *room = *room ? 2 * *room : 4;
        grown = realloc(grown, *room * sizeof(*grown));
    }
    if (!grown) {
        X509_free(x509);
        return err_set(err, ERR_SYSTEM, "out of memory for a certificate");
    }
    bundle->cert = grown;
    return cert_init(&grown[bundle->count++], x509, err);
}

int pki_bundle_parse(const char *pem, struct pki_bundle *bundle, struct err *err)
{
    BIO *bio = bio_of(pem);
    size_t room = 0;
    X509 *x509;
    int rc = 0;

    *bundle = (struct pki_bundle){0};
    if (!bio)
        return pki_error(err, ERR_SYSTEM, "cannot read certificates");
    while (!rc && (x509 = next_cert(bio, bundle->count + 1, &rc, err))) {
        if (bundle->count == PKI_BUNDLE_MAX) {
            X509_free(x509);
            rc = err_set(err, ERR_LIMIT, "more than %d certificates in one text", PKI_BUNDLE_MAX);
        } else {
            rc = add(bundle, &room, x509, err);
        }
    }
    BIO_free(bio);
    return rc;
}

void pki_bundle_free(struct pki_bundle *bundle)
{
    for (size_t i = 0; i < bundle->count; i++)
        cert_free(&bundle->cert[i]);
    free(bundle->cert);
    *bundle = (struct pki_bundle){0};
}

/* ---- questions ---- */

bool pki_valid_at(const struct pki_cert *cert, time_t now)
{
    return cert->not_before <= now && now <= cert->not_after;
}

bool pki_issued_by(const struct pki_cert *cert, const struct pki_cert *issuer)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer->x509);
    bool yes = key && X509_check_issued(issuer->x509, cert->x509) == X509_V_OK &&
               X509_verify(cert->x509, key) == 1;

    ERR_clear_error();
    return yes;
}

bool pki_is_for(const struct pki_cert *cert, const char *host)
{
    bool yes =
        X509_check_host(cert->x509, host, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1 ||
        X509_check_ip_asc(cert->x509, host, 0) == 1;

    ERR_clear_error();
    return yes;
}

/* ---- pairs ---- */

struct pki_pair *pki_pair_new(X509 *x509, EVP_PKEY *key, struct err *err)
{
    struct pki_pair *pair = calloc(1, sizeof(*pair));

    if (!pair) {
        X509_free(x509);
        EVP_PKEY_free(key);
        err_set(err, ERR_SYSTEM, "out of memory for a certificate");
        return NULL;
    }
    pair->key = key;
    if (cert_init(&pair->cert, x509, err) < 0) {
        pki_pair_free(pair);
        return NULL;
    }
    return pair;
}

/* A key with a passphrase cannot be used, and must not make a program wait for one to be typed. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
    (void)buf, (void)size, (void)writing, (void)arg;
    return 0;
}

static EVP_PKEY *parse_key(const char *text, struct err *err)
{
    BIO *bio = bio_of(text);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

    BIO_free(bio);
    if (!key)
        pki_error(err, ERR_INPUT, "cannot read the private key");
    ERR_clear_error();
    return key;
}

static X509 *parse_first_cert(const char *text, struct err *err)
{
    BIO *bio = bio_of(text);
    X509 *x509 = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    if (!x509)
        pki_error(err, ERR_INPUT, "cannot read the certificate");
    return x509;
}

struct pki_pair *pki_pair_parse(const char *cert, const char *key, struct err *err)
{
    X509 *x509 = parse_first_cert(cert, err);
    EVP_PKEY *private_key = x509 ? parse_key(key, err) : NULL;

    if (private_key && X509_check_private_key(x509, private_key) == 1)
        return pki_pair_new(x509, private_key, err);
    if (private_key)
        pki_error(err, ERR_INPUT, "the private key is not the certificate's");
    X509_free(x509);
    EVP_PKEY_free(private_key);
    return NULL;
}

void pki_pair_free(struct pki_pair *pair)
{
    if (!pair)
        return;
    cert_free(&pair->cert);
    EVP_PKEY_free(pair->key); /* overwrites the private number */
    free(pair);
}

const struct pki_cert *pki_pair_cert(const struct pki_pair *pair)
{
    return &pair->cert;
}

void pki_put_key(EVP_PKEY *key, struct str *out)
{
    BIO *bio = BIO_new(BIO_s_mem()); /* wipes its memory as it grows and when it is freed */
    const char *data = NULL;
    long len;

    /* Encoding a key that is in memory fails for want of memory only. */
    if (!bio || !PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL))
        abort();
    len = BIO_get_mem_data(bio, &data);
    assert(len > 0);
    str_append(out, data, (size_t)len);
    BIO_free(bio);
}

void pki_put_cert(X509 *cert, struct str *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const char *data = NULL;
    long len;

    if (!bio || !PEM_write_bio_X509(bio, cert))
        abort();
    len = BIO_get_mem_data(bio, &data);
    str_append(out, data, (size_t)len);
    BIO_free(bio);
}

void pki_pair_key(const struct pki_pair *pair, struct str *out)
{
    pki_put_key(pair->key, out);
}
