/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"
#include "support.h"

static void both_ways(void **state)
{
    /* RFC 4648 §10, and all bits */
    static const struct {
        const char *bytes, *text;
    } rows[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xff\xef\xbe\xfb", "/++++w=="},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_str struct str text = STR_INIT, bytes = STR_INIT;

        str_puts(&text, "before:");
        str_puts(&bytes, "before:");
        base64_encode(rows[i].bytes, strlen(rows[i].bytes), &text);
        assert_string_equal(text.data + 7, rows[i].text);
        assert_int_equal(base64_decode(rows[i].text, &bytes), 0);
        assert_int_equal(bytes.len, 7 + strlen(rows[i].bytes));
        assert_string_equal(bytes.data + 7, rows[i].bytes);
    }
}

static void every_length(void **state)
{
    uint8_t data[300];

    (void)state;
    fill_noise(data, sizeof(data), 7);
    for (size_t len = 0; len <= sizeof(data); len++) {
        cleanup_str struct str text = STR_INIT, bytes = STR_INIT;

        base64_encode(data, len, &text);
        assert_int_equal(text.len, (len + 2) / 3 * 4);
        assert_int_equal(base64_decode(str_get(&text), &bytes), 0);
        assert_int_equal(bytes.len, len);
        assert_memory_equal(str_get(&bytes), data, len);
    }
}

static void line_ends_are_skipped(void **state)
{
    cleanup_str struct str bytes = STR_INIT;

    (void)state;
    assert_int_equal(base64_decode("\nZm9\r\nvYm\nE=\n", &bytes), 0);
    assert_string_equal(str_get(&bytes), "fooba");
}

static void no_base64(void **state)
{
    static const char *const rows[] = {
        "Z",    "Zg",    "Zg=",    "Zm9vY",      "=",     "====", "Z===", "Zg==Zg==",
        "Zg=a", "Zm 9v", " Zm9v ", "Zm9v\tZm9v", "Zm9-_", "Zm9_", "Zm9!", "Zm9\xc3\xa9"};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_str struct str bytes = STR_INIT;

        str_puts(&bytes, "x");
        if (base64_decode(rows[i], &bytes) != -1)
            fail_msg("'%s' was taken", rows[i]);
        assert_string_equal(str_get(&bytes), "x");
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways),
        cmocka_unit_test(every_length),
        cmocka_unit_test(line_ends_are_skipped),
        cmocka_unit_test(no_base64),
    };

    return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
