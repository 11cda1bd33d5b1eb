/* SPDX-License-Identifier: Apache-2.0 */
/* Servers that cannot be reached or do not answer; those that do are tested with the controller. */
#include "base/clock.h"
#include "kube/fetch.h"
#include "support.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <sys/socket.h>

static atomic_bool cancelled;
static char *ca;

/* A CA in whose name nobody answers. */
static int make_ca(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;
    long len;

    (void)state;
    X509_set_version(cert, 2);
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_sign(cert, key, EVP_sha256());
    PEM_write_bio_X509(bio, cert);
    len = BIO_get_mem_data(bio, &data);
    ca = strndup(data, (size_t)len);
    BIO_free(bio);
    X509_free(cert);
    EVP_PKEY_free(key);
    return 0;
}

static int free_ca(void **state)
{
    (void)state;
    free(ca);
    return 0;
}

/* Milliseconds that it took to fail. */
static uint64_t fail_to_fetch(const char *address, unsigned port, unsigned ms, struct err *err)
{
    const struct kube_fetch fetch = {.host = "export.ns.svc",
                                     .address = address,
                                     .port = port,
                                     .path = "/exportready",
                                     .accept = "Accept: application/json",
                                     .ca = ca,
                                     .connect_timeout_ms = ms,
                                     .timeout_ms = 20000,
                                     .max = 1024,
                                     .cancelled = &cancelled};
    cleanup_str struct str body = STR_INIT;
    uint64_t start = clock_ms();

    assert_int_equal(kube_fetch(&fetch, &body, err), -1);
    assert_int_equal(body.len, 0);
    return clock_ms() - start;
}

static void only_an_address_is_taken(void **state)
{
    static const char *const addresses[] = {
        "",         "localhost",   "127.0.0.1:80", "127.0.0.1,::1", "[::1]", "::1%lo",
        "127.0.0.", "127.0.0.1\n", " 127.0.0.1",   "2130706433",    "0x7f.1"};

    (void)state;
    for (size_t i = 0; i < COUNT(addresses); i++) {
        struct err err;

        fail_to_fetch(addresses[i], 1, 500, &err);
        if (err.class != ERR_INPUT)
            fail_msg("'%s' was taken: %s", addresses[i], err.msg);
    }
}

static void nobody_is_there(void **state)
{
    static const char *const addresses[] = {"127.0.0.1", "::1"};
    struct err err;

    (void)state;
    for (size_t i = 0; i < COUNT(addresses); i++) {
        fail_to_fetch(addresses[i], 1, 500, &err);
        assert_int_equal(err.class, ERR_UNAVAILABLE);
        assert_non_null(strstr(err.msg, "'export.ns.svc' at "));
    }
}

/* Its connections are made by the kernel and never looked at. */
static int listen_silently(unsigned *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static void *cancel(void *unused)
{
    usleep(300000);
    atomic_store(&cancelled, true);
    return unused;
}

static void it_ends_by_time_or_when_it_is_told(void **state)
{
    struct err err;
    unsigned port;
    int fd = listen_silently(&port);
    pthread_t thread;
    uint64_t took;

    (void)state;
    took = fail_to_fetch("127.0.0.1", port, 500, &err);
    assert_true(took >= 400 && took < 10000);
    assert_int_equal(err.class, ERR_UNAVAILABLE);
    close(fd);
    fd = listen_silently(&port);
    assert_int_equal(pthread_create(&thread, NULL, cancel, NULL), 0);
    took = fail_to_fetch("127.0.0.1", port, 20000, &err);
    assert_true(took >= 200 && took < 10000);
    assert_int_equal(err.class, ERR_UNAVAILABLE);
    pthread_join(thread, NULL);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_an_address_is_taken),
        cmocka_unit_test(nobody_is_there),
        cmocka_unit_test(it_ends_by_time_or_when_it_is_told),
    };

    return cmocka_run_group_tests(tests, make_ca, free_ca);
}
