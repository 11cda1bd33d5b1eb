/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reflector against a script: this program has its own kube_list and kube_watch, which take the
 * place of the client's. Each request takes the next step and leaves a line in the log; behind the
 * last step the server is silent.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "kube/reflector_private.h"
#include "support.h"

#include <pthread.h>

#define THING(name, version) \
    "{\"kind\":\"Thing\",\"apiVersion\":\"g.io/v1\",\"metadata\":{\"name\":\"" name \
    "\",\"resourceVersion\":\"" version "\"}}"
#define EVENT(type, name, version) "{\"type\":\"" type "\",\"object\":" THING(name, version) "}\n"
#define BOOKMARK(version) \
    "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Thing\",\"metadata\":{\"resourceVersion\":" \
    "\"" version "\"}}}\n"
#define END(version) \
    "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Thing\",\"metadata\":{\"resourceVersion\":" \
    "\"" version "\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}\n"
#define ERROR(code, reason) \
    "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":" #code ",\"reason\":\"" reason \
    "\",\"message\":\"no more\"}}\n"
#define PAGE(items, metadata) "{\"metadata\":{" metadata "},\"items\":" items "}"
#define ITEM(name) "{\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"1\"}}"
#define STATE EVENT("ADDED", "a", "3") EVENT("ADDED", "b", "2") END("5")

/* ---- the server ---- */

struct step {
    enum kube_reason reason; /* the request fails, for a watch after its body */
    const char *body;
    bool stays; /* it is not ended before hang_up */
    unsigned lasts_ms;
};

struct kube_conn {
    bool cancelled;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static const struct step *script;
static size_t step_count, step_at;
static struct str requests, problems, told;
static unsigned changes;
static bool hung_up;

struct kube_conn *kube_conn_new(struct kube_client *client)
{
    (void)client;
    return calloc(1, sizeof(struct kube_conn));
}

void kube_conn_free(struct kube_conn *conn)
{
    free(conn);
}

void kube_conn_cancel(struct kube_conn *conn)
{
    pthread_mutex_lock(&lock);
    conn->cancelled = true;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&lock);
}

/* The next step; behind the last one until it is cancelled. */
static const struct step *take_step(struct kube_conn *conn)
{
    static const struct step cancelled = {.reason = KUBE_CANCELLED};

    while (step_at == step_count && !conn->cancelled)
        pthread_cond_wait(&cond, &lock);
    return conn->cancelled ? &cancelled : &script[step_at++];
}

static int answer(const struct step *step, struct err *err)
{
    if (step->reason)
        err_set(err, ERR_IO, "the script says %s", kube_reason_name(step->reason));
    return -(int)step->reason;
}

int kube_list(struct kube_conn *conn, const struct kube_selection *what, unsigned limit,
              const char *version, const char *continue_token, struct json **out, struct err *err)
{
    const struct step *step;

    pthread_mutex_lock(&lock);
    str_printf(&requests, "list %u%s%s%s%s;", limit, version ? " at " : "", version ? version : "",
               continue_token ? " from " : "", continue_token ? continue_token : "");
    step = take_step(conn);
    pthread_mutex_unlock(&lock);
    if (what->resource->plural && !step->reason)
        *out = json_parse(step->body, strlen(step->body), err);
    return answer(step, err);
}

int kube_watch(struct kube_conn *conn, const struct kube_selection *what,
               const struct kube_watch_options *options, kube_bytes_fn *bytes, void *ctx,
               struct err *err)
{
    const struct step *step;
    const char *body;
    int ended;

    (void)what;
    pthread_mutex_lock(&lock);
    str_printf(&requests, "watch %s%s;", options->initial_events ? "initial" : "from ",
               options->version ? options->version : "");
    if (options->timeout_seconds < 300 || options->timeout_seconds > 600)
        str_puts(&requests, "for too long;");
    step = take_step(conn);
    pthread_mutex_unlock(&lock);
    body = step->body ? step->body : "";
    usleep(step->lasts_ms * 1000);
    ended = bytes(ctx, body, strlen(body) / 2) ||
            bytes(ctx, body + strlen(body) / 2, strlen(body) - strlen(body) / 2);
    pthread_mutex_lock(&lock);
    while (!ended && step->stays && !hung_up && !conn->cancelled)
        pthread_cond_wait(&cond, &lock);
    hung_up = false;
    pthread_mutex_unlock(&lock);
    return ended ? 0 : answer(step, err);
}

static void hang_up(void)
{
    pthread_mutex_lock(&lock);
    hung_up = true;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&lock);
}

/* More of the same script. */
static void go_on(const struct step *steps, size_t count)
{
    pthread_mutex_lock(&lock);
    script = steps;
    step_count = count;
    step_at = 0;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&lock);
}

/* ---- the program ---- */

static const struct kube_resource things = {"g.io", "v1", "things", "Thing", false};
static const struct reflector_times quick = {
    .backoff_first_ms = 5,
    .backoff_max_ms = 20,
    .backoff_quiet_ms = 10000,
    .short_ms = 500,
    .unserved_ms = 60000,
    .search_ms = 60000,
    .search_first_ms = 5,
    .search_max_ms = 20,
};

static struct kube_store *store;
static struct kube_reflector *reflector;

static void on_change(void *ctx, const struct json *before, const struct json *after)
{
    (void)ctx;
    pthread_mutex_lock(&lock);
    str_printf(&told, "%c%s ",
               !before  ? '+'
               : !after ? '-'
                        : '~',
               json_text(after ? after : before, "metadata.name"));
    pthread_mutex_unlock(&lock);
}

static void on_changed(void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&lock);
    changes++;
    pthread_mutex_unlock(&lock);
}

static void on_problem(void *ctx, const char *message)
{
    (void)ctx;
    pthread_mutex_lock(&lock);
    str_printf(&problems, "%s;", message);
    pthread_mutex_unlock(&lock);
}

static int set_up(void **state)
{
    const struct kube_store_config config = {.change = on_change};

    (void)state;
    store = kube_store_new(&config);
    return 0;
}

static void stop(void)
{
    if (reflector)
        kube_reflector_stop(reflector);
    kube_reflector_free(reflector);
    reflector = NULL;
}

static int tear_down(void **state)
{
    (void)state;
    stop();
    kube_store_free(store);
    str_free(&requests);
    str_free(&problems);
    str_free(&told);
    changes = 0;
    hung_up = false;
    return 0;
}

static void start(const struct step *steps, size_t count, bool optional,
                  const struct reflector_times *times)
{
    const struct kube_reflector_config config = {
        .what = {.resource = &things},
        .store = store,
        .optional = optional,
        .changed = on_changed,
        .problem = on_problem,
    };
    struct err err;

    go_on(steps, count);
    reflector = reflector_start(&config, times, &err);
    assert_non_null(reflector);
}

#define START(steps) start(steps, COUNT(steps), false, &quick)

static bool says(const struct str *text, const char *want)
{
    bool is;

    pthread_mutex_lock(&lock);
    is = strcmp(str_get(text), want) == 0;
    pthread_mutex_unlock(&lock);
    return is;
}

/* Waits until a text is complete, which then is cleared. */
static void assert_comes(struct str *text, const char *want)
{
    char got[1024];

    for (unsigned ms = 0; ms < 5000 && !says(text, want); ms++)
        usleep(1000);
    pthread_mutex_lock(&lock);
    snprintf(got, sizeof(got), "%s", str_get(text));
    str_clear(text);
    pthread_mutex_unlock(&lock);
    assert_string_equal(got, want);
}

static void assert_changed(unsigned want)
{
    unsigned got = 0;

    for (unsigned ms = 0; ms < 5000 && got < want; ms++) {
        usleep(1000);
        pthread_mutex_lock(&lock);
        got = changes;
        pthread_mutex_unlock(&lock);
    }
    assert_int_equal(got, want);
}

static void assert_store(const char *want)
{
    cleanup_json struct json *all = kube_store_all(store);
    cleanup_str struct str names = STR_INIT;

    for (const struct json *object = json_first(all); object; object = json_next(object))
        str_printf(&names, "%s ", json_text(object, "metadata.name"));
    assert_string_equal(str_get(&names), want);
}

/* ---- the state ---- */

static void events_bring_the_state_and_changes(void **state)
{
    static const struct step first[] = {{.body = EVENT("ADDED", "a", "9"), .stays = true}};
    static const struct step second[] = {
        {.body = STATE EVENT("MODIFIED", "b", "6") EVENT("DELETED", "a", "7"), .stays = true}};

    (void)state;
    START(first);
    assert_comes(&told, "+a ");
    assert_false(kube_reflector_synced(reflector));
    assert_true(kube_reflector_served(reflector));
    go_on(NULL, 0);
    stop();
    assert_int_equal(changes, 0);
    str_clear(&requests);
    START(second);
    assert_comes(&told, "~a +b ~b -a ");
    assert_true(kube_reflector_synced(reflector));
    assert_comes(&requests, "watch initial;");
    assert_int_equal(changes, 1);
    assert_int_equal(kube_reflector_restarts(reflector), 0);
    hang_up(); /* it goes on from the last version, at once and without a problem */
    assert_comes(&requests, "watch from 7;");
    assert_store("b ");
    assert_string_equal(str_get(&problems), "");
}

static void refused_events_mean_lists(void **state)
{
    static const struct step steps[] = {
        {.reason = KUBE_INVALID},
        {.body = PAGE("[" ITEM("a") "," ITEM("b") "]",
                      "\"continue\":\"T1\",\"resourceVersion\":\"4\"")},
        {.body = PAGE("[" ITEM("c") "]", "\"continue\":\"T2\",\"resourceVersion\":\"4\"")},
        {.body = PAGE("null", "\"continue\":\"\",\"resourceVersion\":\"4\"")},
        {.body = EVENT("ADDED", "d", "5") ERROR(410, "Expired")},
        {.body = PAGE("[" ITEM("b") "," ITEM("c") "," ITEM("d") "]", "\"resourceVersion\":\"8\"")},
    };
    cleanup_json struct json *got = NULL;

    (void)state;
    START(steps);
    assert_comes(&requests, "watch initial;list 100;list 100 from T1;list 100 from T2;"
                            "watch from 4;list 100;watch from 8;");
    assert_comes(&told, "+a +b +c +d ~d -a ");
    assert_int_equal(changes, 1);
    got = kube_store_get(store, NULL, "b");
    assert_string_equal(json_text(got, "kind"), "Thing");
    assert_string_equal(json_text(got, "apiVersion"), "g.io/v1");
}

static void an_error_event_may_refuse_too(void **state)
{
    static const struct step steps[] = {
        {.body = ERROR(422, "Invalid")},
        {.body = PAGE("[]", "\"resourceVersion\":\"1\"")},
    };

    (void)state;
    START(steps);
    assert_comes(&requests, "watch initial;list 100;watch from 1;");
    assert_int_equal(kube_reflector_restarts(reflector), 0);
}

/* As with an etcd that is too old; and it is not asked again. */
static void an_error_of_the_server_refuses_too(void **state)
{
    static const struct step steps[] = {
        {.body = ERROR(500, "InternalError")},
        {.body = PAGE("[]", "\"resourceVersion\":\"1\"")},
        {.reason = KUBE_EXPIRED},
        {.body = PAGE("[]", "\"resourceVersion\":\"2\"")},
    };

    (void)state;
    START(steps);
    assert_comes(&requests, "watch initial;list 100;watch from 1;list 100;watch from 2;");
    assert_comes(&problems, "the script says Expired;");
}

/* What may be due to the initial events is tried by a list; what may not is tried again. */
static void states_that_fail(void **state)
{
    static const struct {
        struct step step;
        const char *next;
    } rows[] = {
        {{.reason = KUBE_TRANSPORT}, "watch initial;"},
        {{.reason = KUBE_FORBIDDEN}, "watch initial;"},
        {{.reason = KUBE_TOO_MANY_REQUESTS}, "watch initial;"},
        {{.body = ERROR(429, "TooManyRequests")}, "watch initial;"},
        {{.reason = KUBE_SERVER}, "list 100;"},
        {{.reason = KUBE_OTHER}, "list 100;"},
        {{.body = "<html>"}, "list 100;"},
        {{.body = EVENT("ADDED", "a", "1") ERROR(500, "InternalError")}, "list 100;"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct step steps[] = {rows[i].step, {.reason = KUBE_TRANSPORT}};
        cleanup_str struct str want = STR_INIT;

        str_printf(&want, "watch initial;%swatch initial;", rows[i].next);
        START(steps);
        assert_comes(&requests, str_get(&want));
        tear_down(state);
        set_up(state);
    }
}

static void a_page_that_expired(void **state)
{
    static const struct step steps[] = {
        {.reason = KUBE_BAD_REQUEST},
        {.body = PAGE("[" ITEM("a") "]", "\"continue\":\"T1\"")},
        {.reason = KUBE_EXPIRED},
        {.body = PAGE("[" ITEM("b") "]", "\"resourceVersion\":\"6\"")},
    };

    (void)state;
    START(steps);
    assert_comes(&requests, "watch initial;list 100;list 100 from T1;list 0;watch from 6;");
    assert_store("b ");
}

static void a_list_that_fails_is_begun_anew(void **state)
{
    static const struct step steps[] = {
        {.reason = KUBE_BAD_REQUEST},
        {.reason = KUBE_EXPIRED}, /* at its first page */
        {.body = PAGE("[" ITEM("a") "]", "\"continue\":\"T1\"")},
        {.reason = KUBE_TRANSPORT},
        {.body = PAGE("[" ITEM("b") "]", "\"resourceVersion\":\"6\"")},
    };

    (void)state;
    START(steps);
    assert_comes(&requests,
                 "watch initial;list 100;list 100;list 100 from T1;list 100;watch from 6;");
    assert_store("b ");
    assert_comes(&problems, "the script says Expired;the script says Transport;");
    assert_int_equal(kube_reflector_restarts(reflector), 2);
}

static void a_state_that_breaks_off(void **state)
{
    static const struct step steps[] = {
        {.body = EVENT("ADDED", "a", "3"), .reason = KUBE_TRANSPORT},
        {.body = EVENT("ADDED", "b", "3") BOOKMARK("4")}, /* ended in order, but too early */
        {.body = PAGE("[" ITEM("b") "," ITEM("c") "]", "\"resourceVersion\":\"6\"")},
        {.reason = KUBE_EXPIRED},
        {.body = EVENT("ADDED", "b", "7") END("7"), .stays = true},
    };

    (void)state;
    START(steps);
    assert_comes(&requests, "watch initial;watch initial;list 100;watch from 6;watch initial;");
    assert_comes(&told, "+a +b ~b +c -a ~b -c ");
}

/* ---- what a watch may end with ---- */

static void ends_of_a_watch(void **state)
{
    static const struct {
        struct step step; /* after a whole state */
        const char *next, *problem;
    } rows[] = {
        {{.lasts_ms = 510}, "watch from 5;", ""},
        {{.body = EVENT("ADDED", "c", "6")}, "watch from 6;", ""},
        {{.body = BOOKMARK("0x-7")}, "watch from 0x-7;", ""},
        {{.body = ""}, "watch from 5;", "the watch of things ended at once without an event;"},
        {{.reason = KUBE_TRANSPORT}, "watch from 5;", "the script says Transport;"},
        {{.body = EVENT("ADDED", "c", "6"), .reason = KUBE_TRANSPORT},
         "watch from 6;",
         "the script says Transport;"},
        {{.body = EVENT("ADDED", "c", "6") "{\"type\":\"ADD"},
         "watch from 6;",
         "the watch of things was cut in the middle of an event;"},
        {{.body = "{\"type\":\"X\",\"object\":{}}" EVENT("ADDED", "c", "6")},
         "watch from 6;",
         "an object in the watch of things cannot be read and is left out: an event of the unknown "
         "type 'X';"},
        {{.body = EVENT("ADDED", "c", "6") "<html>"},
         "watch initial;",
         "cannot read the watch of things: a watch sent what is no JSON object;"},
        {{.reason = KUBE_EXPIRED}, "watch initial;", "the script says Expired;"},
        {{.reason = KUBE_NOT_FOUND}, "watch initial;", "the script says NotFound;"},
        {{.reason = KUBE_BAD_REQUEST}, "watch initial;", "the script says BadRequest;"},
        {{.reason = KUBE_VERSION_TOO_LARGE},
         "watch initial;",
         "the script says ResourceVersionTooLarge;"},
        {{.reason = KUBE_FORBIDDEN}, "watch from 5;", "the script says Forbidden;"},
        {{.reason = KUBE_TOO_MANY_REQUESTS}, "watch from 5;", "the script says TooManyRequests;"},
        {{.body = ERROR(410, "Gone")},
         "watch initial;",
         "the server ended the watch of things: no more (410 Expired);"},
        {{.body = EVENT("ADDED", "c", "6") ERROR(429, "TooManyRequests")},
         "watch from 6;",
         "the server ended the watch of things: no more (429 TooManyRequests);"},
        {{.body = ERROR(500, "InternalError")},
         "watch from 5;",
         "the server ended the watch of things: no more (500 ServerError);"},
        {{.body = ERROR(418, "Teapot")},
         "watch initial;",
         "the server ended the watch of things: no more (418 Other);"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct step steps[] = {{.body = STATE}, rows[i].step};
        cleanup_str struct str want = STR_INIT;

        str_printf(&want, "watch initial;watch from 5;%s", rows[i].next);
        START(steps);
        assert_comes(&requests, str_get(&want));
        stop();
        if (strcmp(str_get(&problems), rows[i].problem) != 0)
            fail_msg("row %zu: %s", i, str_get(&problems));
        tear_down(state);
        set_up(state);
    }
}

static void the_servers_own_errors_are_bounded(void **state)
{
    static const struct step steps[] = {
        {.body = STATE},          {.reason = KUBE_SERVER},
        {.reason = KUBE_TIMEOUT}, {.body = EVENT("ADDED", "c", "6")},
        {.reason = KUBE_SERVER},  {.reason = KUBE_SERVER},
        {.reason = KUBE_SERVER},  {.reason = KUBE_SERVER},
        {.reason = KUBE_SERVER},  {.body = ERROR(500, "InternalError")},
    };

    (void)state;
    START(steps);
    assert_comes(&requests, "watch initial;watch from 5;watch from 5;watch from 5;watch from 6;"
                            "watch from 6;watch from 6;watch from 6;watch from 6;watch from 6;"
                            "watch initial;");
}

static void stale_and_repeated_events(void **state)
{
    static const struct step steps[] = {
        {.body = STATE EVENT("ADDED", "a", "3") EVENT("MODIFIED", "a", "3")
             EVENT("DELETED", "b", "4") EVENT("DELETED", "b", "4") EVENT("DELETED", "x", "4"),
         .stays = true},
    };

    (void)state;
    START(steps);
    assert_comes(&told, "+a +b -b ");
    assert_store("a ");
}

/* ---- a kind that may not be there ---- */

static void a_kind_appears_and_goes(void **state)
{
    static const struct step away[] = {{.reason = KUBE_NOT_FOUND}};
    static const struct step comes[] = {
        {.reason = KUBE_NOT_FOUND}, {.reason = KUBE_NOT_FOUND}, {.body = STATE, .stays = true}};
    static const struct step goes[] = {{.reason = KUBE_NOT_FOUND}};

    (void)state;
    start(away, COUNT(away), true, &quick);
    assert_false(kube_reflector_served(reflector));
    for (unsigned ms = 0; ms < 5000 && !kube_reflector_synced(reflector); ms++)
        usleep(1000);
    assert_true(kube_reflector_synced(reflector));
    assert_comes(&requests, "watch initial;");
    assert_changed(1);          /* that is told after it can be seen */
    go_on(comes, COUNT(comes)); /* nobody looks before the minute is over */
    usleep(50000);
    assert_comes(&requests, "");
    kube_reflector_wake(reflector);
    assert_comes(&requests, "watch initial;watch initial;watch initial;");
    for (unsigned ms = 0; ms < 5000 && !kube_reflector_served(reflector); ms++)
        usleep(1000);
    assert_true(kube_reflector_served(reflector));
    assert_comes(&told, "+a +b ");
    go_on(goes, COUNT(goes));
    hang_up();
    for (unsigned ms = 0; ms < 5000 && kube_reflector_served(reflector); ms++)
        usleep(1000);
    assert_false(kube_reflector_served(reflector));
    assert_store("");
    assert_int_equal(strlen(str_get(&told)), strlen("-a -b "));
    stop();
    assert_int_equal(changes, 3);
    assert_string_equal(str_get(&problems), "");
}

/* ---- the end ---- */

static void it_stops_whatever_it_is_in(void **state)
{
    static const struct reflector_times slow = {
        .backoff_first_ms = 60000, .backoff_max_ms = 60000, .unserved_ms = 60000};
    static const struct {
        struct step step;
        const char *problem;
    } rows[] = {
        {{.reason = KUBE_TRANSPORT}, "the script says Transport;"}, /* in the pause */
        {{.body = STATE, .stays = true}, ""},
        {{.reason = KUBE_NOT_FOUND}, ""},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct step steps[] = {rows[i].step};
        uint64_t began;

        start(steps, COUNT(steps), true, &slow);
        assert_comes(&requests, "watch initial;");
        assert_comes(&problems, rows[i].problem);
        usleep(10000);
        began = clock_ms();
        stop();
        assert_true(clock_ms() - began < 2000);
        assert_string_equal(str_get(&problems), ""); /* to be stopped is none */
        tear_down(state);
        set_up(state);
    }
}

/* Another reflector's thread may ask after this one while all of them are being stopped. */
static void one_that_is_stopped_can_be_asked(void **state)
{
    static const struct step steps[] = {{.body = STATE, .stays = true}};
    char *version;

    (void)state;
    start(steps, COUNT(steps), true, &quick);
    assert_comes(&requests, "watch initial;");
    for (int i = 0; i < 1000 && !kube_reflector_synced(reflector); i++)
        usleep(10000);
    kube_reflector_stop(reflector);
    assert_true(kube_reflector_synced(reflector));
    assert_true(kube_reflector_served(reflector));
    assert_int_equal(kube_reflector_restarts(reflector), 0);
    version = kube_reflector_version(reflector);
    assert_non_null(version);
    free(version);
    kube_reflector_wake(reflector);
    kube_reflector_free(reflector);
    reflector = NULL;
}

static void pauses(void **state)
{
    struct backoff backoff = {.first_ms = 800, .max_ms = 30000, .quiet_ms = 120000};
    static const unsigned want[] = {800, 1600, 3200, 6400, 12800, 25600, 30000, 30000};
    uint64_t now = 1000;

    (void)state;
    for (size_t i = 0; i < COUNT(want); i++) {
        unsigned wait = backoff_next(&backoff, now);

        if (wait < want[i] || wait > 2 * want[i])
            fail_msg("pause %zu: %u", i, wait);
        now += wait;
    }
    assert_true(backoff_next(&backoff, now + 119999 - 60000) >= 30000);
    assert_true(backoff_next(&backoff, now + 240000) <= 1600);
    assert_int_equal(backoff_random(0), 0);
    assert_int_equal(backoff_random(1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(events_bring_the_state_and_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refused_events_mean_lists, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_error_event_may_refuse_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_error_of_the_server_refuses_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(states_that_fail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_page_that_expired, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_list_that_fails_is_begun_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_state_that_breaks_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ends_of_a_watch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_servers_own_errors_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stale_and_repeated_events, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_kind_appears_and_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_stops_whatever_it_is_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_stopped_can_be_asked, set_up, tear_down),
        cmocka_unit_test(pauses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
