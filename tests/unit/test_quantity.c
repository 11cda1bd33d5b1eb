/* SPDX-License-Identifier: Apache-2.0 */
#include "quantity.h"
#include "support.h"

/* Both ways round: whatever is the larger stays it. */
static void the_larger(void **state)
{
    static const struct {
        const char *less, *more;
    } rows[] = {
        {"1Gi", "2Gi"},
        {"1G", "1Gi"},
        {"1023Mi", "1Gi"},
        {"10Gi", "10.5Gi"},
        {"9", "10"},
        {"1Ki", "1.025k"},
        {"999999n", "1m"},
        {"1u", "1001n"},
        {"1Ti", "1Pi"},
        {"1Pi", "1Ei"},
        {"1P", "1E"},
        {"1T", "1001G"},
        {"1e3", "1001"},
        {"1E3", "1001"},
        {"1e+3", "1.1e3"},
        {"1e-3", "2m"},
        {"-1Gi", "1"},
        {"-2Gi", "-1Gi"},
        {"+1", "+2"},
        {".5", "0.75"},
        {"1.", "2."},
        {"5368709119", "5Gi"},
        {"5Gi", "5368709121"},
        {"0", "1n"},
        {"10e2", "1M"},
        {"1E9", "1E"},
        {"1Ei", "1e59"},
        {"1e999", "1"},
        {NULL, "1Gi"},
        {"", "1"},
        {"Gi", "1"},
        {"1gi", "1"},
        {"1 Gi", "1"},
        {"1GiB", "1"},
        {"-", "1"},
        {".", "1"},
        {"1e", "1"},
        {"1e+", "1"},
        {"1e3x", "1"},
        {"--1", "1"},
        {"1e9999999", "1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (quantity_larger(rows[i].less, rows[i].more) != rows[i].more ||
            quantity_larger(rows[i].more, rows[i].less) != rows[i].more)
            fail_msg("'%s' and '%s'", rows[i].less, rows[i].more);
    }
}

static void no_larger(void **state)
{
    const char *a = "1Gi", *b = "1024Mi";

    (void)state;
    assert_ptr_equal(quantity_larger(a, b), a);
    assert_ptr_equal(quantity_larger(b, a), b);
    assert_null(quantity_larger(NULL, NULL));
    assert_null(quantity_larger("much", "x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_larger), cmocka_unit_test(no_larger)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
