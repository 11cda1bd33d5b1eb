/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include "base/cleanup.h"
#include "table.h"

static void columns(void **state)
{
    static const char *const rows[][4] = {
        {"NAME", "PHASE", "AGE", NULL},
        {"a-long-name", "", "3m", NULL},
        {"b", "Ready", "10s", NULL},
    };
    cleanup_str struct str text = STR_INIT;
    struct table table = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        table_row(&table, rows[i]);
    table_print(&table, &text);
    table_free(&table);
    assert_string_equal(str_get(&text), "NAME          PHASE   AGE\n"
                                        "a-long-name   -       3m\n"
                                        "b             Ready   10s\n");
}

static void many_rows(void **state)
{
    static const char *const row[] = {"a", "b", NULL};
    cleanup_str struct str text = STR_INIT;
    struct table table = {0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        table_row(&table, row);
    table_print(&table, &text);
    table_free(&table);
    assert_int_equal(text.len, 1000 * strlen("a   b\n"));
}

static void nothing_speaks_to_the_terminal(void **state)
{
    cleanup_str struct str text = STR_INIT;

    (void)state;
    table_plain("a\x1b[2J\r\n\t\x7f\xc2\x9b"
                "b \xc2\xa9 \xc3\xa9",
                &text);
    assert_null(strpbrk(str_get(&text), "\x1b\r\n\t\x7f"));
    assert_null(strstr(str_get(&text), "\xc2\x9b"));
    assert_true(str_starts(str_get(&text), "a?[2J"));
    assert_true(str_ends(str_get(&text), "b \xc2\xa9 \xc3\xa9"));
}

static void ages(void **state)
{
    static const struct {
        time_t seconds;
        const char *want;
    } rows[] = {{-5, "0s"},           {0, "0s"},     {119, "119s"},          {120, "2m"},
                {10799, "179m"},      {10800, "3h"}, {48 * 3600 - 1, "47h"}, {48 * 3600, "2d"},
                {400 * 86400, "400d"}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_str struct str text = STR_INIT;

        table_age(rows[i].seconds, &text);
        assert_string_equal(str_get(&text), rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns),
        cmocka_unit_test(many_rows),
        cmocka_unit_test(nothing_speaks_to_the_terminal),
        cmocka_unit_test(ages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
