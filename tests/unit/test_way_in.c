/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate that an Ingress has, and what is said when links cannot have it. */
#include "../../controller/pki.h"
#include "../../controller/way_in.h"
#include "controller_world.h"

#define IN_OWN "'namespace':'vmexport'"
#define INGRESS(tls) \
    "{'kind':'Ingress','metadata':{'name':'proxy'," IN_OWN "},'spec':{'rules':[{'host':" \
    "'a.example.test','http':{'paths':[{'backend':{'service':{'name':'vmexport-proxy'}}}]}}]" tls \
    "}}"
#define WITH_SECRET INGRESS(",'tls':[{'secretName':'front'}]")

/* A Secret of the controller's namespace, as the watch of those tells it. */
static void add_front(struct paper *p, const char *data)
{
    cleanup_json struct json *secret =
        json_format("{'metadata':{'name':'front'," IN_OWN "},'data':{'tls.crt':%s}}", data);

    kube_store_put(p->cache.stores[KIND_OWN_SECRET], secret);
}

static char *encoded(const char *text)
{
    struct str out = STR_INIT;

    base64_encode(text, strlen(text), &out);
    return str_steal(&out);
}

/* The PEM of a certificate for the host, valid for an hour from `from` on. */
static char *certificate(time_t from)
{
    static const char *const names[] = {"a.example.test"};
    struct pki_pair *ca, *leaf;
    struct err err;
    char *pem;

    ca = pki_make_ca("ca", from, 7200, &err);
    assert_non_null(ca);
    leaf = pki_make_leaf(ca, names, 1, from, 3600, &err);
    assert_non_null(leaf);
    pem = strdup(pki_pair_cert(leaf)->pem);
    pki_pair_free(leaf);
    pki_pair_free(ca);
    return pem;
}

static void secrets_of_an_ingress(void **state)
{
    cleanup_free char *good = certificate(NOW), *old = certificate(NOW - 86400);
    cleanup_free char *good64 = encoded(good), *old64 = encoded(old), *junk = encoded("junk");
    cleanup_free char *cut =
        encoded("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    const struct {
        const char *name, *ingress, *data; /* data NULL: there is no Secret */
        const char *says;                  /* NULL: nothing */
    } rows[] = {
        {"none is named", INGRESS(""), NULL, NULL},
        {"good", WITH_SECRET, good64, NULL},
        {"missing", WITH_SECRET, NULL,
         "the certificate of the way in at a.example.test: Secret vmexport/front, which its "
         "Ingress "
         "names, does not exist: put a certificate there"},
        {"empty", WITH_SECRET, "", "Secret vmexport/front has no 'tls.crt': put"},
        {"no base64", WITH_SECRET, "!", "'tls.crt' of Secret vmexport/front is no base64: put"},
        {"no PEM", WITH_SECRET, junk, "Secret vmexport/front"},
        {"no certificate", WITH_SECRET, cut, "Secret vmexport/front cannot be used: put"},
        {"expired", WITH_SECRET, old64,
         "Secret vmexport/front has no certificate that is valid now: put"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;
        cleanup_str struct str trouble = STR_INIT;
        struct surroundings *around = calloc(1, sizeof(*around));
        time_t next = LATE;

        paper_start(&p, "{}", rows[i].ingress);
        if (rows[i].data)
            add_front(&p, rows[i].data);
        way_in_find(NULL, &p.cache, around, NOW, &next, &trouble);
        assert_string_equal(around->external_host, "a.example.test");
        assert_row(rows[i].name, "the certificate", around->external_cert[0] ? "there" : "none",
                   strcmp(rows[i].name, "good") == 0 ? "there" : "none");
        if (rows[i].says)
            assert_says(rows[i].name, str_get(&trouble), rows[i].says);
        else
            assert_row(rows[i].name, "trouble", str_get(&trouble), "");
        around->references = 1;
        surroundings_release(around);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_of_an_ingress),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
