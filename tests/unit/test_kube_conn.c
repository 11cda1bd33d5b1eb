/* SPDX-License-Identifier: Apache-2.0 */
/* What is repeated, time, cancelling, watches, threads. */
#include "kube_fixture.h"

#include <time.h>

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- what is repeated ---- */

static void a_dead_connection_is_made_anew(void **state)
{
    static const struct canned table[] = {
        {.status = "200 OK", .body = POD, .close = true}, /* closed behind our back */
        {.status = "200 OK", .body = POD},
        {.close = true}, /* closed as we ask */
        {.status = "200 OK", .body = POD},
        {.close = true}, /* so are writes: client.h */
        {.status = "409 Conflict", .body = STATUS("AlreadyExists")},
    };
    cleanup_json struct json *pod = json_format("{'metadata': {'name': 'p'}}");
    struct fixture f;

    (void)state;
    START(&f, table);
    for (int i = 0; i < 3; i++)
        assert_int_equal(get(&f), 0);
    assert_int_equal(canned_requests(&f.server), 4);
    assert_int_equal(kube_create(f.conn, &pods, "ns", pod, NULL, &f.err), -KUBE_ALREADY_EXISTS);
    assert_int_equal(canned_requests(&f.server), 6);
    stop(&f);
}

static void a_new_connection_that_dies_is_an_error(void **state)
{
    static const struct canned table[] = {{.close = true}, {.status = "200 OK", .body = POD}};
    struct fixture f;

    (void)state;
    START(&f, table);
    assert_int_equal(get(&f), -KUBE_TRANSPORT);
    assert_int_equal(canned_requests(&f.server), 1);
    stop(&f);
}

static void retry_after_is_obeyed(void **state)
{
    static const struct canned table[] = {
        {.status = "429 Too Many", .headers = "Retry-After: 1\r\n"},
        {.status = "500 Oh", .headers = "Retry-After: 0\r\n"},
        {.status = "503 Oh", .headers = "Retry-After: 0\r\n"},
        {.status = "200 OK", .body = POD},
    };
    struct fixture f;
    double begun = now();

    (void)state;
    START(&f, table);
    assert_int_equal(get(&f), 0);
    assert_true(now() - begun >= 1);
    assert_true(now() - begun < 2.5);
    assert_string_equal(str_get(&f.observed), "GET 429, GET 500, GET 503, GET 200");
    stop(&f);
}

static void what_waiting_does_not_mend_is_not_repeated(void **state)
{
    static const struct canned table[] = {
        {.status = "429 Too Many"},
        {.status = "500 Oh"},
        {.status = "409 Conflict", .headers = "Retry-After: 0\r\n"},
        {.status = "503 Oh", .headers = "Retry-After: soon\r\n"},
        {.status = "503 Oh", .headers = "Retry-After: 4000000000\r\n"},
        {.status = "503 Oh", .headers = "Retry-After: 59\r\n"}, /* beyond the request's time */
        {.status = "504 Slow",
         .headers = "Retry-After: 0\r\n",
         .body = "{\"kind\":\"Status\",\"reason\":\"Timeout\",\"details\":{\"causes\":"
                 "[{\"reason\":\"ResourceVersionTooLarge\"}]}}"},
    };
    struct fixture f;

    (void)state;
    START(&f, table);
    for (size_t i = 0; i < COUNT(table); i++)
        assert_true(get(&f) < 0);
    assert_int_equal(canned_requests(&f.server), COUNT(table));
    stop(&f);
}

static void repeating_ends(void **state)
{
    static const struct canned table[] = {
        {.status = "429 Too Many", .headers = "Retry-After: 0\r\n"}};
    struct fixture f;

    (void)state;
    START(&f, table);
    assert_int_equal(get(&f), -KUBE_TOO_MANY_REQUESTS);
    assert_int_equal(canned_requests(&f.server), 11);
    stop(&f);
}

static void a_rejected_credential_is_renewed_once(void **state)
{
    static const struct canned table[] = {
        {.status = "401 Unauthorized", .body = STATUS("Unauthorized")},
        {.status = "200 OK", .body = POD},
        {.status = "401 Unauthorized", .body = STATUS("Unauthorized")},
    };
    struct fixture f;

    (void)state;
    scratch_puts("token", "t1\n");
    start_with(&f, table, COUNT(table), scratch_path("token"));
    assert_int_equal(get(&f), 0);
    assert_true(asked(&f, 1, "\r\nAuthorization: Bearer t1\r\n"));
    scratch_puts("token", "t2\n");
    assert_int_equal(get(&f), -KUBE_UNAUTHORIZED);
    assert_int_equal(canned_requests(&f.server), 4);
    assert_true(asked(&f, 3, "\r\nAuthorization: Bearer t2\r\n"));
    assert_true(canned_connections(&f.server) > 1); /* another credential, another connection */
    stop(&f);
}

static void a_credential_that_cannot_be_had_is_unauthorized(void **state)
{
    static const struct canned table[] = {{.status = "200 OK", .body = POD}};
    struct fixture f;

    (void)state;
    start_with(&f, table, COUNT(table), scratch_path("missing"));
    assert_int_equal(get(&f), -KUBE_UNAUTHORIZED);
    assert_int_equal(canned_requests(&f.server), 0);
    stop(&f);
}

/* ---- time and cancelling ---- */

struct cancel {
    struct fixture *f;
    double at;
};

static void *cancel_later(void *arg)
{
    struct cancel *cancel = arg;

    for (int i = 0; i < 10000 && !canned_requests(&cancel->f->server); i++)
        usleep(1000);
    usleep(100000);
    cancel->at = now();
    kube_conn_cancel(cancel->f->conn);
    return NULL;
}

/* What `call` comes to when it is cancelled 100 ms after the server got it; it must end at once. */
static int cancelled(struct fixture *f, int (*call)(struct fixture *))
{
    struct cancel cancel = {.f = f};
    pthread_t thread;
    int rc;

    assert_int_equal(pthread_create(&thread, NULL, cancel_later, &cancel), 0);
    rc = call(f);
    pthread_join(thread, NULL);
    assert_true(now() - cancel.at < 3);
    assert_true(kube_conn_cancelled(f->conn));
    assert_int_equal(call(f), -KUBE_CANCELLED);
    return rc;
}

static void a_slow_answer_runs_into_the_timeout(void **state)
{
    static const struct canned table[] = {{.status = "200 OK", .body = POD, .pause_ms = 5000}};
    struct fixture f;
    double begun = now();

    (void)state;
    START(&f, table);
    kube_conn_timeout(f.conn, 1);
    assert_int_equal(get(&f), -KUBE_TRANSPORT);
    assert_true(now() - begun < 4);
    stop(&f);
}

static void a_cancel_ends_a_request(void **state)
{
    static const struct canned slow[] = {{.status = "200 OK", .body = POD, .pause_ms = 5000}};
    static const struct canned busy[] = {{.status = "429 No", .headers = "Retry-After: 5\r\n"}};
    struct fixture f;

    (void)state;
    START(&f, slow);
    assert_int_equal(cancelled(&f, get), -KUBE_CANCELLED);
    assert_int_equal(canned_requests(&f.server), 1);
    stop(&f);
    START(&f, busy);
    assert_int_equal(cancelled(&f, get), -KUBE_CANCELLED);
    assert_string_equal(str_get(&f.observed), "GET 429");
    stop(&f);
}

/* ---- watches ---- */

struct heard {
    struct str text;
    size_t stop_at; /* bytes; 0: never */
};

static int hear(void *ctx, const char *data, size_t len)
{
    struct heard *heard = ctx;

    str_append(&heard->text, data, len);
    return heard->stop_at && heard->text.len >= heard->stop_at;
}

static int watch(struct fixture *f)
{
    struct kube_selection what = {.resource = &pods, .ns = "ns", .metadata_only = true};
    struct kube_watch_options options = {.version = "7", .timeout_seconds = 300};
    struct heard heard = {.text = STR_INIT};
    int rc = kube_watch(f->conn, &what, &options, hear, &heard, &f->err);

    str_free(&heard.text);
    return rc;
}

static void a_watch_hands_on_bytes_as_they_come(void **state)
{
    static const struct canned table[] = {
        {.piece = {CHUNKED, "4\r\n{\"a\"\r\n", "3\r\n:1}\r\n", "1\r\n\n\r\n", "0\r\n\r\n"},
         .pause_ms = 50}};
    struct kube_selection what = {.resource = &pods, .label_selector = "a=b"};
    struct kube_watch_options options = {.initial_events = true, .timeout_seconds = 5};
    struct heard heard = {.text = STR_INIT};
    struct fixture f;

    (void)state;
    START(&f, table);
    assert_int_equal(kube_watch(f.conn, &what, &options, hear, &heard, &f.err), 0);
    assert_string_equal(str_get(&heard.text), "{\"a\":1}\n");
    assert_true(asked(&f, 0,
                      "GET /api/v1/pods?labelSelector=a%3Db&watch=true&allowWatchBookmarks=true"
                      "&timeoutSeconds=5&sendInitialEvents=true&resourceVersionMatch=NotOlderThan "
                      "HTTP"));
    str_clear(&heard.text);
    heard.stop_at = 4;
    assert_int_equal(kube_watch(f.conn, &what, &options, hear, &heard, &f.err), 0);
    assert_string_equal(str_get(&heard.text), "{\"a\"");
    assert_string_equal(str_get(&f.observed), "WATCH 200, WATCH 200");
    str_free(&heard.text);
    stop(&f);
}

static void a_watch_may_be_refused_or_cut(void **state)
{
    static const struct canned table[] = {
        {.status = "410 Gone", .body = STATUS("Expired")},
        {.status = "429 Too Many", .headers = "Retry-After: 0\r\n"},
        {.piece = {CHUNKED "2\r\n{}\r\n"}, .close = true},
        {.status = "404 Not Found", .body = "404 page not found"},
    };
    struct fixture f;

    (void)state;
    START(&f, table);
    assert_int_equal(watch(&f), -KUBE_EXPIRED);
    assert_true(asked(&f, 0, "&resourceVersion=7 HTTP"));
    assert_true(asked(&f, 0, "\r\nAccept: application/json;as=PartialObjectMetadata;"));
    assert_int_equal(watch(&f), -KUBE_TRANSPORT);
    assert_int_equal(watch(&f), -KUBE_NOT_FOUND);
    assert_non_null(strstr(f.err.msg, "cannot watch pods in namespace 'ns': "));
    assert_string_equal(str_get(&f.observed), "WATCH 410, WATCH 429, WATCH 200, WATCH 404");
    stop(&f);
}

static void a_cancel_ends_a_watch(void **state)
{
    static const struct canned table[] = {{.piece = {CHUNKED "2\r\n{}\r\n"}}};
    struct fixture f;

    (void)state;
    START(&f, table);
    assert_int_equal(cancelled(&f, watch), -KUBE_CANCELLED);
    stop(&f);
}

static void an_idle_watch_costs_nothing(void **state)
{
    static const struct canned table[] = {
        {.piece = {CHUNKED "2\r\n{}\r\n", "0\r\n\r\n"}, .pause_ms = 700}};
    struct timespec before, after;
    struct fixture f;

    (void)state;
    START(&f, table);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    assert_int_equal(watch(&f), 0);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    assert_true((double)(after.tv_sec - before.tv_sec) +
                    (double)(after.tv_nsec - before.tv_nsec) / 1e9 <
                0.1);
    stop(&f);
}

/* ---- threads ---- */

enum { THREADS = 4, REQUESTS = 50 };

static void *get_many(void *arg)
{
    struct kube_conn *conn = kube_conn_new(arg);
    struct err err;
    size_t failed = 0;

    for (int i = 0; i < REQUESTS; i++) {
        struct json *pod = NULL;

        failed += kube_get(conn, &pods, "ns", "p", &pod, &err) != 0;
        json_free(pod);
    }
    kube_conn_free(conn);
    return (void *)(uintptr_t)failed;
}

static void threads_share_a_client(void **state)
{
    static const struct canned table[] = {{.status = "200 OK", .body = POD}};
    pthread_t thread[THREADS];
    struct fixture f;
    void *failed;

    (void)state;
    START(&f, table);
    kube_client_observe(f.client, NULL, NULL);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, get_many, f.client), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(canned_requests(&f.server), THREADS * REQUESTS);
    assert_int_equal(canned_connections(&f.server), THREADS);
    stop(&f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_connection_is_made_anew),
        cmocka_unit_test(a_new_connection_that_dies_is_an_error),
        cmocka_unit_test(retry_after_is_obeyed),
        cmocka_unit_test(what_waiting_does_not_mend_is_not_repeated),
        cmocka_unit_test(repeating_ends),
        cmocka_unit_test(a_rejected_credential_is_renewed_once),
        cmocka_unit_test(a_credential_that_cannot_be_had_is_unauthorized),
        cmocka_unit_test(a_slow_answer_runs_into_the_timeout),
        cmocka_unit_test(a_cancel_ends_a_request),
        cmocka_unit_test(a_watch_hands_on_bytes_as_they_come),
        cmocka_unit_test(a_watch_may_be_refused_or_cut),
        cmocka_unit_test(a_cancel_ends_a_watch),
        cmocka_unit_test(an_idle_watch_costs_nothing),
        cmocka_unit_test(threads_share_a_client),
    };

    return cmocka_run_group_tests_name("kube_conn", tests, scratch_set_up, scratch_tear_down);
}
