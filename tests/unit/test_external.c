/* SPDX-License-Identifier: Apache-2.0 */
/* Objects are written as their owners write them; certificates are made as the test runs. */
#include "base/cleanup.h"
#include "external.h"
#include "support.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum { NOW = 1800000000, DAY = 86400 };

#define PROXY "{'service': {'name': 'proxy', 'port': {'number': 443}}}"
#define OTHER "{'service': {'name': 'other', 'port': {'number': 443}}}"
#define RULE(host, backend) \
    "{'host': '" host "', 'http': {'paths': [{'path': '/', 'backend': " backend "}]}}"
#define SPEC(spec) "{'spec': {" spec "}}"
#define NAMED(name, rule) "{'metadata': {'name': '" name "'}, 'spec': {'rules': [" rule "]}}"

static struct err err;

/* ---- hosts ---- */

struct row {
    const char *ingresses, *routes; /* what is within the brackets of the array */
    const char *fixed;
    const char *host, *secret; /* wanted */
    bool route, direct;
};

static struct json *array(const char *items)
{
    cleanup_str struct str text = STR_INIT;

    str_printf(&text, "[%s]", items ? items : "");
    return json_format(str_get(&text));
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void assert_found(const struct row *row, size_t number)
{
    struct json *ingresses = array(row->ingresses), *routes = array(row->routes);
    struct external out;

    external_find(ingresses, routes, "proxy", row->fixed, &out);
    if (!same(out.host, row->host) || !same(out.cert_secret, row->secret) ||
        out.route != row->route || out.direct != row->direct)
        fail_msg("row %zu: host %s, secret %s, route %d, direct %d", number,
                 out.host ? out.host : "none", out.cert_secret ? out.cert_secret : "none",
                 out.route, out.direct);
    external_free(&out);
    json_free(ingresses);
    json_free(routes);
}

static void assert_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_found(&rows[i], i);
}

static void hosts_of_ingresses(void **state)
{
    static const struct row rows[] = {
        {.host = NULL},
        /* the default backend */
        {.ingresses = SPEC("'defaultBackend': " PROXY ", 'rules': [{'host': 'a.b'}]"),
         .host = "a.b"},
        {.ingresses = SPEC("'defaultBackend': " OTHER ", 'rules': [{'host': 'a.b'}]")},
        {.ingresses = SPEC("'defaultBackend': " PROXY)},
        {.ingresses = SPEC("'defaultBackend': " PROXY ", 'rules': []")},
        {.ingresses = SPEC("'defaultBackend': " PROXY ", 'rules': [{}, {'host': 'a.b'}]"),
         .host = "a.b"},
        {.ingresses = SPEC("'defaultBackend': {}, 'rules': [{'host': 'a.b'}]")},
        {.ingresses = SPEC("'defaultBackend': {'resource': {'kind': 'Bucket', 'name': 'proxy'}},"
                           " 'rules': [{'host': 'a.b'}]")},
        /* rules */
        {.ingresses = SPEC("'rules': [" RULE("a.b", PROXY) "]"), .host = "a.b"},
        {.ingresses = SPEC("'rules': [" RULE("a.b", OTHER) "]")},
        {.ingresses = SPEC("'rules': [" RULE("a.b", "{}") "]")},
        {.ingresses = SPEC("'rules': [{'host': 'a.b'}]")},
        {.ingresses = SPEC("'rules': [" RULE("", PROXY) "]")},
        {.ingresses = SPEC("'rules': [{'http': {'paths': [{'backend': " PROXY "}]}}]")},
        {.ingresses = SPEC("'rules': [" RULE("a.b", OTHER) "," RULE("c.d", PROXY) "]"),
         .host = "c.d"},
        {.ingresses = SPEC("'rules': [{'host': 'a.b', 'http': {'paths':"
                           " [{'backend': " OTHER "}, {'backend': " PROXY "}]}}]"),
         .host = "a.b"},
        {.ingresses = SPEC("'defaultBackend': " OTHER ", 'rules': [" RULE("a.b", PROXY) "]"),
         .host = "a.b"},
        /* a wildcard is no address */
        {.ingresses = SPEC("'rules': [" RULE("*.b", PROXY) "]")},
        {.ingresses = SPEC("'rules': [" RULE("*.b", PROXY) "," RULE("a.b", PROXY) "]"),
         .host = "a.b"},
        /* by name, whatever the order */
        {.ingresses = NAMED("z", RULE("z.b", PROXY)) "," NAMED("m", RULE("m.b", PROXY)) "," NAMED(
             "a", RULE("a.b", OTHER)),
         .host = "m.b"},
        /* not as the API has it */
        {.ingresses = "{}, {'spec': null}, {'spec': {'rules': 'x'}}, {'spec': {'rules': [1]}}, 7"},
    };

    (void)state;
    assert_rows(rows, COUNT(rows));
}

static void secrets_of_ingresses(void **state)
{
#define TLS(tls) SPEC("'rules': [" RULE("vm.a.b", PROXY) "], 'tls': " tls)
    static const struct row rows[] = {
        {.ingresses = TLS("[]"), .host = "vm.a.b"},
        {.ingresses = TLS("[{'secretName': 's'}]"), .host = "vm.a.b", .secret = "s"},
        {.ingresses = TLS("[{'hosts': ['vm.a.b']}]"), .host = "vm.a.b"},
        {.ingresses = TLS("[{'secretName': ''}, {'secretName': 's'}]"),
         .host = "vm.a.b",
         .secret = "s"},
        {.ingresses = TLS(
             "[{'hosts': ['x.b'], 'secretName': 'x'}, {'hosts': ['vm.a.b'], 'secretName': 's'}]"),
         .host = "vm.a.b",
         .secret = "s"},
        {.ingresses = TLS(
             "[{'hosts': ['x.b'], 'secretName': 'x'}, {'hosts': ['*.A.b'], 'secretName': 's'}]"),
         .host = "vm.a.b",
         .secret = "s"},
        {.ingresses =
             TLS("[{'hosts': ['x.b'], 'secretName': 'x'}, {'hosts': ['*.b'], 'secretName': 's'}]"),
         .host = "vm.a.b",
         .secret = "x"},
        {.ingresses =
             TLS("[{'hosts': [1], 'secretName': 'x'}, {'hosts': ['vm.a.b'], 'secretName': ''}]"),
         .host = "vm.a.b",
         .secret = "x"},
    };

    (void)state;
    assert_rows(rows, COUNT(rows));
}

#define ROUTE(ingress) \
    "{'spec': {'to': {'kind': 'Service', 'name': 'proxy'}}, 'status': {'ingress': " ingress "}}"
#define INGRESS SPEC("'rules': [" RULE("i.b", PROXY) "]")

static void hosts_of_routes(void **state)
{
    static const struct row rows[] = {
        {.routes = ROUTE("[{'host': 'r.b'}]"), .host = "r.b", .route = true},
        {.routes = "{'spec': {'to': {'name': 'proxy'}}, 'status': {'ingress': [{'host': 'r.b'}]}}",
         .host = "r.b",
         .route = true},
        {.routes = "{'spec': {'to': {'name': 'other'}}, 'status': {'ingress': [{'host': 'r.b'}]}}"},
        {.routes = "{'spec': {'to': {'kind': 'Pod', 'name': 'proxy'}}, 'status': {'ingress': "
                   "[{'host': 'r.b'}]}}"},
        {.routes = ROUTE("[]")},
        {.routes = ROUTE("null")},
        {.routes = "{'spec': {'host': 'r.b', 'to': {'name': 'proxy'}}}"},
        {.routes = ROUTE("[{}, {'host': ''}, {'host': 'r.b'}]"), .host = "r.b", .route = true},
        /* refused by one router, taken by the other */
        {.routes =
             ROUTE("[{'host': 'r.b', 'conditions': [{'type': 'Admitted', 'status': 'False'}]},"
                   " {'host': 's.b', 'conditions': [{'type': 'X', 'status': 'False'},"
                   " {'type': 'Admitted', 'status': 'True'}]}]"),
         .host = "s.b",
         .route = true},
        {.routes = ROUTE("[{'host': 'r.b', 'conditions': [{'type': 'Admitted'}]}]")},
        {.routes = "{'spec': {'to': {'name': 'proxy'}, 'tls': {'termination': 'passthrough'}},"
                   " 'status': {'ingress': [{'host': 'r.b'}]}}",
         .host = "r.b",
         .route = true,
         .direct = true},
        /* an Ingress comes first, when it has a host */
        {.ingresses = INGRESS, .routes = ROUTE("[{'host': 'r.b'}]"), .host = "i.b"},
        {.ingresses = "{'spec': {'defaultBackend': " PROXY "}}",
         .routes = ROUTE("[{'host': 'r.b'}]"),
         .host = "r.b",
         .route = true},
    };

    (void)state;
    assert_rows(rows, COUNT(rows));
}

static void a_fixed_host(void **state)
{
#define WITH_TLS(hosts) \
    SPEC("'rules': [{'http': {'paths': [{'backend': " PROXY "}]}}]," \
         " 'tls': [{'secretName': 's', 'hosts': " hosts "}]")
    static const struct row rows[] = {
        {.fixed = "f.b:31443", .host = "f.b:31443", .direct = true},
        {.ingresses = INGRESS,
         .routes = ROUTE("[{'host': 'r.b'}]"),
         .fixed = "f.b",
         .host = "f.b",
         .direct = true},
        {.ingresses = INGRESS, .fixed = "", .host = "i.b"},
        /* only what speaks of the host knows its certificate */
        {.ingresses = WITH_TLS("['f.b']"), .fixed = "f.b:443", .host = "f.b:443", .secret = "s"},
        {.ingresses = WITH_TLS("['*.b']"), .fixed = "f.b", .host = "f.b", .secret = "s"},
        {.ingresses = WITH_TLS("['g.b']"), .fixed = "f.b", .host = "f.b", .direct = true},
        {.ingresses = "{'spec': {'defaultBackend': " PROXY
                      ", 'tls': [{'secretName': 's', 'hosts': ['f.b']}]}}",
         .fixed = "f.b",
         .host = "f.b",
         .secret = "s"},
        {.ingresses = "{'spec': {'defaultBackend': " OTHER
                      ", 'tls': [{'secretName': 's', 'hosts': ['f.b']}]}}",
         .fixed = "f.b",
         .host = "f.b",
         .direct = true},
        {.ingresses = INGRESS,
         .routes = ROUTE("[{'host': 'F.b'}]"),
         .fixed = "f.b",
         .host = "f.b",
         .route = true},
    };

    (void)state;
    assert_rows(rows, COUNT(rows));
}

static void no_arrays(void **state)
{
    struct external out;

    (void)state;
    external_find(NULL, NULL, "proxy", NULL, &out);
    assert_null(out.host);
    external_free(&out);
}

static void the_certificate_of_a_route(void **state)
{
    struct json *routes =
        json_format("[{'spec': {'to': {'name': 'proxy'}, 'tls': {'certificate': 'C',"
                    " 'caCertificate': 'A', 'key': 'secret'}},"
                    " 'status': {'ingress': [{'host': 'r.b'}]}}]");
    struct external out;

    (void)state;
    external_find(NULL, routes, "proxy", NULL, &out);
    assert_string_equal(out.pem, "C\nA");
    external_free(&out);
    json_free(routes);
}

static void names_without_port(void **state)
{
    static const char *const rows[][2] = {
        {"a.b", "a.b"},
        {"a.b:443", "a.b"},
        {"10.0.0.1:443", "10.0.0.1"},
        {"[fd00::1]:443", "fd00::1"},
        {"[fd00::1]", "fd00::1"},
        {"fd00::1", "fd00::1"},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_free char *name = external_name(rows[i][0]);

        assert_string_equal(name, rows[i][1]);
    }
}

/* ---- certificates ---- */

struct made {
    X509 *cert;
    EVP_PKEY *key;
    char *pem;
};

static struct made all_made[40];
static size_t made_count;

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_non_null(extension);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
}

static char *pem_of(X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text, *pem;
    long len;

    assert_true(PEM_write_bio_X509(bio, cert));
    len = BIO_get_mem_data(bio, &text);
    pem = strndup(text, (size_t)len);
    BIO_free(bio);
    return pem;
}

/* A certificate of CN=name from day to day, counted from NOW; `san` as OpenSSL's configuration has
 * it; signed by `issuer`, NULL: by itself. */
static const struct made *make(const char *name, const char *san, bool ca,
                               const struct made *issuer, int from, int until)
{
    struct made *made = &all_made[made_count++];
    X509 *cert = X509_new();

    assert_true(made_count < COUNT(all_made));
    made->key = EVP_EC_gen("P-256");
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), (long)made_count);
    ASN1_TIME_set(X509_getm_notBefore(cert), NOW + (time_t)from * DAY);
    ASN1_TIME_set(X509_getm_notAfter(cert), NOW + (time_t)until * DAY);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer->cert : cert));
    X509_set_pubkey(cert, made->key);
    add_extension(cert, NID_basic_constraints, ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (san)
        add_extension(cert, NID_subject_alt_name, san);
    assert_true(X509_sign(cert, issuer ? issuer->key : made->key, EVP_sha256()));
    made->cert = X509_dup(cert);
    X509_free(cert);
    made->pem = pem_of(made->cert);
    return made;
}

/* The last one again, for another key and so with another signature. */
static void make_again(EVP_PKEY *key, const struct made *signer)
{
    struct made *made = &all_made[made_count - 1];

    X509_set_pubkey(made->cert, key);
    assert_true(X509_sign(made->cert, signer->key, EVP_sha256()));
    free(made->pem);
    made->pem = pem_of(made->cert);
}

static int free_made(void **state)
{
    (void)state;
    while (made_count) {
        struct made *made = &all_made[--made_count];

        X509_free(made->cert);
        EVP_PKEY_free(made->key);
        free(made->pem);
    }
    return 0;
}

static void join(struct str *text, const struct made *const *list, size_t count)
{
    for (size_t i = 0; i < count && list[i]; i++)
        str_puts(text, list[i]->pem);
}

/* Of a bundle of `in`, `want` is given out, in this order; the answer may change on `day` (0: never). */
static void assert_chosen(const char *host, const struct made *const in[8],
                          const struct made *const want[8], int day)
{
    cleanup_str struct str bundle = STR_INIT, wanted = STR_INIT, out = STR_INIT;
    time_t next;

    join(&bundle, in, 8);
    join(&wanted, want, 8);
    if (wanted.len)
        wanted.data[--wanted.len] = '\0';
    assert_int_equal(external_certificate(str_get(&bundle), host, NOW, &out, &next, &err), 0);
    assert_string_equal(str_get(&out), str_get(&wanted));
    if (day)
        assert_in_range(next, NOW + (time_t)day * DAY, NOW + (time_t)day * DAY + 1);
    else
        assert_int_equal(next, 0);
}
#define LIST(...) ((const struct made *const[8]){__VA_ARGS__})

static void chains(void **state)
{
    const struct made *root = make("root", NULL, true, NULL, -10, 100);
    const struct made *middle = make("middle", NULL, true, root, -10, 50);
    const struct made *leaf =
        make("*.apps-crc.testing", "DNS:*.apps-crc.testing", false, middle, -1, 20);
    const struct made *longer =
        make("*.apps-crc.testing", "DNS:*.apps-crc.testing", false, middle, -1, 30);
    const struct made *future =
        make("*.apps-crc.testing", "DNS:*.apps-crc.testing", false, middle, 5, 90);
    const struct made *expired =
        make("*.apps-crc.testing", "DNS:*.apps-crc.testing", false, middle, -9, -1);
    const struct made *other = make("other", "DNS:x.y", false, root, -1, 40);
    const char *host = "vm.apps-crc.testing";

    (void)state;
    assert_chosen(host, LIST(leaf, middle, root), LIST(leaf, middle, root), 20);
    assert_chosen(host, LIST(root, other, middle, leaf), LIST(leaf, middle, root), 20);
    assert_chosen(host, LIST(leaf, longer, middle, root), LIST(longer, middle, root), 20);
    assert_chosen(host, LIST(longer, leaf, middle, root), LIST(longer, middle, root), 20);
    assert_chosen(host, LIST(future, leaf, middle, root), LIST(leaf, middle, root), 5);
    assert_chosen(host, LIST(leaf, future, middle, root), LIST(leaf, middle, root), 5);
    /* nothing that is valid now: all that are */
    assert_chosen(host, LIST(future, other, middle, root), LIST(other, middle, root), 5);
    assert_chosen(host, LIST(expired, middle, root), LIST(middle, root), 50);
    assert_chosen("vm.elsewhere", LIST(leaf, middle, root), LIST(leaf, middle, root), 20);
    assert_chosen(host, LIST(expired), LIST(NULL), 0);
    assert_chosen(host, LIST(NULL), LIST(NULL), 0);
    /* what is there of a chain */
    assert_chosen(host, LIST(leaf), LIST(leaf), 20);
    assert_chosen(host, LIST(leaf, middle), LIST(leaf, middle), 20);
    assert_chosen(host, LIST(leaf, root), LIST(leaf), 20);
    assert_chosen("vm.apps-crc.testing:443", LIST(other, leaf), LIST(leaf), 20);
}

static void issuers(void **state)
{
    const struct made *root = make("root", NULL, true, NULL, -10, 100);
    const struct made *same_name = make("root", NULL, true, NULL, -10, 200);
    const struct made *leaf = make("a.b.c", "DNS:a.b.c", false, root, -1, 20);
    const struct made *self = make("a.b.c", "DNS:a.b.c", false, NULL, -1, 20);
    const struct made *no_ca = make("mid", "DNS:x.y", false, root, -1, 20);
    const struct made *of_no_ca = make("d.b.c", "DNS:d.b.c", false, no_ca, -1, 20);
    const struct made *gone = make("gone", NULL, true, NULL, -10, -1);
    const struct made *of_gone = make("e.b.c", "DNS:e.b.c", false, gone, -1, 20);
    const struct made *renamed, *crossed, *older;

    (void)state;
    /* by signature, not by name alone */
    assert_chosen("a.b.c", LIST(leaf, same_name, root), LIST(leaf, root), 20);
    assert_chosen("a.b.c", LIST(leaf, same_name), LIST(leaf), 20);
    assert_chosen("a.b.c", LIST(self, root), LIST(self), 20);
    assert_chosen("d.b.c", LIST(of_no_ca, no_ca, root), LIST(of_no_ca, no_ca, root), 20);
    assert_chosen("e.b.c", LIST(of_gone, gone), LIST(of_gone), 20);
    /* the root's key under another name, and the root signed by another: it ends with the root */
    renamed = make("renamed", NULL, true, NULL, -10, 100);
    make_again(root->key, root);
    assert_chosen("a.b.c", LIST(leaf, renamed), LIST(leaf), 20);
    older = make("older", NULL, true, NULL, -20, 95);
    crossed = make("root", NULL, true, older, -10, 90);
    make_again(root->key, older);
    assert_chosen("a.b.c", LIST(leaf, crossed, root, older), LIST(leaf, root), 20);
    assert_chosen("a.b.c", LIST(leaf, crossed, older), LIST(leaf, crossed, older), 20);
    /* the same one twice */
    assert_chosen("a.b.c", LIST(leaf, leaf, root, root), LIST(leaf, root), 20);
}

/* A leaf whose wildcard is its issuer's name as well, and two that signed each other. */
static void chains_that_bite_their_tail(void **state)
{
    const struct made *root = make("ca.apps.x", NULL, true, NULL, -10, 100);
    const struct made *leaf = make("apps", "DNS:*.apps.x", false, root, -1, 20);
    const struct made *one = make("one", "DNS:one.b.c", true, NULL, -1, 90);
    const struct made *two = make("two", NULL, true, one, -1, 80);
    const struct made *again = make("one", "DNS:one.b.c", true, two, -1, 95);

    (void)state;
    make_again(one->key, two); /* "one" once more, with its key but signed by "two" */
    assert_chosen("vm.apps.x", LIST(leaf, root), LIST(leaf, root), 20);
    assert_chosen("one.b.c", LIST(again, two), LIST(again, two), 80);
    assert_chosen("one.b.c", LIST(two, again, one), LIST(again, two, one), 80);
}

static void names(void **state)
{
    const struct made *leaf =
        make("x", "DNS:a.domain-of-far-more-than-33-characters.example,IP:10.0.0.1,DNS:b.c", false,
             NULL, -1, 20);
    const struct made *by_cn = make("only.in.cn", NULL, false, NULL, -1, 30);

    (void)state;
    assert_chosen("a.domain-of-far-more-than-33-characters.example", LIST(by_cn, leaf), LIST(leaf),
                  20);
    assert_chosen("10.0.0.1:31443", LIST(by_cn, leaf), LIST(leaf), 20);
    assert_chosen("B.C", LIST(by_cn, leaf), LIST(leaf), 20);
    assert_chosen("only.in.cn", LIST(leaf, by_cn), LIST(by_cn), 20);
    /* the CN counts only without other names */
    assert_chosen("x", LIST(by_cn, leaf), LIST(by_cn, leaf), 20);
}

static void texts_that_cannot_be_read(void **state)
{
    cleanup_str struct str out = STR_INIT;
    time_t next = 7;

    (void)state;
    str_puts(&out, "before");
    assert_int_equal(
        external_certificate("-----BEGIN CERTIFICATE-----\nMIIB\n", "a.b", NOW, &out, &next, &err),
        -1);
    assert_int_equal(err.class, ERR_INPUT);
    assert_string_equal(str_get(&out), "before");
    assert_int_equal(next, 0);
    assert_int_equal(external_certificate("no PEM", "a.b", NOW, &out, &next, &err), 0);
    assert_string_equal(str_get(&out), "before");
}

int main(void)
{
#define CERTS(test) cmocka_unit_test_teardown(test, free_made)
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_of_ingresses),
        cmocka_unit_test(secrets_of_ingresses),
        cmocka_unit_test(hosts_of_routes),
        cmocka_unit_test(a_fixed_host),
        cmocka_unit_test(no_arrays),
        cmocka_unit_test(the_certificate_of_a_route),
        cmocka_unit_test(names_without_port),
        CERTS(chains),
        CERTS(issuers),
        CERTS(chains_that_bite_their_tail),
        CERTS(names),
        cmocka_unit_test(texts_that_cannot_be_read),
    };

    return cmocka_run_group_tests_name("external", tests, NULL, NULL);
}
