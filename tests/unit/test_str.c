/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/str.h"
#include "support.h"

static void empty_strings(void **state)
{
    cleanup_str struct str s = STR_INIT;
    cleanup_free char *stolen = NULL;

    (void)state;
    assert_string_equal(str_get(&s), "");
    str_clear(&s);
    str_append(&s, NULL, 0);
    assert_string_equal(str_get(&s), "");
    str_free(&s);
    stolen = str_steal(&s);
    assert_string_equal(stolen, "");
    assert_null(s.data);
}

static void growing(void **state)
{
    cleanup_str struct str s = STR_INIT;

    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        str_putc(&s, (char)('a' + i % 26));
        assert_int_equal(s.len, i + 1);
        assert_int_equal(s.data[i + 1], '\0');
        assert_true(s.cap > s.len);
    }
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(s.data[i], 'a' + i % 26);
    str_clear(&s);
    assert_string_equal(str_get(&s), "");
    str_append(&s, "a\0b", 3);
    assert_int_equal(s.len, 3);
    assert_memory_equal(s.data, "a\0b", 4);
}

static void stealing(void **state)
{
    cleanup_str struct str s = STR_INIT;
    cleanup_free char *stolen = NULL;

    (void)state;
    str_puts(&s, "mine");
    stolen = str_steal(&s);
    str_puts(&s, "other");
    assert_string_equal(stolen, "mine");
    assert_string_equal(s.data, "other");
}

static void printf_of_any_length(void **state)
{
    (void)state;
    for (int width = 1; width < 600; width += 7) {
        cleanup_str struct str s = STR_INIT;

        str_printf(&s, "%s", "");
        str_printf(&s, "%*d|%s", width, 7, "end");
        assert_int_equal(s.len, (size_t)width + 4);
        assert_string_equal(s.data + width - 1, "7|end");
    }
}

struct row {
    const char *in, *want;
};

typedef void escape_fn(struct str *s, const char *text);

static void check(escape_fn *escape, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cleanup_str struct str got = STR_INIT;

        escape(&got, rows[i].in);
        assert_string_equal(str_get(&got), rows[i].want);
    }
}

static void html(void **state)
{
    static const struct row rows[] = {
        {"", ""},
        {"plain", "plain"},
        {"<a href=\"x\">'&'</a>", "&lt;a href=&#34;x&#34;&gt;&#39;&amp;&#39;&lt;/a&gt;"},
        {"&amp;", "&amp;amp;"},
        {"\xc3\xa9\xff\n", "\xc3\xa9\xff\n"},
    };

    (void)state;
    check(str_html, rows, COUNT(rows));
}

/* What Go's url.URL.EscapedPath gives. */
static void url_paths(void **state)
{
    static const struct row rows[] = {
        {"", ""},
        {"/a/b-_.~c", "/a/b-_.~c"},
        {"$&+,/:;=@", "$&+,/:;=@"},
        {"a b?c#d", "a%20b%3Fc%23d"},
        {"100%", "100%25"},
        {"\"<>\\^`{|}[]", "%22%3C%3E%5C%5E%60%7B%7C%7D%5B%5D"},
        {"!*'()", "%21%2A%27%28%29"},
        {"\xc3\xa9\xff\x80\x01\x7f\n", "%C3%A9%FF%80%01%7F%0A"},
    };

    (void)state;
    check(str_url_path, rows, COUNT(rows));
}

static void json_strings(void **state)
{
    static const struct row rows[] = {
        {"", ""},
        {"a/b", "a/b"},
        {"\"\\", "\\\"\\\\"},
        {"\n\t\x01\x1f\x7f", "\\n\\t\\u0001\\u001f\\u007f"},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"a\xff"
         "b",
         "a\xef\xbf\xbd"
         "b"},
        {"\xc3", "\xef\xbf\xbd"},
        {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xc3\"", "\xef\xbf\xbd\\\""}, /* the quote is not taken for a part of the character */
    };

    (void)state;
    check(str_json, rows, COUNT(rows));
}

/* RFC 3629 §4, at the border of each row. */
static void utf8(void **state)
{
    static const char *const good[] = {
        "",
        "\x01",
        "\x7f",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xe0\xbf\xbf",
        "\xe1\x80\x80",
        "\xec\xbf\xbf",
        "\xed\x80\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf0\xbf\xbf\xbf",
        "\xf1\x80\x80\x80",
        "\xf3\xbf\xbf\xbf",
        "\xf4\x80\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "a\xc3\xa9z",
    };
    static const char *const bad[] = {
        "\x80", /* continues nothing */
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf", /* overlong */
        "\xc2",
        "\xc2"
        "a",
        "\xc2\xc0",
        "\xdf\xbf\xbf",
        "\xe0\x9f\xbf", /* overlong */
        "\xe0\xa0",
        "\xe1\x80",
        "\xe1\x80\xc0",
        "\xed\xa0\x80", /* a surrogate */
        "\xed\xbf\xbf",
        "\xef\xbf",
        "\xf0\x8f\xbf\xbf", /* overlong */
        "\xf0\x90\x80",
        "\xf0\x90\x80"
        "a",
        "\xf1\x80\x80\x7f",
        "\xf4\x90\x80\x80", /* beyond U+10FFFF */
        "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xff",
        "\xfe",
        "a\xc3",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        if (!str_is_utf8(good[i]))
            fail_msg("good row %zu", i);
    for (size_t i = 0; i < COUNT(bad); i++)
        if (str_is_utf8(bad[i]))
            fail_msg("bad row %zu", i);
}

static void starts_and_ends(void **state)
{
    (void)state;
    assert_true(str_starts("abc", ""));
    assert_true(str_starts("abc", "abc"));
    assert_false(str_starts("abc", "abcd"));
    assert_false(str_starts("", "a"));
    assert_true(str_ends("abc", ""));
    assert_true(str_ends("abc", "abc"));
    assert_true(str_ends("abcbc", "bc"));
    assert_false(str_ends("abc", "xabc"));
    assert_false(str_ends("", "a"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_strings),
        cmocka_unit_test(growing),
        cmocka_unit_test(stealing),
        cmocka_unit_test(printf_of_any_length),
        cmocka_unit_test(html),
        cmocka_unit_test(url_paths),
        cmocka_unit_test(json_strings),
        cmocka_unit_test(utf8),
        cmocka_unit_test(starts_and_ends),
    };

    return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
