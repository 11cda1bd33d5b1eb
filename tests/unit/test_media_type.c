/* SPDX-License-Identifier: Apache-2.0 */
/* The table is a static of media_type.c. */
#include "../../fcgi/media_type.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void table_is_sorted_and_every_entry_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        char name[32] = "dir.d/file.";

        if (i)
            assert_true(strcmp(types[i - 1].extension, types[i].extension) < 0);
        strncat(name, types[i].extension, sizeof(name) - strlen(name) - 1);
        assert_string_equal(media_type(name), types[i].type);
    }
}

static void the_last_extension_counts_in_any_case(void **state)
{
    (void)state;
    assert_string_equal(media_type("a.tar.gz"), "application/gzip");
    assert_string_equal(media_type("README.TXT"), "text/plain; charset=utf-8");
    assert_string_equal(media_type("x/y.Json"), "application/json");
}

static void unknown_is_octet_stream(void **state)
{
    static const char *const names[] = {
        "",       "file", "file.",   "file.nosuch", ".json", "a.json/file",
        "a/.txt", "txt",  "a.htmlx", "a.ht",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_string_equal(media_type(names[i]), "application/octet-stream");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_sorted_and_every_entry_is_found),
        cmocka_unit_test(the_last_extension_counts_in_any_case),
        cmocka_unit_test(unknown_is_octet_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
