/* SPDX-License-Identifier: Apache-2.0 */
#include "redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void collect(const char *line, size_t len, void *arg)
{
    assert_int_equal(line[len - 1], '\n');
    str_append(arg, line, len);
}

/* Feeds `text` in pieces of `step` bytes and compares what comes out. */
static void check(const char *text, size_t step, const char *want)
{
    struct redact redact = REDACT_INIT;
    cleanup_str struct str got = STR_INIT;

    for (size_t at = 0, len = strlen(text); at < len; at += step)
        redact_feed(&redact, text + at, step < len - at ? step : len - at, collect, &got);
    redact_end(&redact, collect, &got);
    assert_string_equal(str_get(&got), want);
}

static void test_query(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", ""},
        {"\n", "\n"},
        {"plain line\n", "plain line\n"},
        {"for /a?x-kubevirt-export-token=S, terminating\n", "for /a?- terminating\n"},
        {"GET /a?t=S HTTP/1.1\n", "GET /a?- HTTP/1.1\n"},
        {"{\"path\":\"/a?t=S\",\"status\":200}\n", "{\"path\":\"/a?-\",\"status\":200}\n"},
        {"at the end /a?t=S\nnext /b\n", "at the end /a?-\nnext /b\n"},
        {"two /a?t=S /b?u=S end\n", "two /a?- /b?- end\n"},
        {"/a?t=S?u=S end\n", "/a?- end\n"},
        {"/a?q='&t=S end\n", "/a?- end\n"},
        {"no line break /a?t=S", "no line break /a?-\n"},
        {"?\n", "?-\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t step = 1; step < 60; step++)
            check(rows[i].text, step, rows[i].want);
}

static void test_nul_does_not_end_a_query(void **state)
{
    static const char text[] = "/a?t=\0SECRET end\n";
    struct redact redact = REDACT_INIT;
    cleanup_str struct str got = STR_INIT;

    (void)state;
    redact_feed(&redact, text, sizeof(text) - 1, collect, &got);
    redact_end(&redact, collect, &got);
    assert_string_equal(str_get(&got), "/a?- end\n");
}

static void test_long_line_is_cut(void **state)
{
    struct redact redact = REDACT_INIT;
    cleanup_str struct str got = STR_INIT;

    (void)state;
    for (size_t i = 0; i < 3 * REDACT_LINE_MAX; i++)
        redact_feed(&redact, "x", 1, collect, &got);
    assert_int_equal(got.len, 0);
    redact_feed(&redact, "\nshort\n", 7, collect, &got);
    redact_end(&redact, collect, &got);
    assert_int_equal(got.len, REDACT_LINE_MAX + 1 + strlen("short\n"));
    assert_string_equal(got.data + REDACT_LINE_MAX, "\nshort\n");
}

static void test_query_across_the_cut(void **state)
{
    struct redact redact = REDACT_INIT;
    cleanup_str struct str text = STR_INIT, got = STR_INIT;

    (void)state;
    for (size_t i = 0; i < REDACT_LINE_MAX - 10; i++)
        str_putc(&text, 'x');
    str_puts(&text, "?token=SECRETSECRET\n");
    redact_feed(&redact, text.data, text.len, collect, &got);
    redact_end(&redact, collect, &got);
    assert_null(strstr(got.data, "SEC"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_nul_does_not_end_a_query),
        cmocka_unit_test(test_long_line_is_cut),
        cmocka_unit_test(test_query_across_the_cut),
    };

    return cmocka_run_group_tests_name("redact", tests, NULL, NULL);
}
