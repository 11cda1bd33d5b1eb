/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of the server and what is made of its answers. */
#include "kube_fixture.h"

static const struct kube_resource leases = {"coordination.k8s.io", "v1", "leases", "Lease", true};
static const struct kube_resource nodes = {"", "v1", "nodes", "Node", false};

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

/* ---- what is asked ---- */

static void an_object_is_got(void **state)
{
    static const struct canned table[] = {{.status = "200 OK", .body = POD}};
    struct json *pod = NULL;
    struct fixture f;

    (void)state;
    START(&f, table);
    assert_int_equal(kube_get(f.conn, &pods, "ns", "p", &pod, &f.err), 0);
    assert_string_equal(json_text(pod, "metadata.uid"), "u");
    json_free(pod);
    assert_true(asked(&f, 0, "GET /api/v1/namespaces/ns/pods/p HTTP/1.1\r\n"));
    assert_true(asked(&f, 0, "\r\nAuthorization: Bearer secret\r\n"));
    assert_true(asked(&f, 0, "\r\nUser-Agent: tester/1.0\r\n"));
    assert_true(asked(&f, 0, "\r\nAccept: application/json\r\n"));
    assert_int_equal(get(&f), 0);
    assert_int_equal(canned_connections(&f.server), 1);
    assert_string_equal(str_get(&f.observed), "GET 200, GET 200");
    stop(&f);
}

static void each_operation_has_its_request(void **state)
{
    static const struct canned table[] = {{.status = "200 OK", .body = POD}};
    cleanup_json struct json *object = json_format("{'metadata': {'name': 'p'}, 'x': 1}");
    struct kube_delete_options options = {.uid = "u-1", .version = "42", .grace_seconds = 5};
    struct fixture f;

    (void)state;
    START(&f, table);
    assert_int_equal(kube_create(f.conn, &leases, "ns", object, NULL, &f.err), 0);
    assert_true(asked(&f, 0, "POST /apis/coordination.k8s.io/v1/namespaces/ns/leases HTTP"));
    assert_true(asked(&f, 0, "\r\nContent-Type: application/json\r\n"));
    assert_true(asked(&f, 0, "\r\n\r\n{\"metadata\":{\"name\":\"p\"},\"x\":1}"));
    assert_int_equal(kube_update(f.conn, &nodes, NULL, "p", object, NULL, &f.err), 0);
    assert_true(asked(&f, 1, "PUT /api/v1/nodes/p HTTP"));
    assert_int_equal(
        kube_patch(f.conn, &pods, "ns", "p", NULL, KUBE_PATCH_MERGE, object, NULL, &f.err), 0);
    assert_true(asked(&f, 2, "PATCH /api/v1/namespaces/ns/pods/p HTTP"));
    assert_true(asked(&f, 2, "\r\nContent-Type: application/merge-patch+json\r\n"));
    assert_int_equal(
        kube_patch(f.conn, &pods, "ns", "p", "status", KUBE_PATCH_APPLY, object, NULL, &f.err), 0);
    assert_true(asked(&f, 3,
                      "PATCH /api/v1/namespaces/ns/pods/p/status?"
                      "fieldManager=tester&force=true HTTP"));
    assert_true(asked(&f, 3, "\r\nContent-Type: application/apply-patch+yaml\r\n"));
    assert_int_equal(kube_delete(f.conn, &pods, "ns", "p", &options, NULL, &f.err), 0);
    assert_true(asked(&f, 4, "DELETE /api/v1/namespaces/ns/pods/p HTTP"));
    assert_true(asked(&f, 4, "\"propagationPolicy\":\"Background\""));
    assert_true(asked(&f, 4, "\"gracePeriodSeconds\":5"));
    assert_true(asked(&f, 4, "\"preconditions\":{\"uid\":\"u-1\",\"resourceVersion\":\"42\"}"));
    assert_int_equal(kube_get_path(f.conn, "/apis?x=y", NULL, &f.err), 0);
    assert_true(asked(&f, 5, "GET /apis?x=y HTTP"));
    assert_string_equal(str_get(&f.observed),
                        "POST 200, PUT 200, PATCH 200, PATCH 200, DELETE 200, GET 200");
    stop(&f);
}

static void texts_are_percent_encoded(void **state)
{
    static const struct canned table[] = {{.status = "200 OK", .body = "{\"kind\":\"PodList\"}"}};
    struct kube_selection what = {
        .resource = &pods,
        .field_selector = "metadata.name=a&b",
        .label_selector = "x in (1,2),\xc3\xa4+%",
        .metadata_only = true,
    };
    struct json *list = NULL;
    struct fixture f;

    (void)state;
    START(&f, table);
    assert_int_equal(kube_list(f.conn, &what, 500, "0", "t=&/?#", &list, &f.err), 0);
    json_free(list);
    assert_true(asked(&f, 0,
                      "GET /api/v1/pods?fieldSelector=metadata.name%3Da%26b"
                      "&labelSelector=x%20in%20%281%2C2%29%2C%C3%A4%2B%25"
                      "&limit=500&resourceVersion=0&continue=t%3D%26%2F%3F%23 HTTP"));
    assert_true(asked(&f, 0, "\r\nAccept: application/json;as=PartialObjectMetadataList;"));
    what = (struct kube_selection){.resource = &pods, .ns = "a/../b c"};
    assert_int_equal(kube_list(f.conn, &what, 0, NULL, NULL, NULL, &f.err), 0);
    assert_true(asked(&f, 1, "GET /api/v1/namespaces/a%2F..%2Fb%20c/pods HTTP"));
    stop(&f);
}

static void a_name_that_leads_elsewhere_is_never_sent(void **state)
{
    static const struct canned table[] = {{.status = "200 OK", .body = POD}};
    static const char *const bad[] = {"", ".", ".."};
    cleanup_json struct json *nameless = json_new_object();
    struct kube_delete_options options = {.grace_seconds = -1};
    struct fixture f;

    (void)state;
    START(&f, table);
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(kube_delete(f.conn, &pods, "ns", bad[i], &options, NULL, &f.err),
                         -KUBE_BAD_REQUEST);
        assert_int_equal(kube_get(f.conn, &pods, bad[i], "p", NULL, &f.err), -KUBE_BAD_REQUEST);
    }
    assert_int_equal(kube_get(f.conn, &pods, NULL, "p", NULL, &f.err), -KUBE_BAD_REQUEST);
    assert_int_equal(kube_create(f.conn, &pods, "ns", nameless, NULL, &f.err), -KUBE_BAD_REQUEST);
    assert_string_equal(f.err.msg, "cannot create Pod 'ns/': that is no name");
    assert_int_equal(canned_requests(&f.server), 0);
    stop(&f);
}

static void a_line_break_in_a_header_is_refused(void **state)
{
    static const struct canned table[] = {{.status = "200 OK", .body = POD}};
    struct kube_config *config;
    struct fixture f;

    (void)state;
    START(&f, table);
    kube_conn_free(f.conn);
    kube_client_free(f.client);
    config = config_for(f.server.port);
    config->impersonate_user = strdup("jane\r\nImpersonate-Group: system:masters");
    f.client = kube_client_new(config, "tester/1.0");
    f.conn = kube_conn_new(f.client);
    assert_int_equal(get(&f), -KUBE_BAD_REQUEST);
    assert_null(strstr(f.err.msg, "masters"));
    assert_int_equal(canned_requests(&f.server), 0);
    stop(&f);
}

static void impersonation_and_password_are_sent(void **state)
{
    static const struct canned table[] = {{.status = "200 OK", .body = POD}};
    struct kube_config *config;
    struct fixture f;

    (void)state;
    START(&f, table);
    kube_conn_free(f.conn);
    kube_client_free(f.client);
    config = config_for(f.server.port);
    config->username = strdup("jane");
    config->password = strdup("pw");
    config->impersonate_user = strdup("joe");
    config->impersonate_uid = strdup("7");
    config->impersonate_groups = calloc(3, sizeof(char *));
    config->impersonate_groups[0] = strdup("a");
    config->impersonate_groups[1] = strdup("b");
    f.client = kube_client_new(config, "tester/1.0");
    f.conn = kube_conn_new(f.client);
    assert_int_equal(get(&f), 0);
    assert_true(asked(&f, 0, "\r\nAuthorization: Basic amFuZTpwdw==\r\n"));
    assert_true(asked(&f, 0, "\r\nImpersonate-User: joe\r\n"));
    assert_true(asked(&f, 0, "\r\nImpersonate-Uid: 7\r\n"));
    assert_true(asked(&f, 0, "\r\nImpersonate-Group: a\r\nImpersonate-Group: b\r\n"));
    stop(&f);
}

static void a_proxy_is_asked(void **state)
{
    static const struct canned table[] = {{.status = "200 OK", .body = POD}};
    struct kube_config *config;
    struct fixture f;

    (void)state;
    START(&f, table);
    kube_conn_free(f.conn);
    kube_client_free(f.client);
    config = config_for(f.server.port);
    config->proxy_url = config->server;
    config->server = strdup("http://api.example.invalid/below/");
    f.client = kube_client_new(config, "tester/1.0");
    f.conn = kube_conn_new(f.client);
    assert_int_equal(get(&f), 0);
    assert_true(asked(
        &f, 0, "GET http://api.example.invalid/below/api/v1/namespaces/ns/pods/p HTTP/1.1\r\n"));
    stop(&f);
}

/* ---- what is answered ---- */

static void a_refusal_is_told_by_its_reason(void **state)
{
    static const struct canned table[] = {
        {.status = "404 Not Found", .body = STATUS("NotFound")},
        {.status = "409 Conflict", .body = STATUS("AlreadyExists")},
        {.status = "409 Conflict", .body = STATUS("Conflict")},
        {.status = "410 Gone", .body = STATUS("Expired")},
        {.status = "502 Bad Gateway", .body = "<html>"},
        {.status = "302 Found", .headers = "Location: http://127.0.0.1:1/\r\n"},
    };
    static const enum kube_reason reasons[] = {KUBE_NOT_FOUND, KUBE_ALREADY_EXISTS, KUBE_CONFLICT,
                                               KUBE_EXPIRED,   KUBE_SERVER,         KUBE_OTHER};
    struct fixture f;

    (void)state;
    START(&f, table);
    for (size_t i = 0; i < COUNT(reasons); i++) {
        assert_int_equal(get(&f), -(int)reasons[i]);
        if (i == 0)
            assert_string_equal(f.err.msg, "cannot get Pod 'ns/p': so it is (404 NotFound)");
    }
    assert_int_equal(canned_connections(&f.server), 1);
    stop(&f);
}

static void an_answer_of_another_kind_is_malformed(void **state)
{
    static const struct canned table[] = {
        {.status = "200 OK", .body = "{\"kind\":\"Secret\"}"},
        {.status = "200 OK", .body = "{\"kind\":\"Pod\""},
        {.status = "200 OK", .body = "[]"},
        {.status = "200 OK", .body = ""},
        {.status = "200 OK", .body = "{}"},
    };
    static const struct canned lists[] = {
        {.status = "200 OK", .body = POD},
        {.status = "200 OK", .body = "{\"kind\":\"PodList\",\"items\":{}}"},
        {.status = "200 OK", .body = "{\"items\":[]}"},
    };
    struct kube_selection what = {.resource = &pods, .ns = "ns"};
    struct json *out = NULL;
    struct fixture f;

    (void)state;
    START(&f, table);
    for (size_t i = 0; i < COUNT(table); i++)
        assert_int_equal(kube_get(f.conn, &pods, "ns", "p", &out, &f.err), -KUBE_MALFORMED);
    stop(&f);
    START(&f, lists);
    for (size_t i = 0; i < COUNT(lists); i++)
        assert_int_equal(kube_list(f.conn, &what, 0, NULL, NULL, &out, &f.err), -KUBE_MALFORMED);
    assert_non_null(strstr(f.err.msg, "cannot list pods in namespace 'ns': "));
    assert_null(out);
    stop(&f);
}

static void what_a_delete_leaves_is_told(void **state)
{
    static const struct canned table[] = {
        {.status = "200 OK", .body = "{\"kind\":\"Status\",\"status\":\"Success\"}"},
        {.status = "200 OK", .body = POD},
        {.status = "200 OK",
         .body = "{\"kind\":\"Pod\",\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:00Z\","
                 "\"deletionGracePeriodSeconds\":0}}"},
        {.status = "200 OK",
         .body = "{\"kind\":\"Pod\",\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:00Z\","
                 "\"deletionGracePeriodSeconds\":30}}"},
        {.status = "200 OK",
         .body = "{\"kind\":\"Pod\",\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:00Z\","
                 "\"deletionGracePeriodSeconds\":0,\"finalizers\":[\"a/b\"]}}"},
    };
    struct kube_delete_options options = {.grace_seconds = -1};
    struct fixture f;

    (void)state;
    START(&f, table);
    for (size_t i = 0; i < COUNT(table); i++) {
        struct json *left = NULL;

        assert_int_equal(kube_delete(f.conn, &pods, "ns", "p", &options, &left, &f.err), 0);
        assert_int_equal(left != NULL, i >= 3);
        json_free(left);
    }
    assert_null(strstr(canned_request(&f.server, 0), "gracePeriodSeconds"));
    stop(&f);
}

static void a_cut_answer_is_no_answer(void **state)
{
    static const struct canned table[] = {
        {.piece = {"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" POD}, .close = true},
        {.piece = {CHUNKED "2\r\n{}\r\n"}, .close = true},
        {.piece = {"HTTP/1.1 200"}, .close = true},
        {.piece = {"SSH-2.0-hello\r\n"}, .close = true},
    };
    struct json *out = NULL;
    struct fixture f;

    (void)state;
    START(&f, table);
    for (size_t i = 0; i < COUNT(table); i++) {
        assert_int_equal(kube_get(f.conn, &pods, "ns", "p", &out, &f.err), -KUBE_TRANSPORT);
        assert_null(out);
    }
    assert_string_equal(str_get(&f.observed), "GET 0, GET 0, GET 0, GET 0");
    stop(&f);
    assert_non_null(strstr(f.err.msg, "no whole answer from 'http://127.0.0.1:"));
}

static void an_answer_without_end_is_not_kept(void **state)
{
    static const struct canned table[] = {{.status = "200 OK", .filler = 65 << 20, .close = true},
                                          {.status = "200 OK", .body = POD}};
    struct fixture f;

    (void)state;
    START(&f, table);
    assert_int_equal(get(&f), -KUBE_MALFORMED);
    assert_int_equal(f.err.class, ERR_LIMIT);
    assert_int_equal(get(&f), 0);
    stop(&f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_is_got),
        cmocka_unit_test(each_operation_has_its_request),
        cmocka_unit_test(texts_are_percent_encoded),
        cmocka_unit_test(a_name_that_leads_elsewhere_is_never_sent),
        cmocka_unit_test(a_line_break_in_a_header_is_refused),
        cmocka_unit_test(impersonation_and_password_are_sent),
        cmocka_unit_test(a_proxy_is_asked),
        cmocka_unit_test(a_refusal_is_told_by_its_reason),
        cmocka_unit_test(an_answer_of_another_kind_is_malformed),
        cmocka_unit_test(what_a_delete_leaves_is_told),
        cmocka_unit_test(a_cut_answer_is_no_answer),
        cmocka_unit_test(an_answer_without_end_is_not_kept),
    };

    return cmocka_run_group_tests_name("kube_client", tests, NULL, NULL);
}
