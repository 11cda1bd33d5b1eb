/* SPDX-License-Identifier: Apache-2.0 */
/* The client's functions are defined here, so that the linker does not take the real ones. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "kube/lease.h"
#include "kube/lease_record.h"
#include "support.h"

#include <pthread.h>

/* ---- the server: one Lease ---- */

enum { CONNS = 16 };

struct kube_conn {
    bool cancelled;
};

static struct {
    pthread_mutex_t mutex;
    struct json *lease;
    int version;
    struct kube_conn conn[CONNS];
    int conns;
    int rc;    /* every answer */
    bool hang; /* no answer at all */
    int gets, creates, updates, conflicts;
    bool swallow; /* the next update is done, and its answer lost */
} server = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void set_version(struct json *lease)
{
    char version[16];

    snprintf(version, sizeof(version), "%d", ++server.version);
    json_put(json_edit(lease, "metadata"), "resourceVersion", json_new_string(version));
}

/* Returns with the mutex held: 0 when the request is to be done. */
static int arrive(struct kube_conn *conn, struct err *err)
{
    int rc;

    pthread_mutex_lock(&server.mutex);
    while (server.hang && !conn->cancelled) {
        pthread_mutex_unlock(&server.mutex);
        usleep(1000);
        pthread_mutex_lock(&server.mutex);
    }
    rc = conn->cancelled ? -KUBE_CANCELLED : server.rc;
    return rc < 0 ? (err_set(err, ERR_IO, "as the test wants it: %d", rc), rc) : 0;
}

static int leave(int rc)
{
    pthread_mutex_unlock(&server.mutex);
    return rc;
}

int kube_get(struct kube_conn *conn, const struct kube_resource *resource, const char *ns,
             const char *name, struct json **out, struct err *err)
{
    int rc = arrive(conn, err);

    assert_string_equal(resource->plural, "leases");
    assert_string_equal(ns, "ns");
    assert_string_equal(name, "name");
    server.gets++;
    if (rc == 0 && !server.lease)
        rc = -KUBE_NOT_FOUND;
    if (rc == 0)
        *out = json_copy(server.lease);
    return leave(rc);
}

int kube_create(struct kube_conn *conn, const struct kube_resource *resource, const char *ns,
                const struct json *object, struct json **out, struct err *err)
{
    int rc = arrive(conn, err);

    assert_string_equal(resource->group, "coordination.k8s.io");
    assert_string_equal(ns, "ns");
    server.creates++;
    if (rc == 0 && server.lease)
        rc = -KUBE_ALREADY_EXISTS;
    if (rc == 0) {
        server.lease = json_copy(object);
        set_version(server.lease);
        *out = json_copy(server.lease);
    }
    return leave(rc);
}

int kube_update(struct kube_conn *conn, const struct kube_resource *resource, const char *ns,
                const char *name, const struct json *object, struct json **out, struct err *err)
{
    int rc = arrive(conn, err);
    const char *version = json_text(object, "metadata.resourceVersion");

    assert_string_equal(resource->kind, "Lease");
    assert_string_equal(ns, "ns");
    assert_string_equal(name, "name");
    server.updates++;
    if (rc == 0 && !server.lease)
        rc = -KUBE_NOT_FOUND;
    if (rc == 0 && strcmp(version, json_text(server.lease, "metadata.resourceVersion")) != 0) {
        server.conflicts++;
        rc = -KUBE_CONFLICT;
    }
    if (rc == 0) {
        json_free(server.lease);
        server.lease = json_copy(object);
        set_version(server.lease);
        if (server.swallow)
            rc = -KUBE_TRANSPORT;
        else if (out)
            *out = json_copy(server.lease);
        server.swallow = false;
    }
    return leave(rc);
}

struct kube_conn *kube_conn_new(struct kube_client *client)
{
    (void)client;
    assert_true(server.conns < CONNS);
    return &server.conn[server.conns++];
}

void kube_conn_free(struct kube_conn *conn)
{
    (void)conn;
}

void kube_conn_timeout(struct kube_conn *conn, unsigned seconds)
{
    (void)conn;
    assert_in_range(seconds, 1, 10);
}

void kube_conn_cancel(struct kube_conn *conn)
{
    pthread_mutex_lock(&server.mutex);
    conn->cancelled = true;
    pthread_mutex_unlock(&server.mutex);
}

#define WITH_SERVER(statement) \
    do { \
        pthread_mutex_lock(&server.mutex); \
        statement; \
        pthread_mutex_unlock(&server.mutex); \
    } while (0)

static int tear_down(void **state)
{
    (void)state;
    json_free(server.lease);
    server.lease = NULL;
    memset(server.conn, 0, sizeof(server.conn));
    server.conns = server.rc = server.version = 0;
    server.gets = server.creates = server.updates = server.conflicts = 0;
    server.hang = server.swallow = false;
    return 0;
}

/* A Lease that another one holds. */
static void other_holds(const char *holder, int seconds)
{
    WITH_SERVER({
        json_free(server.lease);
        server.lease = json_format(
            "{'apiVersion': 'coordination.k8s.io/v1', 'kind': 'Lease', 'metadata': {'name': 'name',"
            " 'labels': {'a': 'b'}}, 'spec': {'holderIdentity': %s, 'leaseDurationSeconds': %d,"
            " 'acquireTime': '2001-01-01T00:00:00.000000Z', 'leaseTransitions': 7,"
            " 'renewTime': '2001-01-01T00:00:00.000000Z', 'strategy': 'OldestEmulationVersion'}}",
            holder, seconds);
        set_version(server.lease);
    });
}

static int updates_so_far(void)
{
    int updates;

    WITH_SERVER(updates = server.updates);
    return updates;
}

static char *server_text(const char *path)
{
    char *text = NULL;

    WITH_SERVER({
        const char *found = json_text(server.lease, path);

        text = found ? strdup(found) : NULL;
    });
    return text;
}

static void must_say(const char *path, const char *want)
{
    cleanup_free char *text = server_text(path);

    if (!text || strcmp(text, want) != 0)
        fail_msg("%s is '%s', not '%s'", path, text ? text : "(null)", want);
}

static int server_number(const char *path)
{
    double number = -1;

    WITH_SERVER(number = json_number(json_at(server.lease, path), -1));
    return (int)number;
}

/* ---- who wants it ---- */

struct candidate {
    struct kube_lease *lease;
    int acquired, lost, troubles;
};

static void on_acquired(void *ctx, const char *note)
{
    (void)note;
    __atomic_add_fetch(&((struct candidate *)ctx)->acquired, 1, __ATOMIC_SEQ_CST);
}

static void on_lost(void *ctx)
{
    __atomic_add_fetch(&((struct candidate *)ctx)->lost, 1, __ATOMIC_SEQ_CST);
}

static void on_trouble(void *ctx, const struct err *err)
{
    assert_true(str_starts(err->msg, "as the test wants it"));
    __atomic_add_fetch(&((struct candidate *)ctx)->troubles, 1, __ATOMIC_SEQ_CST);
}

static int count(const int *counter)
{
    return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

static void start(struct candidate *candidate, const char *identity)
{
    const struct kube_lease_config config = {
        .ns = "ns",
        .name = "name",
        .identity = identity,
        .duration_seconds = 2,
        .renew_seconds = 1,
        .retry_ms = 50,
        .acquired = on_acquired,
        .lost = on_lost,
        .trouble = on_trouble,
        .ctx = candidate,
    };
    struct err err;

    *candidate = (struct candidate){0};
    candidate->lease = kube_lease_start(&config, &err);
    assert_non_null(candidate->lease);
}

/* Milliseconds until the counter is 1. */
static uint64_t wait_for(const int *counter)
{
    uint64_t begin = clock_ms();

    while (!count(counter) && clock_ms() < begin + 8000)
        usleep(1000);
    assert_int_equal(count(counter), 1);
    return clock_ms() - begin;
}

static void a_new_lease(void **state)
{
    struct candidate a;
    cleanup_free char *acquired = NULL, *renewed = NULL, *first = NULL, *later = NULL;
    struct timespec t;
    uint64_t updates, begin = clock_ms();
    char *holder;

    (void)state;
    start(&a, "me");
    wait_for(&a.acquired);
    assert_true(kube_lease_held(a.lease));
    holder = kube_lease_holder(a.lease);
    assert_string_equal(holder, "me");
    free(holder);
    must_say("apiVersion", "coordination.k8s.io/v1");
    must_say("metadata.namespace", "ns");
    must_say("metadata.name", "name");
    must_say("spec.holderIdentity", "me");
    assert_int_equal(server_number("spec.leaseDurationSeconds"), 2);
    assert_int_equal(server_number("spec.leaseTransitions"), 0);
    acquired = server_text("spec.acquireTime");
    renewed = server_text("spec.renewTime");
    assert_int_equal(strlen(acquired), CLOCK_MICRO_SIZE - 1);
    assert_true(clock_parse(renewed, &t));
    assert_in_range(t.tv_sec, clock_now().tv_sec - 5, clock_now().tv_sec);

    while (updates_so_far() < 4 && clock_ms() < begin + 3000)
        usleep(1000);
    first = server_text("spec.acquireTime");
    later = server_text("spec.renewTime");
    assert_string_equal(first, acquired);
    assert_true(strcmp(later, renewed) > 0);
    assert_int_equal(server_number("spec.leaseTransitions"), 0);
    /* Renewed without being read. */
    assert_int_equal(server.gets, 1);
    updates = (uint64_t)updates_so_far();
    assert_in_range(updates, 4, (clock_ms() - begin) / 50 + 1);

    kube_lease_stop(a.lease);
    must_say("spec.holderIdentity", "");
    assert_int_equal(server_number("spec.leaseDurationSeconds"), 1);
    assert_int_equal(count(&a.acquired), 1);
    assert_int_equal(count(&a.lost), 0);
    assert_int_equal(count(&a.troubles), 0);
}

static void one_that_was_given_back(void **state)
{
    struct candidate a;

    (void)state;
    other_holds("", 5);
    start(&a, "me");
    assert_in_range(wait_for(&a.acquired), 0, 4500);
    must_say("spec.holderIdentity", "me");
    assert_int_equal(server_number("spec.leaseTransitions"), 8);
    /* What it does not know is kept. */
    must_say("spec.strategy", "OldestEmulationVersion");
    must_say("metadata.labels.a", "b");
    kube_lease_stop(a.lease);
    must_say("spec.strategy", "OldestEmulationVersion");
    assert_int_equal(server_number("spec.leaseTransitions"), 8);
}

/* Its times are of long ago, by a clock that we don't trust. */
static void one_that_is_not_renewed(void **state)
{
    struct candidate a;
    uint64_t begin = clock_ms();
    char *holder;

    (void)state;
    other_holds("other", 2);
    start(&a, "me");
    while (!(holder = kube_lease_holder(a.lease)) && clock_ms() < begin + 8000)
        usleep(1000);
    assert_non_null(holder);
    assert_string_equal(holder, "other");
    free(holder);
    assert_false(kube_lease_held(a.lease));
    wait_for(&a.acquired);
    assert_in_range(clock_ms() - begin, 2000, 6000);
    assert_int_equal(server_number("spec.leaseTransitions"), 8);
    assert_int_equal(server_number("spec.leaseDurationSeconds"), 2);
    kube_lease_stop(a.lease);
}

static void one_that_is_renewed(void **state)
{
    struct candidate a;

    (void)state;
    other_holds("other", 1);
    start(&a, "me");
    for (int i = 0; i < 20; i++) {
        usleep(100000);
        WITH_SERVER(json_put(json_edit(server.lease, "spec"), "renewTime", json_new_number(i)));
    }
    assert_int_equal(count(&a.acquired), 0);
    kube_lease_stop(a.lease);
    must_say("spec.holderIdentity", "other");
    assert_int_equal(server.updates, 0);
}

static char *note(void *ctx)
{
    return strdup(ctx);
}

static bool is_noted(void)
{
    cleanup_free char *text = server_text("metadata.annotations.note");

    return text != NULL;
}

/* Long before its next renewal. */
static void one_that_has_something_to_note(void **state)
{
    char text[] = "all";
    const struct kube_lease_config config = {.ns = "ns",
                                             .name = "name",
                                             .identity = "me",
                                             .duration_seconds = 20,
                                             .renew_seconds = 18,
                                             .retry_ms = 14000,
                                             .note_key = "note",
                                             .note = note,
                                             .ctx = text};
    uint64_t end = clock_ms() + 8000;
    struct kube_lease *lease;
    struct err err;

    (void)state;
    lease = kube_lease_start(&config, &err);
    assert_non_null(lease);
    while (!kube_lease_held(lease) && clock_ms() < end)
        usleep(1000);
    assert_false(is_noted());
    kube_lease_renew(lease);
    while (!is_noted() && clock_ms() < end)
        usleep(1000);
    must_say("metadata.annotations.note", "all");
    assert_int_equal(server.updates, 1);
    kube_lease_stop(lease);
}

static void two_candidates(void **state)
{
    struct candidate a, b;
    char *holder;

    (void)state;
    start(&a, "a");
    wait_for(&a.acquired);
    start(&b, NULL);
    usleep(300000);
    assert_false(kube_lease_held(b.lease));
    kube_lease_stop(a.lease);
    assert_in_range(wait_for(&b.acquired), 0, 900);
    assert_int_equal(server_number("spec.leaseTransitions"), 1);
    holder = kube_lease_holder(b.lease);
    assert_non_null(strrchr(holder, '_'));
    assert_int_equal(strlen(strrchr(holder, '_')), 17);
    free(holder);
    kube_lease_stop(b.lease);
}

/* However many try at once, one gets it. */
static void a_race(void **state)
{
    struct candidate all[4];
    uint64_t begin = clock_ms();
    int leaders = 0;

    (void)state;
    other_holds("", 1);
    for (size_t i = 0; i < COUNT(all); i++)
        start(&all[i], NULL);
    for (bool led = false; !led && clock_ms() < begin + 8000;) {
        usleep(1000);
        for (size_t i = 0; i < COUNT(all); i++)
            led |= kube_lease_held(all[i].lease);
    }
    usleep(500000); /* for the others to take it, too */
    for (size_t i = 0; i < COUNT(all); i++) {
        leaders += kube_lease_held(all[i].lease);
        assert_int_equal(count(&all[i].troubles), 0);
    }
    assert_int_equal(leaders, 1);
    for (size_t i = 0; i < COUNT(all); i++)
        kube_lease_stop(all[i].lease);
    must_say("spec.holderIdentity", "");
}

static void a_server_that_fails(void **state)
{
    struct candidate a;
    int updates;

    (void)state;
    start(&a, "me");
    wait_for(&a.acquired);
    WITH_SERVER(server.rc = -KUBE_SERVER);
    assert_in_range(wait_for(&a.lost), 700, 2000);
    assert_false(kube_lease_held(a.lease));
    assert_int_equal(count(&a.troubles), 1); /* all of them were the same */
    WITH_SERVER(server.rc = 0; updates = server.updates);
    usleep(200000);
    /* It is over: neither tried again nor given back. */
    kube_lease_stop(a.lease);
    assert_int_equal(server.updates, updates);
    must_say("spec.holderIdentity", "me");
    assert_int_equal(count(&a.acquired), 1);
    assert_int_equal(count(&a.lost), 1);
}

static void a_server_that_fails_for_a_while(void **state)
{
    struct candidate a;
    int failures;

    (void)state;
    WITH_SERVER(server.rc = -KUBE_TRANSPORT);
    start(&a, "me");
    wait_for(&a.troubles);
    usleep(300000);
    assert_int_equal(count(&a.acquired), 0);
    assert_int_equal(count(&a.troubles), 1);
    WITH_SERVER(server.rc = 0);
    wait_for(&a.acquired);
    WITH_SERVER(server.rc = -KUBE_TRANSPORT; failures = -server.updates);
    for (int i = 0; i < 800 && failures + updates_so_far() < 3; i++)
        usleep(1000);
    assert_in_range(failures + updates_so_far(), 3, 20);
    WITH_SERVER(server.rc = 0);
    usleep(900000);
    assert_true(kube_lease_held(a.lease));
    assert_int_equal(count(&a.lost), 0);
    assert_int_equal(count(&a.troubles), 2);
    kube_lease_stop(a.lease);
}

static void a_server_that_hangs(void **state)
{
    struct candidate a;
    uint64_t begin;

    (void)state;
    start(&a, "me");
    wait_for(&a.acquired);
    WITH_SERVER(server.hang = true);
    assert_in_range(wait_for(&a.lost), 700, 2000);
    begin = clock_ms();
    kube_lease_stop(a.lease);
    assert_in_range(clock_ms() - begin, 0, 1000);
    /* Nor does one that never led wait. */
    start(&a, "me");
    usleep(50000);
    begin = clock_ms();
    kube_lease_stop(a.lease);
    assert_in_range(clock_ms() - begin, 0, 1000);
    assert_int_equal(count(&a.acquired), 0);
}

static void another_one_took_it(void **state)
{
    struct candidate a;

    (void)state;
    start(&a, "me");
    wait_for(&a.acquired);
    other_holds("thief", 15);
    assert_in_range(wait_for(&a.lost), 0, 900);
    assert_int_equal(count(&a.troubles), 0);
    kube_lease_stop(a.lease);
    must_say("spec.holderIdentity", "thief");
}

static void someone_edited_or_deleted_it(void **state)
{
    struct candidate a;
    uint64_t begin = clock_ms();

    (void)state;
    start(&a, "me");
    wait_for(&a.acquired);
    WITH_SERVER({
        json_put(json_edit(server.lease, "metadata"), "labels", json_format("{'x': 'y'}"));
        set_version(server.lease);
    });
    usleep(200000);
    assert_true(kube_lease_held(a.lease));
    must_say("metadata.labels.x", "y");
    WITH_SERVER({
        json_free(server.lease);
        server.lease = NULL;
    });
    for (bool there = false; !there && clock_ms() < begin + 8000; usleep(1000))
        WITH_SERVER(there = server.lease != NULL);
    assert_true(kube_lease_held(a.lease));
    must_say("spec.holderIdentity", "me");
    assert_int_equal(count(&a.lost), 0);
    kube_lease_stop(a.lease);
    must_say("spec.holderIdentity", "");
}

/* The last renewal was done, and its answer did not come: the object that is known is an old one. */
static void a_release_after_a_lost_answer(void **state)
{
    struct candidate a;

    (void)state;
    start(&a, "me");
    wait_for(&a.acquired);
    WITH_SERVER(server.swallow = true);
    for (bool pending = true; pending;)
        WITH_SERVER({
            pending = server.swallow;
            if (!pending)
                server.conn[0].cancelled = true; /* before it is read again */
        });
    kube_lease_stop(a.lease);
    must_say("spec.holderIdentity", "");
}

/* ---- the record ---- */

static void odd_records(void **state)
{
    static const struct {
        const char *json;
        const char *holder;
        unsigned seconds;
        int transitions; /* after it was claimed */
    } rows[] = {
        {"{'metadata': {}}", NULL, 15, 0},
        {"{'spec': null}", NULL, 15, 1},
        {"{'spec': {}}", NULL, 15, 1},
        {"{'spec': {'holderIdentity': ''}}", NULL, 15, 1},
        {"{'spec': {'holderIdentity': null, 'leaseDurationSeconds': null}}", NULL, 15, 1},
        {"{'spec': {'holderIdentity': 'x', 'leaseDurationSeconds': 0}}", "x", 15, 1},
        {"{'spec': {'holderIdentity': 'x', 'leaseDurationSeconds': 40}}", "x", 40, 1},
        {"{'spec': {'holderIdentity': 'x', 'leaseDurationSeconds': 1e99}}", "x", 15, 1},
        {"{'spec': {'holderIdentity': 'x', 'leaseTransitions': 41}}", "x", 15, 42},
        {"{'spec': {'holderIdentity': 'me', 'leaseTransitions': 41}}", "me", 15, 41},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_json struct json *lease = json_format(rows[i].json);
        cleanup_free char *before = lease_record_text(lease), *after = NULL;
        const char *holder = lease_record_holder(lease);

        assert_true(holder ? rows[i].holder && strcmp(holder, rows[i].holder) == 0
                           : !rows[i].holder);
        assert_int_equal(lease_record_seconds(lease, 15), rows[i].seconds);
        lease_record_claim(lease, "me", 15, (struct timespec){1, 2000});
        after = lease_record_text(lease);
        assert_true(strcmp(before, after) != 0);
        assert_string_equal(lease_record_holder(lease), "me");
        assert_string_equal(json_text(lease, "spec.renewTime"), "1970-01-01T00:00:01.000002Z");
        assert_int_equal((int)json_number(json_at(lease, "spec.leaseTransitions"), -1),
                         rows[i].transitions);
    }
}

static void times_that_make_no_sense(void **state)
{
    static const struct {
        unsigned duration, renew, retry_ms;
        const char *want;
    } rows[] = {
        {10, 10, 0, "must be longer than the 10 s"},
        {5, 0, 0, "must be longer than the 10 s"},
        {15, 10, 9000, "more than 1.2 times the 9000 ms"},
        {15, 2, 0, "more than 1.2 times the 2000 ms"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct kube_lease_config config = {.ns = "ns",
                                                 .name = "name",
                                                 .duration_seconds = rows[i].duration,
                                                 .renew_seconds = rows[i].renew,
                                                 .retry_ms = rows[i].retry_ms};
        struct err err;

        assert_null(kube_lease_start(&config, &err));
        assert_int_equal(err.class, ERR_INPUT);
        if (!strstr(err.msg, rows[i].want))
            fail_msg("%s", err.msg);
    }
    kube_lease_stop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_new_lease, tear_down),
        cmocka_unit_test_teardown(one_that_was_given_back, tear_down),
        cmocka_unit_test_teardown(one_that_is_not_renewed, tear_down),
        cmocka_unit_test_teardown(one_that_is_renewed, tear_down),
        cmocka_unit_test_teardown(one_that_has_something_to_note, tear_down),
        cmocka_unit_test_teardown(two_candidates, tear_down),
        cmocka_unit_test_teardown(a_race, tear_down),
        cmocka_unit_test_teardown(a_server_that_fails, tear_down),
        cmocka_unit_test_teardown(a_server_that_fails_for_a_while, tear_down),
        cmocka_unit_test_teardown(a_server_that_hangs, tear_down),
        cmocka_unit_test_teardown(another_one_took_it, tear_down),
        cmocka_unit_test_teardown(someone_edited_or_deleted_it, tear_down),
        cmocka_unit_test_teardown(a_release_after_a_lost_answer, tear_down),
        cmocka_unit_test(odd_records),
        cmocka_unit_test(times_that_make_no_sense),
    };

    return cmocka_run_group_tests_name("kube_lease", tests, NULL, NULL);
}
