/* SPDX-License-Identifier: Apache-2.0 */
/* What is sent to the API server, in which order and on which conditions. */
#include "../../controller/apply.h"
#include "controller_world.h"
#undef POD
#include "kube_fixture.h"

#define CLAIM EXPORT_PVC "," PVC("disk")
#define EXPORT_PATH "/apis/export.kubevirt.io/v1/namespaces/ns/virtualmachineexports/e"
#define CORE "/api/v1/namespaces/ns/"
#define MADE(kind, name) \
    "{\"kind\":\"" kind "\",\"metadata\":{\"name\":\"" name "\",\"namespace\":\"ns\",\"uid\":" \
    "\"new\",\"resourceVersion\":\"900\"}}"
#define OK(kind, name) \
    { \
        .status = "200 OK", .body = MADE(kind, name) \
    }
#define STATUS_WRITTEN OK("VirtualMachineExport", "e")
#define REFUSED(code, reason, more) \
    { \
        .status = code, .body = "{\"kind\":\"Status\",\"reason\":\"" reason "\"," more "}" \
    }

/* A cluster on paper behind a server of canned answers; Events go to another one. */
struct bench {
    struct paper paper;
    struct fixture api, events_api;
    struct kube_events *events;
    struct authority authority;
    struct signer signer;
    struct kube_resource exports;
    struct apply apply;
    time_t look_again;
    bool gone;
};

static void load_authority(struct bench *b)
{
    struct authority_plan plan;
    cleanup_json struct json *secret = NULL;
    struct err err;

    b->signer.settings = (struct authority_settings){"g", 90 * 86400, 7 * 86400, 3600};
    assert_int_equal(authority_step(NULL, &b->signer.settings, NOW, time(NULL), &plan, &err), 0);
    secret = json_format("{'data':%j}", json_get(plan.wanted, "data"));
    assert_int_equal(authority_load(secret, &b->authority, &err), 0);
    authority_plan_free(&plan);
    pthread_rwlock_init(&b->signer.lock, NULL);
    b->signer.authority = &b->authority;
}

static void begin(struct bench *b, const char *objects, const struct canned *table, size_t count)
{
    static const struct canned event = OK("Event", "x");

    memset(b, 0, sizeof(*b));
    paper_start(&b->paper, "{'default-ttl':'100000h'}", objects); /* NOW has long been */
    start_with(&b->api, table, count, NULL);
    start_with(&b->events_api, &event, 1, NULL);
    b->events = kube_events_start(b->events_api.client, "c", "i", &b->api.err);
    load_authority(b);
    b->exports = kind_table[KIND_EXPORT].resource;
    b->exports.group = "export.kubevirt.io";
    b->apply = (struct apply){.conn = b->api.conn,
                              .cache = &b->paper.cache,
                              .events = b->events,
                              .signer = &b->signer,
                              .exports = &b->exports};
}

#define BEGIN(b, objects, table) begin(b, objects, table, COUNT(table))

static void end(struct bench *b)
{
    kube_events_stop(b->events);
    stop(&b->api);
    stop(&b->events_api);
    authority_free(&b->authority);
    pthread_rwlock_destroy(&b->signer.lock);
    paper_end(&b->paper);
}

static int apply(struct bench *b)
{
    return apply_export(&b->apply, "ns/e", &b->look_again, &b->gone, &b->api.err);
}

static void assert_asked(struct bench *b, size_t n, const char *line, const char *has)
{
    if (!str_starts(canned_request(&b->api.server, n), line) ||
        !strstr(canned_request(&b->api.server, n), has))
        fail_msg("request %zu is not '%s' with '%s' but:\n%s", n, line, has,
                 canned_request(&b->api.server, n));
}

static const char *uid_of(struct bench *b, const char *kind, const char *name)
{
    return json_text(paper_get(&b->paper, kind, name), "metadata.uid");
}

/* Has the status as it is on paper, so that only what a test changes is to be done. */
static void settle(struct bench *b)
{
    b->paper.now = time(NULL);
    paper_settle(&b->paper, "settled");
    paper_close(&b->paper);
}

/* ---- order ---- */

static void everything_is_made_in_its_order(void **state)
{
    static const struct canned table[] = {
        OK("Service", "virt-export-e"), OK("Secret", "export-token-e"),
        OK("Secret", "virt-export-tls-e"), OK("Pod", "virt-export-e"), STATUS_WRITTEN};
    cleanup_str struct str guard = STR_INIT;
    struct bench b;

    (void)state;
    BEGIN(&b, CLAIM, table);
    assert_int_equal(apply(&b), 0);
    assert_int_equal(canned_requests(&b.api.server), COUNT(table));
    assert_asked(&b, 0, "POST " CORE "services ", "\"name\":\"virt-export-e\"");
    assert_asked(&b, 1, "POST " CORE "secrets ", "\"stringData\":{\"token\":\"");
    assert_asked(&b, 2, "POST " CORE "secrets ", "\"tls.key\":\"");
    assert_asked(&b, 3, "POST " CORE "pods ", "\"ownerReferences\":[{");
    str_printf(
        &guard, "{\"metadata\":{\"uid\":\"%s\",\"resourceVersion\":\"%s\"},\"status\":{",
        uid_of(&b, "VirtualMachineExport", "e"),
        json_text(paper_get(&b.paper, "VirtualMachineExport", "e"), "metadata.resourceVersion"));
    assert_asked(&b, 4, "PATCH " EXPORT_PATH "/status ", str_get(&guard));
    assert_string_equal(paper_memo(&b.paper)->tls_version, "900");
    end(&b);
}

/* The first that fails is the last, and what will last is told in the status. */
static void a_refused_step_ends_the_round(void **state)
{
    static const struct canned table[] = {
        OK("Service", "virt-export-e"),
        REFUSED("403 Forbidden", "Forbidden", "\"message\":\"exceeded quota: q\""), STATUS_WRITTEN};
    struct bench b;

    (void)state;
    BEGIN(&b, CLAIM, table);
    assert_int_equal(apply(&b), -KUBE_FORBIDDEN);
    assert_int_equal(canned_requests(&b.api.server), 3);
    assert_asked(&b, 2, "PATCH " EXPORT_PATH "/status ", "\"reason\":\"QuotaExceeded\"");
    assert_asked(&b, 2, "PATCH", "exceeded quota: q");
    end(&b);
}

static void a_namespace_that_ends_is_left_alone(void **state)
{
    static const struct canned table[] = {
        REFUSED("403 Forbidden", "Forbidden",
                "\"message\":\"it is being terminated\",\"details\":{\"causes\":[{\"reason\":"
                "\"NamespaceTerminating\"}]}")};
    struct bench b;

    (void)state;
    BEGIN(&b, CLAIM, table);
    assert_int_equal(apply(&b), -KUBE_TERMINATING);
    assert_int_equal(canned_requests(&b.api.server), 1); /* no status either */
    end(&b);
}

/* ---- conditions ---- */

static void a_patch_names_the_uid(void **state)
{
    static const struct canned table[] = {
        REFUSED("409 Conflict", "Conflict", "\"message\":\"another uid\"")};
    cleanup_str struct str guard = STR_INIT;
    struct bench b;

    (void)state;
    BEGIN(&b, CLAIM, table);
    settle(&b);
    paper_add(&b.paper, "{'kind':'Service','metadata':{'name':'virt-export-e'},'spec':{"
                        "'ports':[]}}");
    assert_int_equal(apply(&b), -KUBE_CONFLICT);
    str_printf(&guard, "\"metadata\":{\"uid\":\"%s\"}", uid_of(&b, "Service", "virt-export-e"));
    assert_asked(&b, 0, "PATCH " CORE "services/virt-export-e ", str_get(&guard));
    assert_int_equal(canned_requests(&b.api.server), 1);
    end(&b);
}

/* One that is another by now is not ours to delete, and the round goes on. */
static void a_deletion_names_the_uid(void **state)
{
    static const struct canned table[] = {
        REFUSED("409 Conflict", "Conflict", "\"message\":\"another uid\""), STATUS_WRITTEN};
    cleanup_str struct str guard = STR_INIT;
    struct bench b;

    (void)state;
    BEGIN(&b, CLAIM, table);
    settle(&b);
    paper_add(&b.paper,
              "{'kind':'Pod','metadata':{'name':'user'},'spec':{'volumes':[{'name':'v',"
              "'persistentVolumeClaim':{'claimName':'disk'}}]},'status':{'phase':'Running'}}");
    assert_int_equal(apply(&b), 0);
    str_printf(&guard, "\"preconditions\":{\"uid\":\"%s\",", uid_of(&b, "Pod", "virt-export-e"));
    assert_asked(&b, 0, "DELETE " CORE "pods/virt-export-e ", str_get(&guard));
    assert_asked(&b, 0, "DELETE", "\"gracePeriodSeconds\":1");
    assert_asked(&b, 1, "PATCH " EXPORT_PATH "/status ", "\"reason\":\"InUse\"");
    end(&b);
}

static void an_export_that_ends_is_deleted_by_its_uid(void **state)
{
    static const struct canned table[] = {OK("VirtualMachineExport", "e")};
    cleanup_str struct str guard = STR_INIT;
    struct bench b;

    (void)state;
    BEGIN(&b, CLAIM "," TO_EXPORT("'spec':{'ttlDuration':'1s'}"), table);
    assert_int_equal(apply(&b), 0);
    str_printf(&guard, "\"preconditions\":{\"uid\":\"%s\",",
               uid_of(&b, "VirtualMachineExport", "e"));
    assert_asked(&b, 0, "DELETE " EXPORT_PATH " ", str_get(&guard));
    assert_int_equal(canned_requests(&b.api.server), 1);
    end(&b);
}

/* ---- objects that are there already ---- */

static void somebody_elses_object_is_left_alone(void **state)
{
    static const struct canned table[] = {
        REFUSED("409 Conflict", "AlreadyExists", "\"message\":\"there\""),
        OK("Service", "virt-export-e"), STATUS_WRITTEN};
    struct bench b;

    (void)state;
    BEGIN(&b, CLAIM, table);
    assert_int_equal(apply(&b), -KUBE_ALREADY_EXISTS);
    assert_asked(&b, 1, "GET " CORE "services/virt-export-e ", "");
    assert_asked(&b, 2, "PATCH " EXPORT_PATH "/status ", "\"reason\":\"NameTaken\"");
    assert_int_equal(canned_requests(&b.api.server), 3);
    end(&b);
}

/* Of a write whose answer never came: it is looked at again. */
static void ones_own_object_is_taken_up(void **state)
{
    cleanup_str struct str found = STR_INIT;
    cleanup_json struct json *kept = NULL;
    struct canned table[] = {REFUSED("409 Conflict", "AlreadyExists", "\"message\":\"there\""),
                             {.status = "200 OK"}};
    struct bench b;

    (void)state;
    str_puts(&found, "{\"kind\":\"Service\",\"metadata\":{\"name\":\"virt-export-e\",\"namespace\":"
                     "\"ns\",\"uid\":\"u\",\"ownerReferences\":[{\"uid\":\"uid-1\",\"controller\":"
                     "true}]}}");
    table[1].body = str_get(&found);
    BEGIN(&b, CLAIM, table);
    assert_int_equal(apply(&b), -KUBE_CONFLICT);
    assert_int_equal(canned_requests(&b.api.server), 2);
    kept = kube_store_get(b.paper.cache.stores[KIND_SERVICE], "ns", "virt-export-e");
    assert_string_equal(json_text(kept, "metadata.uid"), "u");
    end(&b);
}

/* ---- a certificate that somebody has changed ---- */

static void a_certificate_that_was_spoilt_is_made_anew(void **state)
{
    static struct canned table[] = {{.status = "200 OK"}, OK("Secret", "virt-export-tls-e")};
    cleanup_str struct str spoilt = STR_INIT, guard = STR_INIT;
    struct bench b;

    (void)state;
    BEGIN(&b, CLAIM, table);
    settle(&b);
    paper_add(&b.paper, SECRET("virt-export-tls-e", "{'tls.crt':'anVuaw=='}"));
    json_print(paper_get(&b.paper, "Secret", "virt-export-tls-e"), 0, &spoilt);
    table[0].body = str_get(&spoilt);
    assert_int_equal(apply(&b), 0);
    assert_asked(&b, 0, "GET " CORE "secrets/virt-export-tls-e ", "");
    str_printf(&guard, "\"uid\":\"%s\"", uid_of(&b, "Secret", "virt-export-tls-e"));
    assert_asked(&b, 1, "PATCH " CORE "secrets/virt-export-tls-e ", str_get(&guard));
    assert_asked(&b, 1, "PATCH", "\"tls.key\":\"");
    assert_int_equal(canned_requests(&b.api.server), 2);
    assert_string_equal(paper_memo(&b.paper)->tls_version, "900");
    assert_false(paper_memo(&b.paper)->tls_bad);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_made_in_its_order),
        cmocka_unit_test(a_refused_step_ends_the_round),
        cmocka_unit_test(a_namespace_that_ends_is_left_alone),
        cmocka_unit_test(a_patch_names_the_uid),
        cmocka_unit_test(a_deletion_names_the_uid),
        cmocka_unit_test(an_export_that_ends_is_deleted_by_its_uid),
        cmocka_unit_test(somebody_elses_object_is_left_alone),
        cmocka_unit_test(ones_own_object_is_taken_up),
        cmocka_unit_test(a_certificate_that_was_spoilt_is_made_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
