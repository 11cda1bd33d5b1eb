/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "kube/decoder.h"
#include "kube/parse.h"
#include "support.h"

static struct err err;

/* What was told: "ADDED a;" for each event, with the object's name. */
struct told {
    struct str text;
    int answer; /* of the callback from event `stop_at` on */
    unsigned count, stop_at;
};

static int tell(void *ctx, enum kube_event event, const struct json *object, struct err *why)
{
    static const char *const names[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"};
    struct told *told = ctx;

    if (event == KUBE_UNREADABLE) {
        assert_null(object);
        str_printf(&told->text, "? %s;", why->msg);
    } else {
        str_printf(&told->text, "%s %s;", names[event], json_text(object, "name"));
    }
    if (told->answer && ++told->count == told->stop_at) {
        err_set(why, ERR_INPUT, "enough");
        return told->answer;
    }
    return 0;
}

/* Feeds the text in pieces of `piece` bytes; returns the first answer that is not 0. */
static int feed(struct told *told, const char *text, size_t len, size_t piece, bool *between)
{
    struct kube_decoder *decoder = kube_decoder_new(tell, told);
    int rc = 0;

    for (size_t at = 0; at < len && !rc; at += piece) {
        size_t part = piece < len - at ? piece : len - at;
        cleanup_free char *copy = malloc(part); /* so that a byte too far is seen */

        memcpy(copy, text + at, part);
        rc = kube_decoder_feed(decoder, copy, part, &err);
    }
    *between = kube_decoder_between(decoder);
    kube_decoder_free(decoder);
    return rc;
}

#define EVENT(type, name) "{\"type\":\"" type "\",\"object\":{\"name\":\"" name "\"}}"

static void streams_in_all_pieces(void **state)
{
    static const struct {
        const char *stream, *want;
        int rc;
        bool between;
    } rows[] = {
        {"", "", 0, true},
        {"\n \r\t\n", "", 0, true},
        {EVENT("ADDED", "a") "\n", "ADDED a;", 0, true},
        {EVENT("ADDED", "a"), "ADDED a;", 0, true},
        {EVENT("MODIFIED", "a") EVENT("DELETED", "b"), "MODIFIED a;DELETED b;", 0, true},
        {"\n\n" EVENT("BOOKMARK", "a") "\r\n \n" EVENT("ERROR", "b") "\n", "BOOKMARK a;ERROR b;", 0,
         true},
        {EVENT("ADDED", "}]\\\"{[\\\\"), "ADDED }]\"{[\\;", 0, true},
        {EVENT("ADDED", "\xc3\xa9\\u00e9"), "ADDED \xc3\xa9\xc3\xa9;", 0, true},
        {"{ \"object\" : {\"x\": [{}, [[]], {\"y\":[1]}],\n \"name\":\"a\"}\n, "
         "\"type\":\n\"ADDED\"}",
         "ADDED a;", 0, true},
        /* the end in the middle */
        {EVENT("ADDED", "a") "\n{\"type\":\"ADDED\"", "ADDED a;", 0, false},
        {"{", "", 0, false},
        {"{\"type\":\"}", "", 0, false},
        {"{\"type\":\"\\\"}", "", 0, false},
        /* no stream of events */
        {EVENT("ADDED", "a") "\nI0101 error", "ADDED a;", -1, true},
        {"<html>", "", -1, true},
        {"[]", "", -1, true},
        {"}", "", -1, true},
        /* objects that are no events do not stop it */
        {"{}" EVENT("ADDED", "b"), "? an event without a type or an object;ADDED b;", 0, true},
        {"{\"type\":\"ADDED\",\"object\":null}" EVENT("ADDED", "b"),
         "? an event without a type or an object;ADDED b;", 0, true},
        {EVENT("RENAMED", "a") EVENT("ADDED", "b"),
         "? an event of the unknown type 'RENAMED';ADDED b;", 0, true},
        {"{]" EVENT("ADDED", "b"), "? no valid JSON at byte 2;ADDED b;", 0, true},
        {"{\"a\":1,\"a\":2}" EVENT("ADDED", "b"),
         "? the key \"a\" comes twice in an object;ADDED b;", 0, true},
        /* what anybody may have written into an object */
        {EVENT("ADDED", "a\\u0000b"),
         "ADDED a\xef\xbf\xbd"
         "b;",
         0, true},
        {"{\"type\":\"ADDED\",\"object\":{\"n\":9223372036854775807,\"name\":\"a\"}}", "ADDED a;",
         0, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t len = strlen(rows[i].stream);

        for (size_t piece = 1; piece <= len + 1; piece++) {
            struct told told = {.text = STR_INIT};
            bool between;
            int rc = feed(&told, rows[i].stream, len, piece, &between);

            if (rc != rows[i].rc || between != rows[i].between ||
                strcmp(str_get(&told.text), rows[i].want) != 0)
                fail_msg("row %zu in pieces of %zu: %d, %s", i, piece, rc, str_get(&told.text));
            str_free(&told.text);
        }
    }
}

static void the_callback_can_stop_it(void **state)
{
    static const char stream[] = EVENT("ADDED", "a") EVENT("ADDED", "b") EVENT("ADDED", "c");
    struct told told = {.text = STR_INIT, .answer = -7, .stop_at = 2};
    bool between;

    (void)state;
    assert_int_equal(feed(&told, stream, strlen(stream), sizeof(stream), &between), -7);
    assert_string_equal(str_get(&told.text), "ADDED a;ADDED b;");
    assert_string_equal(err.msg, "enough");
    str_free(&told.text);
}

/* One object of `len` bytes in all. */
static int feed_long(size_t len, struct told *told)
{
    static const char head[] = "{\"type\":\"ADDED\",\"object\":{\"name\":\"a\",\"long\":\"";
    static const char tail[] = "\"}}\n";
    cleanup_str struct str text = STR_INIT;
    bool between;

    str_puts(&text, head);
    while (text.len < len - strlen(tail) + 1)
        str_putc(&text, 'x');
    str_puts(&text, tail);
    return feed(told, text.data, text.len, 16384, &between);
}

static void long_objects(void **state)
{
    struct told told = {.text = STR_INIT};

    (void)state;
    assert_int_equal(feed_long(KUBE_OBJECT_MAX, &told), 0);
    assert_string_equal(str_get(&told.text), "ADDED a;");
    assert_int_equal(feed_long(KUBE_OBJECT_MAX + 1, &told), -1);
    assert_int_equal(err.class, ERR_LIMIT);
    assert_string_equal(str_get(&told.text), "ADDED a;");
    str_free(&told.text);
}

/* ---- what json_parse refuses ---- */

static void foreign_json(void **state)
{
    static const struct {
        const char *text, *want; /* NULL: refused */
    } rows[] = {
        {"{\"a\":\"x\\u0000y\\u0000\"}", "{\"a\":\"x\xef\xbf\xbdy\xef\xbf\xbd\"}"},
        {"{\"a\\u0000\":1}", "{\"a\xef\xbf\xbd\":1}"},
        {"[\"\\u0000\",\"\\\\u0000\",\"\\\\\\u0000\"]",
         "[\"\xef\xbf\xbd\",\"\\\\u0000\",\"\\\\\xef\xbf\xbd\"]"},
        {"[9223372036854775807,-9223372036854775808,9007199254740991]",
         "[9223372036854775807,-9223372036854775808,9007199254740991]"},
        {"[1e999,1.5,1,9007199254740993]", "[\"1e999\",1.5,1,9007199254740993]"},
        {"{\"9223372036854775807\":\"9223372036854775807\",\"n\":9223372036854775807,"
         "\"z\":\"\\u0000\"}",
         "{\"9223372036854775807\":\"9223372036854775807\",\"n\":9223372036854775807,"
         "\"z\":\"\xef\xbf\xbd\"}"},
        {"[123456789012345678901,-123456789012345678901,-12345678901234567890]",
         "[\"123456789012345678901\",\"-123456789012345678901\",-12345678901234567890]"},
        {"{\"a\":\"\\u0000", NULL},
        {"{\"a\":\"\\u0000\\", NULL},
        {"{\"a\":1,\"a\":\"\\u0000\"}", NULL},
        {"[01]", NULL},
        {"[\"\xff\"]", NULL},
        {"[-]", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_json struct json *json = kube_parse(rows[i].text, strlen(rows[i].text), NULL, &err);
        cleanup_str struct str out = STR_INIT;

        if (json)
            json_print(json, 0, &out);
        if (!json != !rows[i].want || (json && strcmp(str_get(&out), rows[i].want) != 0))
            fail_msg("row %zu: %s", i, json ? str_get(&out) : err.msg);
    }
}

static void arrays_that_nobody_reads(void **state)
{
    static const char *const unread[] = {"containers", "x", NULL};
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"{\"metadata\":{\"managedFields\":[{\"a\":[\"]\"]}],\"name\":\"n\"}}",
         "{\"metadata\":{\"managedFields\":[],\"name\":\"n\"}}"},
        {"{\"containers\":[{\"x\":[1]},2],\"y\":[3],\"x\":[[4],5]}",
         "{\"containers\":[],\"y\":[3],\"x\":[]}"},
        {"{\"containers\":{\"x\":1},\"myx\":[1],\"X\":[2]}",
         "{\"containers\":{\"x\":1},\"myx\":[1],\"X\":[2]}"},
        {"{\"a\":\"{\\\"x\\\":[1]\",\"x\":[]}", "{\"a\":\"{\\\"x\\\":[1]\",\"x\":[]}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_json struct json *json =
            kube_parse(rows[i].text, strlen(rows[i].text), unread, &err);
        cleanup_str struct str out = STR_INIT;

        assert_non_null(json);
        json_print(json, 0, &out);
        assert_string_equal(str_get(&out), rows[i].want);
    }
    assert_null(kube_parse("{\"x\":[1", 7, unread, &err));
    assert_null(kube_parse("\":[1]", 6, unread, &err));
}

static bool is_seven(void *ctx, const char *ns, const char *name, const char *version)
{
    (void)ctx;
    assert_string_equal(ns, "n");
    assert_string_equal(name, "a");
    return strcmp(version, "7") == 0;
}

#define VERSION(type, version) \
    "{\"type\":\"" type "\",\"object\":{\"name\":\"" version "\",\"metadata\":{" \
    "\"name\":\"a\",\"namespace\":\"n\",\"resourceVersion\":\"" version "\"}}}"

/* What is known is not told again, but for its end. */
static void known_events(void **state)
{
    static const char text[] = VERSION("ADDED", "6") VERSION("ADDED", "7") VERSION("MODIFIED", "7")
        VERSION("MODIFIED", "8") VERSION("DELETED", "7") EVENT("ADDED", "b");
    struct told told = {.text = STR_INIT};
    struct kube_decoder *decoder = kube_decoder_new(tell, &told);

    (void)state;
    kube_decoder_spare(decoder, is_seven, NULL);
    assert_int_equal(kube_decoder_feed(decoder, text, strlen(text), &err), 0);
    assert_string_equal(str_get(&told.text), "ADDED 6;MODIFIED 8;DELETED 7;ADDED b;");
    kube_decoder_free(decoder);
    str_free(&told.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_in_all_pieces),
        cmocka_unit_test(the_callback_can_stop_it),
        cmocka_unit_test(long_objects),
        cmocka_unit_test(foreign_json),
        cmocka_unit_test(arrays_that_nobody_reads),
        cmocka_unit_test(known_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
