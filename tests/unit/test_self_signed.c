/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/self_signed.h"
#include "support.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

static X509 *read_cert(void)
{
    FILE *file = fopen(scratch_path("crt"), "r");
    X509 *cert = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;

    assert_non_null(cert);
    fclose(file);
    return cert;
}

static EVP_PKEY *read_key(void)
{
    FILE *file = fopen(scratch_path("key"), "r");
    EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;

    assert_non_null(key);
    fclose(file);
    return key;
}

static X509 *make(const char *const *names, size_t count)
{
    struct err err;

    unlink(scratch_path("crt"));
    unlink(scratch_path("key"));
    assert_int_equal(
        self_signed_write(scratch_path("crt"), scratch_path("key"), names, count, &err), 0);
    return read_cert();
}

static void test_names_and_addresses(void **state)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "::1", "vm-1.example"};
    X509 *cert = make(names, COUNT(names));

    (void)state;
    assert_int_equal(X509_check_host(cert, "localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(cert, "vm-1.example", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(cert, "another.example", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(cert, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert, "::1", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert, "127.0.0.2", 0), 0);
    X509_free(cert);
}

/* A host's name may be anything; it must not become another entry. */
static void test_no_name_is_left_out(void **state)
{
    static const char *const names[] = {"localhost", "", "a,DNS:evil.example", "has blank"};
    X509 *cert = make(names, COUNT(names));
    GENERAL_NAMES *found = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

    (void)state;
    assert_int_equal(sk_GENERAL_NAME_num(found), 1);
    GENERAL_NAMES_free(found);
    X509_free(cert);
}

static void test_it_is_for_a_server_and_no_ca(void **state)
{
    static const char *const names[] = {"localhost"};
    X509 *cert = make(names, COUNT(names));
    EVP_PKEY *key = read_key();
    time_t soon = time(NULL) + 29 * 24 * 3600, later = time(NULL) + 31 * 24 * 3600;

    (void)state;
    assert_int_equal(X509_check_purpose(cert, X509_PURPOSE_SSL_SERVER, 0), 1);
    assert_int_equal(X509_check_ca(cert), 0);
    assert_int_equal(X509_check_private_key(cert, key), 1);
    assert_int_equal(X509_verify(cert, key), 1);
    assert_true(X509_cmp_time(X509_get0_notBefore(cert), NULL) < 0);
    assert_true(X509_cmp_time(X509_get0_notAfter(cert), &soon) > 0);
    assert_true(X509_cmp_time(X509_get0_notAfter(cert), &later) < 0);
    EVP_PKEY_free(key);
    X509_free(cert);
}

static void test_the_key_is_private_and_nothing_is_replaced(void **state)
{
    static const char *const names[] = {"localhost"};
    struct stat st;
    struct err err;

    (void)state;
    X509_free(make(names, COUNT(names)));
    assert_int_equal(stat(scratch_path("key"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_true(
        self_signed_write(scratch_path("crt"), scratch_path("key"), names, COUNT(names), &err) < 0);
    assert_int_equal(err.class, ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_addresses),
        cmocka_unit_test(test_no_name_is_left_out),
        cmocka_unit_test(test_it_is_for_a_server_and_no_ca),
        cmocka_unit_test(test_the_key_is_private_and_nothing_is_replaced),
    };

    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
