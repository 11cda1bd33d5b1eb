/* SPDX-License-Identifier: Apache-2.0 */
/* What is made is judged by OpenSSL's own verification of a server's certificate. */
#include "base/cleanup.h"
#include "pki.h"
#include "support.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

enum { NOW = 1800000000, DAY = 86400 };

static struct err err;

static const char *const names[] = {"virt-export-a", "virt-export-a.ns", "virt-export-a.ns.svc",
                                    "virt-export-a.ns.svc.cluster.local"};

static struct pki_pair *a_ca(time_t now, int64_t duration)
{
    struct pki_pair *ca = pki_make_ca("export.kubevirt.io@1800000000", now, duration, &err);

    assert_non_null(ca);
    return ca;
}

static struct pki_pair *a_leaf(const struct pki_pair *ca, time_t now, int64_t duration)
{
    struct pki_pair *leaf = pki_make_leaf(ca, names, COUNT(names), now, duration, &err);

    assert_non_null(leaf);
    return leaf;
}

/* OpenSSL's verdict, strict about the profile; X509_V_OK or why not. */
static int verdict(const struct pki_pair *ca, const struct pki_pair *leaf, const char *host,
                   time_t now)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_VERIFY_PARAM *param;
    int result;

    assert_int_equal(X509_STORE_add_cert(store, pki_pair_cert(ca)->x509), 1);
    assert_int_equal(X509_STORE_CTX_init(ctx, store, pki_pair_cert(leaf)->x509, NULL), 1);
    param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_time(param, now);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
    X509_VERIFY_PARAM_set_auth_level(param, 3);
    X509_STORE_CTX_set_default(ctx, "ssl_server");
    X509_VERIFY_PARAM_set1_host(param, host, 0);
    result = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return result;
}

static void servers_are_verified(void **state)
{
    struct pki_pair *ca = a_ca(NOW, 90 * DAY), *other = a_ca(NOW, 90 * DAY);
    struct pki_pair *leaf = a_leaf(ca, NOW + DAY, 7 * DAY);

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(verdict(ca, leaf, names[i], NOW + DAY), X509_V_OK);
        assert_true(pki_is_for(pki_pair_cert(leaf), names[i]));
    }
    assert_int_equal(verdict(ca, leaf, "virt-export-b", NOW + DAY), X509_V_ERR_HOSTNAME_MISMATCH);
    assert_false(pki_is_for(pki_pair_cert(leaf), "virt-export-b"));
    assert_int_equal(verdict(ca, leaf, names[0], NOW + DAY - PKI_CLOCK_SKEW), X509_V_OK);
    assert_int_equal(verdict(ca, leaf, names[0], NOW + DAY - PKI_CLOCK_SKEW - 1),
                     X509_V_ERR_CERT_NOT_YET_VALID);
    assert_int_equal(verdict(ca, leaf, names[0], NOW + 8 * DAY - 1), X509_V_OK);
    assert_int_equal(verdict(ca, leaf, names[0], NOW + 8 * DAY + 1), X509_V_ERR_CERT_HAS_EXPIRED);
    assert_int_not_equal(verdict(other, leaf, names[0], NOW + DAY), X509_V_OK);
    assert_true(pki_issued_by(pki_pair_cert(leaf), pki_pair_cert(ca)));
    /* the same name, another key */
    assert_false(pki_issued_by(pki_pair_cert(leaf), pki_pair_cert(other)));
    assert_false(pki_issued_by(pki_pair_cert(ca), pki_pair_cert(leaf)));
    assert_true(pki_issued_by(pki_pair_cert(ca), pki_pair_cert(ca)));
    pki_pair_free(leaf);
    pki_pair_free(other);
    pki_pair_free(ca);
}

/* The bytes matter: Go and others refuse what OpenSSL takes, as a TRUE that is not 0xff. */
static void assert_basic_constraints(const struct pki_cert *cert, const char *der, int len)
{
    X509_EXTENSION *extension =
        X509_get_ext(cert->x509, X509_get_ext_by_NID(cert->x509, NID_basic_constraints, -1));
    const ASN1_STRING *value = X509_EXTENSION_get_data(extension);

    assert_true(X509_EXTENSION_get_critical(extension));
    assert_int_equal(ASN1_STRING_length(value), len);
    assert_memory_equal(ASN1_STRING_get0_data(value), der, len);
}

static void values_of_a_ca(void **state)
{
    struct pki_pair *ca = a_ca(NOW, 90 * DAY), *other = a_ca(NOW, 90 * DAY);
    const struct pki_cert *cert = pki_pair_cert(ca);

    (void)state;
    assert_string_equal(cert->subject, "CN=export.kubevirt.io@1800000000");
    assert_int_equal(cert->name_count, 0);
    assert_int_equal(cert->not_before, NOW - PKI_CLOCK_SKEW);
    assert_int_equal(cert->not_after, NOW + 90 * DAY);
    assert_true(cert->is_ca && cert->self_issued);
    assert_int_equal(strlen(cert->fingerprint), 64);
    assert_int_equal(strspn(cert->fingerprint, "0123456789abcdef"), 64);
    assert_true(str_starts(cert->pem, "-----BEGIN CERTIFICATE-----\n"));
    assert_true(str_ends(cert->pem, "\n-----END CERTIFICATE-----\n"));
    assert_basic_constraints(cert, "\x30\x06\x01\x01\xff\x02\x01\x00", 8);
    assert_int_equal(X509_get_pathlen(cert->x509), 0);
    assert_int_equal(X509_get_key_usage(cert->x509), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
    assert_string_not_equal(cert->fingerprint, pki_pair_cert(other)->fingerprint);
    assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(cert->x509),
                                          X509_get0_serialNumber(pki_pair_cert(other)->x509)),
                         0);
    assert_int_equal(ASN1_STRING_type(X509_get0_serialNumber(cert->x509)), V_ASN1_INTEGER);
    assert_false(pki_valid_at(cert, NOW - PKI_CLOCK_SKEW - 1));
    assert_true(pki_valid_at(cert, NOW - PKI_CLOCK_SKEW));
    assert_true(pki_valid_at(cert, NOW + 90 * DAY));
    assert_false(pki_valid_at(cert, NOW + 90 * DAY + 1));
    pki_pair_free(ca);
    pki_pair_free(other);
}

static void values_of_a_leaf(void **state)
{
    struct pki_pair *ca = a_ca(NOW, 90 * DAY), *leaf = a_leaf(ca, NOW + DAY, 7 * DAY);
    const struct pki_cert *cert = pki_pair_cert(leaf);

    (void)state;
    assert_string_equal(cert->subject, "CN=virt-export-a");
    assert_int_equal(cert->name_count, COUNT(names));
    for (size_t i = 0; i < COUNT(names); i++)
        assert_string_equal(cert->names[i], names[i]);
    assert_int_equal(cert->not_before, NOW + DAY - PKI_CLOCK_SKEW);
    assert_int_equal(cert->not_after, NOW + 8 * DAY);
    assert_false(cert->is_ca || cert->self_issued);
    assert_basic_constraints(cert, "\x30\x00", 2);
    assert_int_equal(X509_get_key_usage(cert->x509), KU_DIGITAL_SIGNATURE);
    assert_int_equal(X509_get_extended_key_usage(cert->x509), XKU_SSL_SERVER);
    pki_pair_free(leaf);
    pki_pair_free(ca);
}

static void a_leaf_may_be_for_addresses(void **state)
{
    static const char *const addresses[] = {"proxy.example", "192.0.2.7", "fd00::7"};
    struct pki_pair *ca = a_ca(NOW, 90 * DAY);
    struct pki_pair *leaf = pki_make_leaf(ca, addresses, COUNT(addresses), NOW, DAY, &err);
    const struct pki_cert *cert = pki_pair_cert(leaf);

    (void)state;
    assert_int_equal(X509_check_ip_asc(cert->x509, "192.0.2.7", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert->x509, "fd00:0::7", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert->x509, "192.0.2.8", 0), 0);
    assert_int_equal(X509_check_host(cert->x509, "192.0.2.7", 0, 0, NULL), 0);
    assert_int_equal(X509_check_host(cert->x509, "proxy.example", 0, 0, NULL), 1);
    assert_int_equal(cert->name_count, COUNT(addresses));
    for (size_t i = 0; i < COUNT(addresses); i++)
        assert_string_equal(cert->names[i], addresses[i]);
    pki_pair_free(leaf);
    pki_pair_free(ca);
}

static void a_leaf_stays_within_its_ca(void **state)
{
    struct pki_pair *ca = a_ca(NOW, 10 * DAY), *leaf = a_leaf(ca, NOW + 5 * DAY, 7 * DAY);

    (void)state;
    assert_int_equal(pki_pair_cert(leaf)->not_after, NOW + 10 * DAY);
    pki_pair_free(leaf);
    leaf = a_leaf(ca, NOW - DAY, 7 * DAY); /* the clock was put back */
    assert_int_equal(pki_pair_cert(leaf)->not_before, NOW - PKI_CLOCK_SKEW);
    pki_pair_free(leaf);
    pki_pair_free(ca);
}

static void a_long_first_name_is_no_common_name(void **state)
{
    static const char *const long_names[] = {
        "a23456789012345678901234567890123456789012345678901234567890123.b"};
    struct pki_pair *ca = a_ca(NOW, 90 * DAY);
    struct pki_pair *leaf = pki_make_leaf(ca, long_names, 1, NOW, 7 * DAY, &err);

    (void)state;
    assert_non_null(leaf);
    assert_string_equal(pki_pair_cert(leaf)->subject, "");
    assert_int_equal(verdict(ca, leaf, long_names[0], NOW), X509_V_OK);
    pki_pair_free(leaf);
    pki_pair_free(ca);
}

static void times_beyond_2050(void **state)
{
    struct pki_pair *ca = a_ca(NOW, 365LL * 100 * DAY);

    (void)state;
    assert_int_equal(pki_pair_cert(ca)->not_after, NOW + 365LL * 100 * DAY);
    pki_pair_free(ca);
}

static void a_name_too_long_for_a_ca(void **state)
{
    char name[70];

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_null(pki_make_ca(name, NOW, DAY, &err));
    assert_int_equal(err.class, ERR_SYSTEM);
    assert_true(str_starts(err.msg, "cannot make a CA: "));
}

/* ---- texts ---- */

static void pairs_are_read_again(void **state)
{
    struct pki_pair *ca = a_ca(NOW, 90 * DAY), *read, *leaf;
    cleanup_wipe struct str key = STR_INIT, again = STR_INIT;

    (void)state;
    pki_pair_key(ca, &key);
    assert_true(str_starts(str_get(&key), "-----BEGIN PRIVATE KEY-----\n"));
    read = pki_pair_parse(pki_pair_cert(ca)->pem, str_get(&key), &err);
    assert_non_null(read);
    assert_string_equal(pki_pair_cert(read)->pem, pki_pair_cert(ca)->pem);
    pki_pair_key(read, &again);
    assert_string_equal(str_get(&again), str_get(&key));
    leaf = a_leaf(read, NOW, DAY);
    assert_int_equal(verdict(ca, leaf, names[0], NOW), X509_V_OK);
    pki_pair_free(leaf);
    pki_pair_free(read);
    pki_pair_free(ca);
}

/* Byte for byte as OpenSSL writes the key itself: also those that begin with zeros. */
static void issued_texts_are_a_pair(void **state)
{
    struct pki_pair *ca = a_ca(NOW, 90 * DAY);

    (void)state;
    for (int i = 0; i < 300; i++) {
        cleanup_wipe struct str key = STR_INIT, again = STR_INIT;
        cleanup_str struct str cert = STR_INIT;
        struct pki_pair *read;

        assert_int_equal(pki_issue(ca, names, COUNT(names), NOW, DAY, &cert, &key, &err), 0);
        read = pki_pair_parse(str_get(&cert), str_get(&key), &err);
        assert_non_null(read);
        pki_pair_key(read, &again);
        assert_string_equal(str_get(&key), str_get(&again));
        pki_pair_free(read);
    }
    pki_pair_free(ca);
}

/* Keys of other kinds and spellings, as people bring their own CA. */
static void foreign_cas_sign(void **state)
{
    EVP_PKEY *keys[] = {EVP_RSA_gen(2048), EVP_EC_gen("P-384"),
                        EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};

    (void)state;
    for (size_t i = 0; i < COUNT(keys); i++) {
        X509 *cert = X509_new();
        BIO *cert_bio = BIO_new(BIO_s_mem()), *key_bio = BIO_new(BIO_s_mem());
        struct pki_pair *ca, *leaf;
        char *cert_text, *key_text;

        X509_set_version(cert, X509_VERSION_3);
        ASN1_TIME_set(X509_getm_notBefore(cert), NOW);
        ASN1_TIME_set(X509_getm_notAfter(cert), NOW + DAY);
        X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "O", MBSTRING_ASC,
                                   (const unsigned char *)"we", -1, -1, 0);
        X509_set_issuer_name(cert, X509_get_subject_name(cert));
        X509_set_pubkey(cert, keys[i]);
        assert_true(X509_sign(cert, keys[i], i == 2 ? NULL : EVP_sha256()));
        assert_true(PEM_write_bio_X509(cert_bio, cert));
        /* the older form, "EC PRIVATE KEY", where there is one */
        assert_true(
            PEM_write_bio_PrivateKey_traditional(key_bio, keys[i], NULL, NULL, 0, NULL, NULL) ||
            PEM_write_bio_PrivateKey(key_bio, keys[i], NULL, NULL, 0, NULL, NULL));
        BIO_write(cert_bio, "", 1);
        BIO_write(key_bio, "", 1);
        BIO_get_mem_data(cert_bio, &cert_text);
        BIO_get_mem_data(key_bio, &key_text);
        ca = pki_pair_parse(cert_text, key_text, &err);
        assert_non_null(ca);
        leaf = a_leaf(ca, NOW, DAY);
        assert_true(pki_issued_by(pki_pair_cert(leaf), pki_pair_cert(ca)));
        pki_pair_free(leaf);
        pki_pair_free(ca);
        BIO_free(cert_bio);
        BIO_free(key_bio);
        X509_free(cert);
        EVP_PKEY_free(keys[i]);
    }
}

static void pairs_that_are_none(void **state)
{
    struct pki_pair *ca = a_ca(NOW, DAY), *other = a_ca(NOW, DAY);
    cleanup_wipe struct str key = STR_INIT, other_key = STR_INIT, broken = STR_INIT;
    const char *pem = pki_pair_cert(ca)->pem;

    (void)state;
    pki_pair_key(ca, &key);
    pki_pair_key(other, &other_key);
    str_append(&broken, pem, strlen(pem) / 2);
    const struct {
        const char *cert, *key, *want;
    } rows[] = {
        {"", str_get(&key), "cannot read the certificate: no start line"},
        {str_get(&key), str_get(&key), "cannot read the certificate: no start line"},
        {str_get(&broken), str_get(&key), "cannot read the certificate: "},
        {pem, "", "cannot read the private key"},
        {pem, pem, "cannot read the private key"},
        {pem, str_get(&other_key), "the private key is not the certificate's: "},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_null(pki_pair_parse(rows[i].cert, rows[i].key, &err));
        assert_int_equal(err.class, ERR_INPUT);
        if (!str_starts(err.msg, rows[i].want))
            fail_msg("row %zu: %s", i, err.msg);
    }
    pki_pair_free(other);
    pki_pair_free(ca);
    pki_pair_free(NULL);
}

static void a_key_with_a_passphrase_does_not_ask(void **state)
{
    struct pki_pair *ca = a_ca(NOW, DAY);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;

    (void)state;
    assert_true(PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_256_cbc(), NULL, 0, NULL,
                                              (void *)(uintptr_t) "secret"));
    BIO_write(bio, "", 1);
    BIO_get_mem_data(bio, &text);
    assert_null(pki_pair_parse(pki_pair_cert(ca)->pem, text, &err));
    assert_true(str_starts(err.msg, "cannot read the private key"));
    BIO_free(bio);
    EVP_PKEY_free(key);
    pki_pair_free(ca);
}

static void bundles(void **state)
{
    struct pki_pair *ca = a_ca(NOW, DAY), *leaf = a_leaf(ca, NOW, DAY);
    cleanup_wipe struct str text = STR_INIT;
    struct pki_bundle bundle;

    (void)state;
    str_puts(&text, "# our certificates\n");
    str_puts(&text, pki_pair_cert(leaf)->pem);
    pki_pair_key(leaf, &text);
    str_puts(&text, "\n  text between\r\n");
    str_puts(&text, pki_pair_cert(ca)->pem);
    str_puts(&text, "the end");
    assert_int_equal(pki_bundle_parse(str_get(&text), &bundle, &err), 0);
    assert_int_equal(bundle.count, 2);
    assert_string_equal(bundle.cert[0].pem, pki_pair_cert(leaf)->pem);
    assert_string_equal(bundle.cert[1].pem, pki_pair_cert(ca)->pem);
    assert_string_equal(bundle.cert[0].fingerprint, pki_pair_cert(leaf)->fingerprint);
    pki_bundle_free(&bundle);
    pki_bundle_free(&bundle);
    assert_int_equal(pki_bundle_parse("", &bundle, &err), 0);
    assert_int_equal(bundle.count, 0);
    pki_bundle_free(&bundle);

    str_puts(&text, "\n-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    assert_int_equal(pki_bundle_parse(str_get(&text), &bundle, &err), -1);
    assert_int_equal(err.class, ERR_INPUT);
    assert_true(str_starts(err.msg, "cannot read certificate 3 of the text: "));
    pki_bundle_free(&bundle);
    pki_pair_free(leaf);
    pki_pair_free(ca);
}

static void too_large_a_bundle(void **state)
{
    struct pki_pair *ca = a_ca(NOW, DAY);
    cleanup_str struct str text = STR_INIT;
    struct pki_bundle bundle;

    (void)state;
    for (int i = 0; i < PKI_BUNDLE_MAX; i++)
        str_puts(&text, pki_pair_cert(ca)->pem);
    assert_int_equal(pki_bundle_parse(str_get(&text), &bundle, &err), 0);
    assert_int_equal(bundle.count, PKI_BUNDLE_MAX);
    pki_bundle_free(&bundle);
    str_puts(&text, pki_pair_cert(ca)->pem);
    assert_int_equal(pki_bundle_parse(str_get(&text), &bundle, &err), -1);
    assert_int_equal(err.class, ERR_LIMIT);
    pki_bundle_free(&bundle);
    pki_pair_free(ca);
}

/* ---- names ---- */

/* A certificate with these names; NUL bytes in `dns` count. */
static char *with_names(const char *common_name, const char *dns, size_t dns_len, const char *ip)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    GENERAL_NAMES *list = GENERAL_NAMES_new();
    BIO *bio = BIO_new(BIO_s_mem());
    char *text, *copy;
    long len;

    X509_set_version(cert, X509_VERSION_3);
    ASN1_TIME_set(X509_getm_notBefore(cert), NOW);
    ASN1_TIME_set(X509_getm_notAfter(cert), NOW + DAY);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
                               (const unsigned char *)common_name, -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509_set_pubkey(cert, key);
    for (int i = 0; i < 2; i++) {
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_OCTET_STRING *value = i ? a2i_IPADDRESS(ip) : ASN1_IA5STRING_new();

        if (i == 0)
            ASN1_STRING_set(value, dns, (int)dns_len);
        GENERAL_NAME_set0_value(name, i ? GEN_IPADD : GEN_DNS, value);
        sk_GENERAL_NAME_push(list, name);
    }
    X509_add1_ext_i2d(cert, NID_subject_alt_name, list, 0, 0);
    assert_true(X509_sign(cert, key, EVP_sha256()));
    assert_true(PEM_write_bio_X509(bio, cert));
    len = BIO_get_mem_data(bio, &text);
    copy = strndup(text, (size_t)len);
    BIO_free(bio);
    GENERAL_NAMES_free(list);
    X509_free(cert);
    EVP_PKEY_free(key);
    return copy;
}

static void names_of_others(void **state)
{
    static const char wildcard[] = "*.a-domain-of-more-than-32-characters.example";
    cleanup_free char *one = with_names("caf\xc3\xa9, a", wildcard, strlen(wildcard), "fd00::1");
    cleanup_free char *two = with_names("evil", "good.example\0.evil.example", 26, "10.0.0.1");
    struct pki_bundle bundle;

    (void)state;
    assert_int_equal(pki_bundle_parse(one, &bundle, &err), 0);
    assert_string_equal(bundle.cert[0].subject, "CN=caf\xc3\xa9\\, a");
    assert_int_equal(bundle.cert[0].name_count, 2);
    assert_string_equal(bundle.cert[0].names[0], wildcard);
    assert_string_equal(bundle.cert[0].names[1], "fd00::1");
    assert_true(pki_is_for(&bundle.cert[0], "X.a-domain-of-more-than-32-characters.example"));
    assert_false(pki_is_for(&bundle.cert[0], "a-domain-of-more-than-32-characters.example"));
    assert_false(pki_is_for(&bundle.cert[0], "x.y.a-domain-of-more-than-32-characters.example"));
    assert_true(pki_is_for(&bundle.cert[0], "fd00:0::1"));
    assert_false(pki_is_for(&bundle.cert[0], "10.0.0.1"));
    assert_false(pki_is_for(&bundle.cert[0], ""));
    pki_bundle_free(&bundle);
    assert_int_equal(pki_bundle_parse(two, &bundle, &err), 0);
    assert_int_equal(bundle.cert[0].name_count, 1);
    assert_string_equal(bundle.cert[0].names[0], "10.0.0.1");
    assert_false(pki_is_for(&bundle.cert[0], "good.example"));
    pki_bundle_free(&bundle);
}

static void texts_of_keys_are_wiped(void **state)
{
    struct str text = STR_INIT;

    (void)state;
    pki_wipe(&text);
    str_puts(&text, "secret");
    pki_wipe(&text);
    assert_null(text.data);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_are_verified),
        cmocka_unit_test(values_of_a_ca),
        cmocka_unit_test(values_of_a_leaf),
        cmocka_unit_test(a_leaf_may_be_for_addresses),
        cmocka_unit_test(a_leaf_stays_within_its_ca),
        cmocka_unit_test(a_long_first_name_is_no_common_name),
        cmocka_unit_test(times_beyond_2050),
        cmocka_unit_test(a_name_too_long_for_a_ca),
        cmocka_unit_test(pairs_are_read_again),
        cmocka_unit_test(issued_texts_are_a_pair),
        cmocka_unit_test(foreign_cas_sign),
        cmocka_unit_test(pairs_that_are_none),
        cmocka_unit_test(a_key_with_a_passphrase_does_not_ask),
        cmocka_unit_test(bundles),
        cmocka_unit_test(too_large_a_bundle),
        cmocka_unit_test(names_of_others),
        cmocka_unit_test(texts_of_keys_are_wiped),
    };

    return cmocka_run_group_tests_name("pki", tests, NULL, NULL);
}
