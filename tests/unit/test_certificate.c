/* SPDX-License-Identifier: Apache-2.0 */
/* Key pairs are made by OpenSSL as the test runs: none is kept in the repository. */
#include "base/str.h"
#include "certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char dir[64];
    char cert_file[128], key_file[128];
    EVP_PKEY *key[2];
    X509 *cert[2];
    struct certificate certificate;
    struct err err;
};

static X509 *self_signed(EVP_PKEY *key)
{
    X509 *cert = X509_new();

    assert_non_null(cert);
    X509_set_version(cert, 2);
    ASN1_TIME_set_string(X509_getm_notBefore(cert), "20200101000000Z");
    ASN1_TIME_set_string(X509_getm_notAfter(cert), "20991231235958Z");
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509_set_pubkey(cert, key);
    assert_true(X509_sign(cert, key, EVP_sha256()));
    return cert;
}

static void write_cert(const char *path, X509 *cert)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(PEM_write_X509(file, cert));
    fclose(file);
}

static void write_key(const char *path, EVP_PKEY *key, const char *passphrase)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(PEM_write_PrivateKey(file, key, passphrase ? EVP_aes_128_cbc() : NULL, NULL, 0,
                                     NULL, (void *)(uintptr_t)passphrase));
    fclose(file);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    strcpy(f->dir, "/tmp/test_certificate.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->cert_file, sizeof(f->cert_file), "%s/tls.crt", f->dir);
    snprintf(f->key_file, sizeof(f->key_file), "%s/tls.key", f->dir);
    for (int i = 0; i < 2; i++) {
        f->key[i] = EVP_EC_gen("P-256");
        f->cert[i] = self_signed(f->key[i]);
    }
    write_cert(f->cert_file, f->cert[0]);
    write_key(f->key_file, f->key[0], NULL);
    certificate_init(&f->certificate, f->cert_file, f->key_file);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    unlink(f->cert_file);
    unlink(f->key_file);
    rmdir(f->dir);
    for (int i = 0; i < 2; i++) {
        EVP_PKEY_free(f->key[i]);
        X509_free(f->cert[i]);
    }
    free(f);
    return 0;
}

static int look(struct fixture *f)
{
    return certificate_poll(&f->certificate, &f->err);
}

static void test_first_look_finds_the_pair(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(look(f), 1);
    assert_string_equal(f->certificate.not_after, "2099-12-31T23:59:58Z");
    assert_int_equal(look(f), 0);
}

static void test_half_a_change_is_said_once(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(look(f), 1);
    write_cert(f->cert_file, f->cert[1]);
    assert_int_equal(look(f), -1);
    assert_non_null(strstr(f->err.msg, f->key_file));
    assert_int_equal(look(f), 0);
    write_key(f->key_file, f->key[1], NULL);
    assert_int_equal(look(f), 1);
    assert_int_equal(look(f), 0);
}

static void test_missing_file(void **state)
{
    struct fixture *f = *state;

    unlink(f->key_file);
    assert_int_equal(look(f), -1);
    assert_int_equal(look(f), 0);
    write_key(f->key_file, f->key[0], NULL);
    assert_int_equal(look(f), 1);
}

static void test_both_missing_from_the_start(void **state)
{
    struct fixture *f = *state;

    unlink(f->key_file);
    unlink(f->cert_file);
    assert_int_equal(look(f), -1);
    assert_non_null(strstr(f->err.msg, f->cert_file));
}

static void test_not_pem(void **state)
{
    struct fixture *f = *state;
    FILE *file = fopen(f->cert_file, "w");

    fputs("not a certificate\n", file);
    fclose(file);
    assert_int_equal(look(f), -1);
}

static void test_passphrase_is_not_asked_for(void **state)
{
    struct fixture *f = *state;

    write_key(f->key_file, f->key[0], "secret");
    assert_int_equal(look(f), -1);
}

/* As the kubelet does it: both files are links into a directory that is a link itself. */
static void test_swapped_link(void **state)
{
    struct fixture *f = *state;
    char path[2][2][160], data[160], next[160], dir[2][128];

    unlink(f->cert_file);
    unlink(f->key_file);
    snprintf(data, sizeof(data), "%s/..data", f->dir);
    snprintf(next, sizeof(next), "%s/..next", f->dir);
    for (int i = 0; i < 2; i++) {
        snprintf(dir[i], sizeof(dir[i]), "%s/%d", f->dir, i);
        assert_int_equal(mkdir(dir[i], 0700), 0);
        snprintf(path[i][0], sizeof(path[i][0]), "%s/tls.crt", dir[i]);
        snprintf(path[i][1], sizeof(path[i][1]), "%s/tls.key", dir[i]);
        write_cert(path[i][0], f->cert[i]);
        write_key(path[i][1], f->key[i], NULL);
    }
    assert_int_equal(symlink("0", data), 0);
    assert_int_equal(symlink("..data/tls.crt", f->cert_file), 0);
    assert_int_equal(symlink("..data/tls.key", f->key_file), 0);
    assert_int_equal(look(f), 1);
    assert_int_equal(symlink("1", next), 0);
    assert_int_equal(rename(next, data), 0);
    assert_int_equal(look(f), 1);
    assert_int_equal(look(f), 0);
    unlink(data);
    for (int i = 0; i < 2; i++) {
        unlink(path[i][0]);
        unlink(path[i][1]);
        rmdir(dir[i]);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_look_finds_the_pair, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_half_a_change_is_said_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_missing_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_both_missing_from_the_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_pem, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_passphrase_is_not_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_swapped_link, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("certificate", tests, NULL, NULL);
}
