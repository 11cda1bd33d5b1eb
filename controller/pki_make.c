/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making certificates: the profile of RFC 5280 §4 that Go, OpenSSL and GnuTLS all take without a
 * remark. Keys are ECDSA P-256, as KubeVirt's are: small, and quick to make.
 */
#include "pki_internal.h"

#include <assert.h>
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

/* RFC 5280 §4.1.2.2: positive and at most 20 octets; 64 bits of chance are asked for by all. */
enum { SERIAL_BITS = 127 };
enum { COMMON_NAME_MAX = 64 }; /* RFC 5280 appendix A.1, ub-common-name */

/* The bits of keyUsage (RFC 5280 §4.2.1.3). */
enum { DIGITAL_SIGNATURE = 0, KEY_CERT_SIGN = 5, CRL_SIGN = 6 };

static bool set_serial(X509 *cert)
{
    BIGNUM *number = BN_new();
    bool ok = number && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ODD) &&
              BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));

    BN_free(number);
    return ok;
}

static bool set_subject(X509 *cert, const char *common_name)
{
    return X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
                                      (const unsigned char *)common_name, -1, -1, 0) == 1;
}

static bool set_validity(X509 *cert, time_t from, time_t until)
{
    return ASN1_TIME_set(X509_getm_notBefore(cert), from) &&
           ASN1_TIME_set(X509_getm_notAfter(cert), until);
}

static bool add_basic_constraints(X509 *cert, bool ca)
{
    BASIC_CONSTRAINTS *constraints = BASIC_CONSTRAINTS_new();
    bool ok = constraints != NULL;

    if (ok && ca) {
        constraints->ca = 0xff; /* written as it is: DER has no other TRUE */
        constraints->pathlen = ASN1_INTEGER_new();
        ok = constraints->pathlen && ASN1_INTEGER_set(constraints->pathlen, 0);
    }
    ok = ok &&
         X509_add1_ext_i2d(cert, NID_basic_constraints, constraints, 1, X509V3_ADD_DEFAULT) == 1;
    BASIC_CONSTRAINTS_free(constraints);
    return ok;
}

static bool add_key_usage(X509 *cert, int bit, int another)
{
    ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();
    bool ok = usage && ASN1_BIT_STRING_set_bit(usage, bit, 1) &&
              ASN1_BIT_STRING_set_bit(usage, another, 1) &&
              X509_add1_ext_i2d(cert, NID_key_usage, usage, 1, X509V3_ADD_DEFAULT) == 1;

    ASN1_BIT_STRING_free(usage);
    return ok;
}

static bool add_server_auth(X509 *cert)
{
    EXTENDED_KEY_USAGE *usage = EXTENDED_KEY_USAGE_new();
    /* An object of OpenSSL's table: freeing the list leaves it alone. */
    bool ok = usage && sk_ASN1_OBJECT_push(usage, OBJ_nid2obj(NID_server_auth)) > 0 &&
              X509_add1_ext_i2d(cert, NID_ext_key_usage, usage, 0, X509V3_ADD_DEFAULT) == 1;

    EXTENDED_KEY_USAGE_free(usage);
    return ok;
}

/* RFC 7093 §2, method 1: the left 160 bits of the SHA-256 of the public key. */
static bool add_subject_key(X509 *cert)
{
    enum { KEY_ID_LEN = 20 };
    unsigned char digest[EVP_MAX_MD_SIZE];
    ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
    bool ok = id && X509_pubkey_digest(cert, EVP_sha256(), digest, NULL) &&
              ASN1_OCTET_STRING_set(id, digest, KEY_ID_LEN) &&
              X509_add1_ext_i2d(cert, NID_subject_key_identifier, id, 0, X509V3_ADD_DEFAULT) == 1;

    ASN1_OCTET_STRING_free(id);
    return ok;
}

/*
 * Refers to the issuer's key by its identifier; a CA of someone else's need not have one. It is
 * decoded anew, as X509_get0_subject_key_id remembers what an unfinished certificate has, for good.
 */
static bool add_authority_key(X509 *cert, const X509 *issuer)
{
    ASN1_OCTET_STRING *id = X509_get_ext_d2i(issuer, NID_subject_key_identifier, NULL, NULL);
    AUTHORITY_KEYID *authority;
    bool ok;

    if (!id)
        return true;
    authority = AUTHORITY_KEYID_new();
    if (!authority) {
        ASN1_OCTET_STRING_free(id);
        return false;
    }
    authority->keyid = id;
    ok = X509_add1_ext_i2d(cert, NID_authority_key_identifier, authority, 0, X509V3_ADD_DEFAULT) ==
         1;
    AUTHORITY_KEYID_free(authority);
    return ok;
}

static GENERAL_NAME *dns_name(const char *text)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *value = ASN1_IA5STRING_new();

    if (name && value && ASN1_STRING_set(value, text, -1)) {
        GENERAL_NAME_set0_value(name, GEN_DNS, value);
        return name;
    }
    ASN1_IA5STRING_free(value);
    GENERAL_NAME_free(name);
    return NULL;
}

static GENERAL_NAME *ip_name(const char *text)
{
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(text);
    GENERAL_NAME *name = address ? GENERAL_NAME_new() : NULL;

    if (name)
        GENERAL_NAME_set0_value(name, GEN_IPADD, address);
    else
        ASN1_OCTET_STRING_free(address);
    return name;
}

static bool push_name(GENERAL_NAMES *names, const char *text)
{
    GENERAL_NAME *name = ip_name(text);

    if (!name)
        name = dns_name(text);
    if (name && sk_GENERAL_NAME_push(names, name) > 0)
        return true;
    GENERAL_NAME_free(name);
    return false;
}

/* Critical when there is no subject beside it (RFC 5280 §4.2.1.6). */
static bool add_names(X509 *cert, const char *const *texts, size_t count)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    bool ok = names != NULL;
    int critical = X509_NAME_entry_count(X509_get_subject_name(cert)) == 0;

    for (size_t i = 0; ok && i < count; i++)
        ok = push_name(names, texts[i]);
    ok = ok &&
         X509_add1_ext_i2d(cert, NID_subject_alt_name, names, critical, X509V3_ADD_DEFAULT) == 1;
    GENERAL_NAMES_free(names);
    return ok;
}

/*
 * As X509_set_pubkey, for our kind of key: that one encodes the key and has it decoded again by each
 * decoder that OpenSSL 3 has, which takes longer than making the key.
 */
static bool set_public_key(X509 *cert, EVP_PKEY *key)
{
    unsigned char *point = NULL;
    size_t len = EVP_PKEY_get1_encoded_public_key(key, &point);

    if (len &&
        X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(cert), OBJ_nid2obj(NID_X9_62_id_ecPublicKey),
                               V_ASN1_OBJECT, OBJ_nid2obj(NID_X9_62_prime256v1), point, (int)len))
        return true;
    OPENSSL_free(point);
    return false;
}

/* A certificate for `key` with a serial number, and nothing else yet. */
static X509 *cert_for(EVP_PKEY *key)
{
    X509 *cert = key ? X509_new() : NULL;

    if (cert && X509_set_version(cert, X509_VERSION_3) && set_public_key(cert, key) &&
        set_serial(cert))
        return cert;
    X509_free(cert);
    return NULL;
}

/* Goes on with a copy, which is read from its encoding as any other certificate is. */
static struct pki_pair *finish(X509 *cert, EVP_PKEY *key, bool ok, const char *what,
                               struct err *err)
{
    X509 *copy = ok ? X509_dup(cert) : NULL;

    X509_free(cert);
    if (copy)
        return pki_pair_new(copy, key, err);
    pki_error(err, ERR_SYSTEM, what);
    EVP_PKEY_free(key);
    return NULL;
}

struct pki_pair *pki_make_ca(const char *name, time_t now, int64_t duration, struct err *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = cert_for(key);
    bool ok = cert && set_subject(cert, name) &&
              X509_set_issuer_name(cert, X509_get_subject_name(cert)) &&
              set_validity(cert, now - PKI_CLOCK_SKEW, now + duration) &&
              add_basic_constraints(cert, true) && add_key_usage(cert, KEY_CERT_SIGN, CRL_SIGN) &&
              add_subject_key(cert) && add_authority_key(cert, cert) &&
              X509_sign(cert, key, EVP_sha256());

    return finish(cert, key, ok, "cannot make a CA", err);
}

/* A signed certificate for `key`; NULL when OpenSSL fails. */
static X509 *leaf_for(EVP_PKEY *key, const struct pki_pair *ca, const char *const *names,
                      size_t count, time_t now, int64_t duration)
{
    const struct pki_cert *issuer = &ca->cert;
    time_t from = now - PKI_CLOCK_SKEW, until = now + duration;
    X509 *cert = cert_for(key);

    assert(count > 0);
    if (from < issuer->not_before)
        from = issuer->not_before;
    if (until > issuer->not_after)
        until = issuer->not_after;
    if (cert && (strlen(names[0]) > COMMON_NAME_MAX || set_subject(cert, names[0])) &&
        X509_set_issuer_name(cert, X509_get_subject_name(issuer->x509)) &&
        set_validity(cert, from, until) && add_basic_constraints(cert, false) &&
        add_key_usage(cert, DIGITAL_SIGNATURE, DIGITAL_SIGNATURE) && add_server_auth(cert) &&
        add_subject_key(cert) && add_authority_key(cert, issuer->x509) &&
        add_names(cert, names, count) &&
        X509_sign(cert, ca->key, NULL)) /* the digest that goes with the kind of key */
        return cert;
    X509_free(cert);
    return NULL;
}

struct pki_pair *pki_make_leaf(const struct pki_pair *ca, const char *const *names, size_t count,
                               time_t now, int64_t duration, struct err *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = leaf_for(key, ca, names, count, now, duration);

    return finish(cert, key, cert != NULL, "cannot make a certificate", err);
}

int pki_issue(const struct pki_pair *ca, const char *const *names, size_t count, time_t now,
              int64_t duration, struct str *cert_pem, struct str *key_pem, struct err *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = leaf_for(key, ca, names, count, now, duration);
    bool ok = cert && pki_put_p256_key(key, key_pem);
    int rc = ok ? 0 : pki_error(err, ERR_SYSTEM, "cannot make a certificate");

    if (ok)
        pki_put_cert(cert, cert_pem);
    X509_free(cert);
    EVP_PKEY_free(key);
    return rc;
}
