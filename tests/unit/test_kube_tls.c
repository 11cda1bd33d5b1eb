/* SPDX-License-Identifier: Apache-2.0 */
/* Who the server is and who we are to it, over TLS. Key pairs are made as the test runs. */
#include "kube/client.h"
#include "support.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#define POD "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"}}"

static const struct kube_resource pods = {"", "v1", "pods", "Pod", true};

/* ---- certificates: a CA, another one, a server's, a client's ---- */

enum { CA, OTHER_CA, SERVER, CLIENT, PAIRS };

static struct pair {
    EVP_PKEY *key;
    X509 *cert;
    char *cert_pem, *key_pem;
} pairs[PAIRS];

static char *to_pem(X509 *cert, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data, *text;
    long len;

    if (cert)
        assert_true(PEM_write_bio_X509(bio, cert));
    else
        assert_true(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
    len = BIO_get_mem_data(bio, &data);
    text = strndup(data, (size_t)len);
    BIO_free(bio);
    return text;
}

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_non_null(extension);
    assert_true(X509_add_ext(cert, extension, -1));
    X509_EXTENSION_free(extension);
}

static void make_pair(int which, const char *name, int issuer, const char *alt_name)
{
    struct pair *pair = &pairs[which];

    pair->key = EVP_EC_gen("P-256");
    pair->cert = X509_new();
    X509_set_version(pair->cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(pair->cert), which + 1);
    ASN1_TIME_set_string(X509_getm_notBefore(pair->cert), "20200101000000Z");
    ASN1_TIME_set_string(X509_getm_notAfter(pair->cert), "20991231235958Z");
    X509_NAME_add_entry_by_txt(X509_get_subject_name(pair->cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(pair->cert, X509_get_subject_name(pairs[issuer].cert));
    X509_set_pubkey(pair->cert, pair->key);
    if (which == issuer)
        add_extension(pair->cert, NID_basic_constraints, "critical,CA:TRUE");
    if (alt_name)
        add_extension(pair->cert, NID_subject_alt_name, alt_name);
    assert_true(X509_sign(pair->cert, pairs[issuer].key, EVP_sha256()));
    pair->cert_pem = to_pem(pair->cert, NULL);
    pair->key_pem = to_pem(NULL, pair->key);
}

/* ---- a server that answers each request with POD, one connection at a time ---- */

struct server {
    SSL_CTX *tls;
    int listener, port;
    pthread_t thread;
    unsigned close_after; /* requests of a connection; 0: it stays */
    pthread_mutex_t lock; /* for what follows */
    unsigned handshakes, resumed, requests;
    char host[128], client[128];
};

static struct server server;

static void note(SSL *ssl, const char *request)
{
    const char *host = strstr(request, "\r\nHost: ");
    X509 *client = SSL_get1_peer_certificate(ssl);

    pthread_mutex_lock(&server.lock);
    server.requests++;
    snprintf(server.host, sizeof(server.host), "%.*s", (int)strcspn(host + 8, "\r"), host + 8);
    server.client[0] = '\0';
    if (client)
        X509_NAME_get_text_by_NID(X509_get_subject_name(client), NID_commonName, server.client,
                                  sizeof(server.client));
    pthread_mutex_unlock(&server.lock);
    X509_free(client);
}

static void serve(SSL *ssl)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 39\r\n\r\n" POD "\n";
    char request[8192];
    int len;

    if (SSL_accept(ssl) <= 0)
        return;
    pthread_mutex_lock(&server.lock);
    server.handshakes++;
    server.resumed += SSL_session_reused(ssl) != 0;
    pthread_mutex_unlock(&server.lock);
    for (unsigned i = 0; !server.close_after || i < server.close_after; i++) {
        len = SSL_read(ssl, request, sizeof(request) - 1);
        if (len <= 0)
            return;
        request[len] = '\0';
        note(ssl, request);
        if (SSL_write(ssl, answer, sizeof(answer) - 1) <= 0)
            return;
    }
}

static void *run(void *arg)
{
    sigset_t pipe;

    (void)arg;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE); /* ours; the client's thread must not need it */
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    for (int fd; (fd = accept(server.listener, NULL, NULL)) >= 0; close(fd)) {
        SSL *ssl = SSL_new(server.tls);

        SSL_set_fd(ssl, fd);
        serve(ssl);
        SSL_free(ssl);
    }
    return NULL;
}

static void start(unsigned close_after)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    server = (struct server){.close_after = close_after};
    pthread_mutex_init(&server.lock, NULL);
    server.tls = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(server.tls, pairs[SERVER].cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(server.tls, pairs[SERVER].key), 1);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(server.tls), pairs[CA].cert);
    SSL_CTX_set_verify(server.tls, SSL_VERIFY_PEER, NULL); /* a client's certificate is optional */
    SSL_CTX_set_session_id_context(server.tls, (const unsigned char *)"t", 1);
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server.listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(server.listener, 16), 0);
    assert_int_equal(getsockname(server.listener, (struct sockaddr *)&address, &len), 0);
    server.port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server.thread, NULL, run, NULL), 0);
}

/* After the client's connections are closed. */
static void stop(void)
{
    shutdown(server.listener, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.listener);
    SSL_CTX_free(server.tls);
    pthread_mutex_destroy(&server.lock);
}

static struct kube_config *config_with(int ca)
{
    struct kube_config *config = calloc(1, sizeof(*config));

    assert_non_null(config);
    assert_true(asprintf(&config->server, "https://127.0.0.1:%d", server.port) > 0);
    config->ca = strdup(pairs[ca].cert_pem);
    return config;
}

/* `count` requests by one connection; what the last one came to. */
static int ask(struct kube_config *config, unsigned count, struct err *err)
{
    struct kube_client *client = kube_client_new(config, "tester/1.0");
    struct kube_conn *conn = kube_conn_new(client);
    int rc = 0;

    while (count--) {
        struct json *pod = NULL;

        rc = kube_get(conn, &pods, "ns", "p", &pod, err);
        json_free(pod);
    }
    kube_conn_free(conn);
    kube_client_free(client);
    return rc;
}

/* ---- tests ---- */

static void the_server_is_checked(void **state)
{
    struct err err;

    (void)state;
    start(0);
    assert_int_equal(ask(config_with(CA), 3, &err), 0);
    assert_int_equal(server.handshakes, 1);
    assert_int_equal(ask(config_with(OTHER_CA), 1, &err), -KUBE_TRANSPORT);
    assert_non_null(strstr(err.msg, "certificate"));
    stop();
}

static void a_check_may_be_left_out(void **state)
{
    struct kube_config *config;
    struct err err;

    (void)state;
    start(0);
    config = config_with(OTHER_CA);
    config->insecure = true;
    assert_int_equal(ask(config, 1, &err), 0);
    stop();
}

static void a_ca_that_has_rotated_is_read_again(void **state)
{
    struct kube_config *config;
    struct err err;

    (void)state;
    start(0);
    scratch_puts("ca.crt", pairs[CA].cert_pem);
    config = config_with(OTHER_CA);
    config->ca_file = strdup(scratch_path("ca.crt"));
    assert_int_equal(ask(config, 2, &err), 0);
    assert_int_equal(server.requests, 2);
    scratch_puts("ca.crt", pairs[OTHER_CA].cert_pem);
    config = config_with(OTHER_CA);
    config->ca_file = strdup(scratch_path("ca.crt"));
    assert_int_equal(ask(config, 2, &err), -KUBE_TRANSPORT);
    stop();
}

static void the_name_to_check_may_be_another(void **state)
{
    struct kube_config *config;
    char host[64];
    struct err err;

    (void)state;
    start(0);
    config = config_with(CA);
    config->tls_server_name = strdup("api.example.org");
    assert_int_equal(ask(config, 1, &err), 0);
    snprintf(host, sizeof(host), "127.0.0.1:%d", server.port);
    assert_string_equal(server.host, host);
    config = config_with(CA);
    config->tls_server_name = strdup("other.example.org");
    assert_int_equal(ask(config, 1, &err), -KUBE_TRANSPORT);
    stop();
}

static void a_client_certificate_says_who_we_are(void **state)
{
    struct kube_config *config;
    struct err err;

    (void)state;
    start(0);
    assert_int_equal(ask(config_with(CA), 1, &err), 0);
    assert_string_equal(server.client, "");
    config = config_with(CA);
    config->client_cert = strdup(pairs[CLIENT].cert_pem);
    config->client_key = strdup(pairs[CLIENT].key_pem);
    assert_int_equal(ask(config, 1, &err), 0);
    assert_string_equal(server.client, "jane");
    config = config_with(CA);
    config->client_cert = strdup(pairs[CLIENT].cert_pem);
    config->client_key = strdup(pairs[SERVER].key_pem); /* not its key */
    assert_int_equal(ask(config, 1, &err), -KUBE_TRANSPORT);
    stop();
}

/* Also: a write to a connection that the server has closed raises no signal. */
static void a_connection_made_anew_resumes_its_session(void **state)
{
    struct err err;

    (void)state;
    start(2);
    assert_int_equal(ask(config_with(CA), 7, &err), 0);
    assert_int_equal(server.handshakes, 4);
    assert_int_equal(server.resumed, 3);
    stop();
}

static int set_up(void **state)
{
    make_pair(CA, "ca", CA, NULL);
    make_pair(OTHER_CA, "other", OTHER_CA, NULL);
    make_pair(SERVER, "server", CA, "IP:127.0.0.1,DNS:api.example.org");
    make_pair(CLIENT, "jane", CA, NULL);
    return scratch_set_up(state);
}

static int tear_down(void **state)
{
    for (int i = 0; i < PAIRS; i++) {
        EVP_PKEY_free(pairs[i].key);
        X509_free(pairs[i].cert);
        free(pairs[i].cert_pem);
        free(pairs[i].key_pem);
    }
    return scratch_tear_down(state);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_server_is_checked),
        cmocka_unit_test(a_check_may_be_left_out),
        cmocka_unit_test(a_ca_that_has_rotated_is_read_again),
        cmocka_unit_test(the_name_to_check_may_be_another),
        cmocka_unit_test(a_client_certificate_says_who_we_are),
        cmocka_unit_test(a_connection_made_anew_resumes_its_session),
    };

    signal(SIGPIPE, SIG_DFL);
    return cmocka_run_group_tests_name("kube_tls", tests, set_up, tear_down);
}
