/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"
#include "transfer/sparse.h"

static uint8_t data[8 * SPARSE_PAGE];

static void zeros_of_every_length(void **state)
{
    (void)state;
    memset(data, 0, sizeof(data));
    for (size_t len = 0; len < 100; len++)
        assert_true(sparse_is_zero(data, len));
    assert_true(sparse_is_zero(data, sizeof(data)));
}

static void one_bit_anywhere_is_seen(void **state)
{
    static const size_t lengths[] = {1, 2, 15, 16, 17, 31, 32, 33, 4095, 4096};

    (void)state;
    memset(data, 0, sizeof(data));
    for (size_t i = 0; i < COUNT(lengths); i++)
        for (size_t at = 0; at < lengths[i]; at++) {
            data[at] = (uint8_t)(1 << at % 8);
            if (sparse_is_zero(data, lengths[i]))
                fail_msg("byte %zu of %zu", at, lengths[i]);
            data[at] = 0;
        }
}

/* What is not 0 but all alike. */
static void repeated_bytes_are_no_zeros(void **state)
{
    (void)state;
    memset(data, 0x20, SPARSE_PAGE);
    assert_false(sparse_is_zero(data, SPARSE_PAGE));
    memset(data, 0, 16);
    assert_false(sparse_is_zero(data, SPARSE_PAGE));
}

static void runs(void **state)
{
    /* which of eight pages have data, what the first run is */
    static const struct {
        const char *pages;
        uint64_t offset;
        size_t len, run;
        bool zeros;
    } rows[] = {
        {"........", 0, 8 * SPARSE_PAGE, 8 * SPARSE_PAGE, true},
        {"xxxxxxxx", 0, 8 * SPARSE_PAGE, 8 * SPARSE_PAGE, false},
        {"...x....", 0, 8 * SPARSE_PAGE, 3 * SPARSE_PAGE, true},
        {"xx.xxxxx", 0, 8 * SPARSE_PAGE, 2 * SPARSE_PAGE, false},
        {".xxxxxxx", 0, 1, 1, true},
        {"........", 0, SPARSE_PAGE + 1, SPARSE_PAGE + 1, true},
        {"xx......", 0, SPARSE_PAGE + 1, SPARSE_PAGE, false},
        /* 96 bytes before a page of the file begins */
        {"..x.....", 4000, 8 * SPARSE_PAGE, 96 + 2 * SPARSE_PAGE, true},
        {"x.......", 4000, 8 * SPARSE_PAGE, 96, true},
        {"x.......", 4096ULL << 40, 8 * SPARSE_PAGE, SPARSE_PAGE, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        bool zeros;
        size_t run;

        memset(data, 0, sizeof(data));
        for (size_t page = 0; rows[i].pages[page]; page++)
            data[page * SPARSE_PAGE + 2048] = rows[i].pages[page] == 'x';
        run = sparse_run(data, rows[i].len, rows[i].offset, &zeros);
        if (run != rows[i].run || zeros != rows[i].zeros)
            fail_msg("row %zu: %zu bytes %s", i, run, zeros ? "of zeros" : "of data");
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeros_of_every_length),
        cmocka_unit_test(one_bit_anywhere_is_seen),
        cmocka_unit_test(repeated_bytes_are_no_zeros),
        cmocka_unit_test(runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
