/* SPDX-License-Identifier: Apache-2.0 */
/* The CA's Secret is written on condition that nobody else has, and by the leader only. */
#include "../../controller/surroundings.h"
#include "controller_world.h"
#undef POD
#include "kube_fixture.h"

#define CA_PATH "/api/v1/namespaces/vmexport/secrets"
#define LOST \
    { \
        .status = "409 Conflict", .body = STATUS("Conflict") \
    }

static void on_taken(void *ctx, const char *message)
{
    (void)ctx;
    fail_msg("%s", message);
}

/* The first request of a keeper that finds this Secret; "" when there is none within a while. */
static void first_request(const char *secret, bool leads, struct str *out)
{
    static const struct canned answer = LOST;
    cleanup_paper struct paper p;
    struct routes routes = {.queue = NULL};
    struct signer signer = {.settings = {"g", 90 * 86400, 7 * 86400, 3600}};
    struct surroundings_config config = {
        .cache = &p.cache, .routes = &routes, .signer = &signer, .taken = on_taken};
    struct surroundings_keeper *keeper;
    struct fixture f;

    paper_start(&p, "{'external':'none','proxy-certificate':''}", NULL);
    routes.cache = &p.cache;
    pthread_rwlock_init(&signer.lock, NULL);
    if (secret) {
        cleanup_json struct json *object = json_format(secret);

        kube_store_put(p.cache.stores[KIND_OWN_SECRET], object);
    }
    start_with(&f, &answer, 1, NULL);
    config.client = f.client;
    keeper = surroundings_start(&config, &f.err);
    assert_non_null(keeper);
    if (leads)
        surroundings_lead(keeper);
    for (int i = 0; i < (leads ? 1000 : 20) && !canned_requests(&f.server); i++)
        usleep(10000);
    str_puts(out, canned_request(&f.server, 0));
    assert_false(surroundings_ready(keeper));
    surroundings_stop(keeper);
    stop(&f);
    pthread_rwlock_destroy(&signer.lock);
}

static void the_ca_is_created_where_there_is_none(void **state)
{
    cleanup_str struct str request = STR_INIT;

    (void)state;
    first_request(NULL, true, &request);
    assert_true(str_starts(str_get(&request), "POST " CA_PATH " "));
    assert_non_null(strstr(str_get(&request), "\"tls.key\":\""));
}

static void the_ca_is_changed_on_its_version(void **state)
{
    cleanup_str struct str request = STR_INIT;

    (void)state;
    first_request("{'metadata':{'name':'vmexport-ca','namespace':'vmexport','resourceVersion':"
                  "'41'},'data':{}}",
                  true, &request);
    assert_true(str_starts(str_get(&request), "PATCH " CA_PATH "/vmexport-ca "));
    assert_non_null(
        strstr(str_get(&request), "\r\n\r\n{\"metadata\":{\"resourceVersion\":\"41\"},\"data\":{"));
}

static void who_does_not_lead_writes_nothing(void **state)
{
    cleanup_str struct str request = STR_INIT;

    (void)state;
    first_request(NULL, false, &request);
    assert_string_equal(str_get(&request), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ca_is_created_where_there_is_none),
        cmocka_unit_test(the_ca_is_changed_on_its_version),
        cmocka_unit_test(who_does_not_lead_writes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
