/* SPDX-License-Identifier: Apache-2.0 */
/* The client's functions are defined here, so that the linker does not take the real ones. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "kube/correlate.h"
#include "kube/events.h"
#include "support.h"

#include <pthread.h>

/* ---- the server ---- */

enum { CALLS_MAX = 8192 };

static struct {
    pthread_mutex_t mutex;
    char *call[CALLS_MAX]; /* "create NS JSON" or "patch NS/NAME JSON" */
    int calls, arrived;    /* those that are answered, and those that came */
    bool hold, cancelled;  /* requests wait while it is held */
    int create_rc, patch_rc;
} server = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static int answer(const char *verb, const char *ns, const char *name, const struct json *object,
                  int rc, struct err *err)
{
    struct str text = STR_INIT;

    pthread_mutex_lock(&server.mutex);
    server.arrived++;
    while (server.hold && !server.cancelled) {
        pthread_mutex_unlock(&server.mutex);
        usleep(1000);
        pthread_mutex_lock(&server.mutex);
    }
    if (server.cancelled)
        rc = -KUBE_CANCELLED;
    str_printf(&text, "%s %s/%s ", verb, ns, name);
    json_print(object, 0, &text);
    assert_true(server.calls < CALLS_MAX);
    server.call[server.calls++] = str_steal(&text);
    pthread_mutex_unlock(&server.mutex);
    return rc < 0 ? (err_set(err, ERR_IO, "as the test wants it"), rc) : 0;
}

int kube_create(struct kube_conn *conn, const struct kube_resource *resource, const char *ns,
                const struct json *object, struct json **out, struct err *err)
{
    assert_ptr_equal(conn, &server);
    assert_string_equal(resource->plural, "events");
    assert_null(out);
    return answer("create", ns, "", object, server.create_rc, err);
}

int kube_patch(struct kube_conn *conn, const struct kube_resource *resource, const char *ns,
               const char *name, const char *subresource, enum kube_patch type,
               const struct json *patch, struct json **out, struct err *err)
{
    assert_ptr_equal(conn, &server);
    assert_string_equal(resource->plural, "events");
    assert_null(subresource);
    assert_int_equal(type, KUBE_PATCH_MERGE);
    assert_null(out);
    return answer("patch", ns, name, patch, server.patch_rc, err);
}

struct kube_conn *kube_conn_new(struct kube_client *client)
{
    (void)client;
    return (struct kube_conn *)(void *)&server;
}

void kube_conn_free(struct kube_conn *conn)
{
    assert_ptr_equal(conn, &server);
}

void kube_conn_timeout(struct kube_conn *conn, unsigned seconds)
{
    (void)conn;
    assert_in_range(seconds, 1, 30);
}

void kube_conn_cancel(struct kube_conn *conn)
{
    (void)conn;
    pthread_mutex_lock(&server.mutex);
    server.cancelled = true;
    pthread_mutex_unlock(&server.mutex);
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < server.calls; i++)
        free(server.call[i]);
    server.calls = server.arrived = 0;
    server.hold = server.cancelled = false;
    server.create_rc = server.patch_rc = 0;
    return 0;
}

static void hold(bool on)
{
    pthread_mutex_lock(&server.mutex);
    server.hold = on;
    pthread_mutex_unlock(&server.mutex);
}

static int calls_so_far(void)
{
    int calls;

    pthread_mutex_lock(&server.mutex);
    calls = server.calls;
    pthread_mutex_unlock(&server.mutex);
    return calls;
}

static void wait_for_calls(int want)
{
    uint64_t start = clock_ms();

    while (calls_so_far() < want && clock_ms() < start + 20000)
        usleep(1000);
    assert_int_equal(calls_so_far(), want);
}

/* Waits until a call is there that is held. */
static void wait_for_the_first(void)
{
    uint64_t start = clock_ms();
    int arrived = 0;

    while (!arrived && clock_ms() < start + 20000) {
        usleep(1000);
        pthread_mutex_lock(&server.mutex);
        arrived = server.arrived;
        pthread_mutex_unlock(&server.mutex);
    }
    assert_int_equal(arrived, 1);
}

static void wait_for_dropped(struct kube_events *events, unsigned want)
{
    uint64_t start = clock_ms();

    while (kube_events_dropped(events) < want && clock_ms() < start + 20000)
        usleep(1000);
    assert_int_equal(kube_events_dropped(events), want);
}

/* Lets the answer to the last call reach the thread. */
static void settle(void)
{
    usleep(100000);
}

/* ---- what is told ---- */

static struct kube_events *start(void)
{
    struct kube_events *events = kube_events_start(NULL, "controller", "pod-1", &(struct err){0});

    assert_non_null(events);
    return events;
}

static struct json *object(const char *name)
{
    return json_format("{'apiVersion': 'example.io/v1', 'kind': 'Thing', 'metadata': {'name': %s,"
                       " 'namespace': 'ns', 'uid': 'uid-1', 'resourceVersion': '42'}}",
                       name);
}

static void tell(struct kube_events *events, const char *name, const char *reason,
                 const char *message)
{
    cleanup_json struct json *about = object(name);

    kube_events_add(events, about, "Normal", reason, message);
}

/* What was sent with a call; the caller frees. */
static struct json *sent(int call, const char *verb)
{
    const char *json = strchr(server.call[call], '{');
    struct err err;

    assert_true(str_starts(server.call[call], verb));
    return json_parse(json, strlen(json), &err);
}

static void must_say(const struct json *object, const char *path, const char *want)
{
    const char *text = json_text(object, path);

    if (!text || strcmp(text, want) != 0)
        fail_msg("%s is '%s', not '%s'", path, text ? text : "(null)", want);
}

static void a_whole_event(void **state)
{
    struct kube_events *events = start();
    cleanup_json struct json *event = NULL;
    time_t first;

    (void)state;
    tell(events, "my.thing", "Created", "it \"is\" there");
    kube_events_stop(events);
    assert_int_equal(server.calls, 1);
    event = sent(0, "create ns/ ");
    must_say(event, "apiVersion", "v1");
    must_say(event, "kind", "Event");
    must_say(event, "metadata.namespace", "ns");
    assert_true(str_starts(json_text(event, "metadata.name"), "my.thing."));
    assert_int_equal(strlen(json_text(event, "metadata.name")), strlen("my.thing.") + 16);
    must_say(event, "involvedObject.apiVersion", "example.io/v1");
    must_say(event, "involvedObject.kind", "Thing");
    must_say(event, "involvedObject.namespace", "ns");
    must_say(event, "involvedObject.name", "my.thing");
    must_say(event, "involvedObject.uid", "uid-1");
    must_say(event, "involvedObject.resourceVersion", "42");
    must_say(event, "type", "Normal");
    must_say(event, "reason", "Created");
    must_say(event, "message", "it \"is\" there");
    must_say(event, "source.component", "controller");
    must_say(event, "reportingComponent", "controller");
    must_say(event, "reportingInstance", "pod-1");
    must_say(event, "lastTimestamp", json_text(event, "firstTimestamp"));
    assert_true(clock_parse_seconds(json_text(event, "firstTimestamp"), &first));
    assert_in_range(first, clock_now().tv_sec - 10, clock_now().tv_sec);
    assert_int_equal((int)json_number(json_at(event, "count"), 0), 1);
}

static void about_what_has_no_namespace(void **state)
{
    struct kube_events *events = start();
    cleanup_json struct json *about = json_format("{'kind': 'Node', 'metadata': {'name': 'n'}}");
    cleanup_json struct json *event = NULL;

    (void)state;
    kube_events_add(events, about, "Warning", "Gone", "m");
    kube_events_stop(events);
    event = sent(0, "create default/ ");
    must_say(event, "metadata.namespace", "default");
    assert_null(json_text(event, "involvedObject.namespace"));
}

static void again_is_a_count(void **state)
{
    struct kube_events *events = start();
    cleanup_json struct json *first = NULL, *patch = NULL;
    char call[100];

    (void)state;
    tell(events, "a", "Created", "m");
    wait_for_calls(1);
    settle();
    tell(events, "a", "Created", "m");
    wait_for_calls(2);
    kube_events_stop(events);
    first = sent(0, "create ns/ ");
    snprintf(call, sizeof(call), "patch ns/%s ", json_text(first, "metadata.name"));
    patch = sent(1, call);
    assert_int_equal(json_count(patch), 3);
    assert_int_equal((int)json_number(json_at(patch, "count"), 0), 2);
    must_say(patch, "message", "m");
    assert_non_null(json_text(patch, "lastTimestamp"));
}

static void what_waits_is_counted_and_written_once(void **state)
{
    struct kube_events *events = start();
    cleanup_json struct json *second = NULL, *third = NULL;

    (void)state;
    hold(true);
    tell(events, "a", "Created", "m");
    wait_for_the_first(); /* being written */
    for (int i = 0; i < 100; i++)
        tell(events, "a", "Created", "m");
    for (int i = 0; i < 100; i++)
        tell(events, "b", "Created", "m");
    hold(false);
    kube_events_stop(events);
    assert_int_equal(server.calls, 3);
    second = sent(1, "patch ns/a.");
    third = sent(2, "create ns/ ");
    assert_int_equal((int)json_number(json_at(second, "count"), 0), 101);
    assert_int_equal((int)json_number(json_at(third, "count"), 0), 100);
}

static void one_that_is_gone_is_made_anew(void **state)
{
    struct kube_events *events = start();
    cleanup_json struct json *anew = NULL;

    (void)state;
    tell(events, "a", "Created", "m");
    wait_for_calls(1);
    settle();
    server.patch_rc = -KUBE_NOT_FOUND;
    tell(events, "a", "Created", "m");
    wait_for_calls(3);
    kube_events_stop(events);
    anew = sent(2, "create ns/ ");
    assert_int_equal((int)json_number(json_at(anew, "count"), 0), 2);
}

static void failures_are_counted(void **state)
{
    static const struct {
        int rc;
        unsigned dropped;
        const char *next;
    } rows[] = {
        {-KUBE_FORBIDDEN, 1, "create"},
        {-KUBE_NOT_FOUND, 1, "create"},
        {-KUBE_TRANSPORT, 1, "create"},
        {-KUBE_ALREADY_EXISTS, 0, "patch"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct kube_events *events = start();

        server.create_rc = rows[i].rc;
        tell(events, "a", "Created", "m");
        wait_for_calls(1);
        settle();
        wait_for_dropped(events, rows[i].dropped);
        server.create_rc = 0;
        tell(events, "a", "Created", "m");
        wait_for_calls(2);
        settle();
        assert_int_equal(kube_events_dropped(events), rows[i].dropped);
        kube_events_stop(events);
        assert_true(str_starts(server.call[1], rows[i].next));
        tear_down(NULL);
    }
}

static void messages_are_cut_between_characters(void **state)
{
    struct kube_events *events = start();
    cleanup_json struct json *cut = NULL, *bad = NULL;
    char message[2000];

    (void)state;
    memset(message, 'x', sizeof(message));
    memcpy(message + 1023, "\xe2\x82\xac", 3);
    message[sizeof(message) - 1] = '\0';
    tell(events, "a", "Created", message);
    tell(events, "a", "Created", "bad \xff\xe2\x82");
    kube_events_stop(events);
    cut = sent(0, "create");
    assert_int_equal(strlen(json_text(cut, "message")), 1023);
    bad = sent(1, "create");
    assert_true(str_is_utf8(json_text(bad, "message")));
    assert_true(str_starts(json_text(bad, "message"), "bad "));
}

static void similar_ones_are_combined(void **state)
{
    struct kube_events *events = start();
    cleanup_json struct json *tenth = NULL, *combined = NULL, *again = NULL;
    char message[32];

    (void)state;
    for (int i = 1; i <= 12; i++) {
        snprintf(message, sizeof(message), "message %d", i);
        tell(events, "a", "Failed", message);
        wait_for_calls(i);
        settle();
    }
    kube_events_stop(events);
    tenth = sent(9, "create");
    must_say(tenth, "message", "message 10");
    combined = sent(10, "create");
    must_say(combined, "message", "(combined from similar events): message 11");
    again = sent(11, "patch");
    must_say(again, "message", "(combined from similar events): message 12");
    assert_int_equal((int)json_number(json_at(again, "count"), 0), 2);
}

static void one_object_has_a_burst(void **state)
{
    struct kube_events *events = start();
    char reason[32];

    (void)state;
    for (int i = 0; i < 40; i++) {
        snprintf(reason, sizeof(reason), "Reason%d", i);
        tell(events, "a", reason, "m");
    }
    tell(events, "b", "Reason", "m");
    wait_for_calls(CORRELATE_BURST + 1);
    assert_int_equal(kube_events_dropped(events), 40 - CORRELATE_BURST);
    kube_events_stop(events);
    assert_int_equal(server.calls, CORRELATE_BURST + 1);
}

/* The newest are dropped, and those who tell never wait. */
static void the_queue_is_bounded(void **state)
{
    struct kube_events *events = start();
    char name[32];

    (void)state;
    hold(true);
    tell(events, "first", "Created", "m");
    wait_for_the_first();
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof(name), "thing-%d", i);
        tell(events, name, "Created", "m");
    }
    assert_int_equal(kube_events_dropped(events), 5000 - 4096);
    hold(false);
    kube_events_stop(events);
    assert_int_equal(server.calls, 4097);
}

static void stopping_takes_no_longer_than_two_seconds(void **state)
{
    struct kube_events *events = start();
    uint64_t begin = clock_ms();
    char name[2] = "";

    (void)state;
    hold(true);
    for (*name = 'a'; *name <= 'j'; ++*name)
        tell(events, name, "Created", "m");
    kube_events_stop(events);
    assert_in_range(clock_ms() - begin, 1900, 8000); /* and not two for each */
    kube_events_stop(NULL);
}

static void *many(void *events)
{
    char name[32];

    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "thing-%d", i % 100);
        tell(events, name, "Created", i % 3 ? "m" : "n");
    }
    return NULL;
}

static void from_many_threads(void **state)
{
    struct kube_events *events = start();
    pthread_t thread[4];

    (void)state;
    for (size_t i = 0; i < COUNT(thread); i++)
        pthread_create(&thread[i], NULL, many, events);
    for (size_t i = 0; i < COUNT(thread); i++)
        pthread_join(thread[i], NULL);
    kube_events_stop(events);
    assert_in_range(server.calls, 200, 2000);
}

/* ---- the correlator ---- */

static struct kube_series *correlate(struct kube_correlator *correlator, const char *object_key,
                                     const char *message, time_t now, bool *combined)
{
    const struct kube_happening happening = {object_key, "name", "Normal", "Reason", message};

    return kube_correlate(correlator, &happening, (struct timespec){now, 0}, combined);
}

static void similar_ones_are_those_of_ten_minutes(void **state)
{
    struct kube_correlator *correlator = kube_correlator_new(100);
    struct kube_series *series;
    char message[16];
    bool combined;

    (void)state;
    for (int i = 1; i <= 20; i++) {
        snprintf(message, sizeof(message), "%d", i);
        series = correlate(correlator, "a", message, 1000, &combined);
        assert_int_equal(combined, i > 10);
        assert_int_equal(series->count, i > 10 ? i - 10 : 1);
    }
    /* One that is known goes on by itself, and so does another object's. */
    assert_int_equal(correlate(correlator, "a", "3", 1000, &combined)->count, 2);
    assert_false(combined);
    assert_int_equal(correlate(correlator, "b", "11", 1000, &combined)->count, 1);
    assert_false(combined);
    series = correlate(correlator, "a", "21", 1600, &combined);
    assert_true(combined);
    assert_int_equal(series->count, 11);
    assert_int_equal(series->first, 1000);
    assert_int_equal(series->last, 1600);
    assert_int_equal(correlate(correlator, "a", "22", 2201, &combined)->count, 1);
    assert_false(combined);
    kube_correlator_free(correlator);
}

static void a_burst_is_refilled(void **state)
{
    struct kube_correlator *correlator = kube_correlator_new(100);
    int allowed = 0;

    (void)state;
    for (int i = 0; i < 50; i++)
        allowed += kube_correlate_allow(correlator, "a", 1000);
    assert_int_equal(allowed, CORRELATE_BURST);
    assert_false(kube_correlate_allow(correlator, "a", 1299));
    assert_true(kube_correlate_allow(correlator, "a", 1301));
    assert_false(kube_correlate_allow(correlator, "a", 1400));
    assert_false(kube_correlate_allow(correlator, "a", 900)); /* a clock that was set back */
    assert_true(kube_correlate_allow(correlator, "b", 1000));
    for (int i = allowed = 0; i < 50; i++)
        allowed += kube_correlate_allow(correlator, "a", 1000000);
    assert_int_equal(allowed, CORRELATE_BURST);
    kube_correlator_free(correlator);
}

static void records_are_bounded(void **state)
{
    struct kube_correlator *correlator = kube_correlator_new(50);
    struct kube_series *pinned, *kept;
    char object_key[16];
    bool combined;

    (void)state;
    pinned = correlate(correlator, "pinned", "m", 1000, &combined);
    pinned->pinned = true;
    for (int i = 0; i < 1000; i++) {
        snprintf(object_key, sizeof(object_key), "%d", i);
        correlate(correlator, object_key, "m", 1000, &combined);
        kube_correlate_allow(correlator, object_key, 1000);
        kept = correlate(correlator, "used", "m", 1000, &combined);
        assert_int_equal(kept->count, i + 1);
        assert_in_range(kube_correlator_count(correlator), 2, 50);
    }
    assert_ptr_equal(correlate(correlator, "pinned", "m", 1000, &combined), pinned);
    assert_int_equal(pinned->count, 2);
    assert_int_equal(correlate(correlator, "0", "m", 1000, &combined)->count, 1);
    kube_correlator_free(correlator);
}

static void names(void **state)
{
    struct kube_correlator *correlator = kube_correlator_new(50);
    struct kube_happening happening = {"a", "short", "Normal", "R", "m"};
    struct timespec now = {1, 10};
    char name[300], other[300];
    bool combined;

    (void)state;
    assert_string_equal(kube_correlate(correlator, &happening, now, &combined)->name,
                        "short.000000003b9aca0a");
    happening.object = "b";
    assert_string_equal(kube_correlate(correlator, &happening, now, &combined)->name,
                        "short.000000003b9aca0b");
    memset(name, 'n', sizeof(name));
    memcpy(name + 230, "-.", 2);
    name[253] = '\0';
    happening = (struct kube_happening){"c", name, "Normal", "R", "m"};
    snprintf(other, sizeof(other), "%s",
             kube_correlate(correlator, &happening, now, &combined)->name);
    assert_int_equal(strlen(other), 253);
    memset(name + 232, '.', 10);
    happening.object = "d";
    snprintf(other, sizeof(other), "%s",
             kube_correlate(correlator, &happening, now, &combined)->name);
    assert_int_equal(strlen(other), 230 + 17);
    assert_null(strstr(other, "-.0"));
    kube_correlator_free(correlator);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_whole_event, tear_down),
        cmocka_unit_test_teardown(about_what_has_no_namespace, tear_down),
        cmocka_unit_test_teardown(again_is_a_count, tear_down),
        cmocka_unit_test_teardown(what_waits_is_counted_and_written_once, tear_down),
        cmocka_unit_test_teardown(one_that_is_gone_is_made_anew, tear_down),
        cmocka_unit_test_teardown(failures_are_counted, tear_down),
        cmocka_unit_test_teardown(messages_are_cut_between_characters, tear_down),
        cmocka_unit_test_teardown(similar_ones_are_combined, tear_down),
        cmocka_unit_test_teardown(one_object_has_a_burst, tear_down),
        cmocka_unit_test_teardown(the_queue_is_bounded, tear_down),
        cmocka_unit_test_teardown(stopping_takes_no_longer_than_two_seconds, tear_down),
        cmocka_unit_test_teardown(from_many_threads, tear_down),
        cmocka_unit_test(similar_ones_are_those_of_ten_minutes),
        cmocka_unit_test(a_burst_is_refilled),
        cmocka_unit_test(records_are_bounded),
        cmocka_unit_test(names),
    };

    return cmocka_run_group_tests_name("kube_events", tests, NULL, NULL);
}
