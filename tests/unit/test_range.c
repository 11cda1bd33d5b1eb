/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "range.h"
#include "support.h"

#include <inttypes.h>

static const char *const result_names[] = {
    [RANGE_NONE] = "none",
    [RANGE_IGNORE] = "ignore",
    [RANGE_SATISFIABLE] = "ok",
    [RANGE_UNSATISFIABLE] = "416",
};

/* Parses and says the result in words: "ok 0+10 20+5". */
static void parse(const char *header, uint64_t size, struct str *out)
{
    struct range_set set;
    enum range_result result = range_parse(header, size, &set);

    str_puts(out, result_names[result]);
    for (size_t i = 0; result == RANGE_SATISFIABLE && i < set.count; i++)
        str_printf(out, " %" PRIu64 "+%" PRIu64, set.range[i].start, set.range[i].len);
}

struct row {
    const char *header;
    uint64_t size;
    const char *want;
};

static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cleanup_str struct str got = STR_INIT;

        parse(rows[i].header, rows[i].size, &got);
        if (strcmp(str_get(&got), rows[i].want) != 0)
            fail_msg("'%s' of %" PRIu64 " bytes: %s, not %s", rows[i].header, rows[i].size,
                     str_get(&got), rows[i].want);
    }
}

static void one_range(void **state)
{
    static const struct row rows[] = {
        {NULL, 100, "none"},
        {"bytes=0-9", 100, "ok 0+10"},
        {"bytes=0-0", 100, "ok 0+1"},
        {"bytes=99-99", 100, "ok 99+1"},
        {"bytes=90-", 100, "ok 90+10"},
        {"bytes=0-", 100, "ok 0+100"},
        {"bytes=-10", 100, "ok 90+10"},
        {"bytes=-1", 1, "ok 0+1"},
        {"BYTES=1-2", 100, "ok 1+2"},
        {"bytes=007-0008", 100, "ok 7+2"},
    };

    (void)state;
    check(rows, COUNT(rows));
}

static void ends_are_clamped(void **state)
{
    static const struct row rows[] = {
        {"bytes=90-200", 100, "ok 90+10"},
        {"bytes=-200", 100, "ok 0+100"},
        {"bytes=0-18446744073709551615", 100, "ok 0+100"},
        {"bytes=0-99999999999999999999999999", 100, "ok 0+100"},
        {"bytes=-99999999999999999999999999", 100, "ok 0+100"},
        {"bytes=0-18446744073709551621", 100, "ok 0+100"}, /* 2^64 + 5 is not 5 */
        {"bytes=5-", UINT64_MAX, "ok 5+18446744073709551610"},
        {"bytes=0-", UINT64_MAX, "ok 0+18446744073709551615"},
    };

    (void)state;
    check(rows, COUNT(rows));
}

static void ranges_beyond_the_end(void **state)
{
    static const struct row rows[] = {
        {"bytes=100-", 100, "416"},
        {"bytes=100-200", 100, "416"},
        {"bytes=99999999999999999999999999-", 100, "416"},
        {"bytes=18446744073709551615-", 100, "416"},
        {"bytes=18446744073709551616-", 100, "416"},
        {"bytes=-0", 100, "416"},
        {"bytes=100-,200-300,-0", 100, "416"},
        {"bytes=100-,0-4", 100, "ok 0+5"},
        {"bytes=0-4,100-", 100, "ok 0+5"},
    };

    (void)state;
    check(rows, COUNT(rows));
}

/* Go's server and this one: a client that adds a range to each request still gets an empty file. */
static void an_empty_file_has_no_ranges(void **state)
{
    static const struct row rows[] = {
        {NULL, 0, "none"},
        {"bytes=0-", 0, "ignore"},
        {"bytes=-5", 0, "ignore"},
        {"bytes=0-0", 0, "ignore"},
    };

    (void)state;
    check(rows, COUNT(rows));
}

static void several_ranges(void **state)
{
    static const struct row rows[] = {
        {"bytes=0-4,10-14", 100, "ok 0+5 10+5"},
        {"bytes=10-14,0-4", 100, "ok 10+5 0+5"},
        {"bytes=0-4, 10-14\t,\t-5", 100, "ok 0+5 10+5 95+5"},
        {"bytes=,,0-4,, ,10-14,,", 100, "ok 0+5 10+5"},
        {"bytes= 0-4", 100, "ok 0+5"},
        {"bytes=0-4 ", 100, "ok 0+5"},
        {"bytes=0-9,5-14", 100, "ok 0+10 5+10"}, /* overlapping, but not more than the whole */
        {"bytes=0-49,50-99", 100, "ok 0+50 50+50"},
    };

    (void)state;
    check(rows, COUNT(rows));
}

static void more_than_the_whole_is_the_whole(void **state)
{
    static const struct row rows[] = {
        {"bytes=0-,0-0", 100, "ignore"},
        {"bytes=0-50,50-99", 100, "ignore"},
        {"bytes=0-,0-,0-", 100, "ignore"},
        {"bytes=0-,0-", UINT64_MAX, "ignore"}, /* the sum does not fit 64 bits */
    };

    (void)state;
    check(rows, COUNT(rows));
}

static void what_is_no_range_is_ignored(void **state)
{
    static const struct row rows[] = {
        {"", 100, "ignore"},
        {"bytes", 100, "ignore"},
        {"bytes=", 100, "ignore"},
        {"bytes= ", 100, "ignore"},
        {"bytes=,", 100, "ignore"},
        {"bytes=, ,", 100, "ignore"},
        {"bytes 0-4", 100, "ignore"},
        {"bytes =0-4", 100, "ignore"},
        {" bytes=0-4", 100, "ignore"},
        {"items=0-4", 100, "ignore"},
        {"seconds=1-2", 100, "ignore"},
        {"none", 100, "ignore"},
        {"bytes=-", 100, "ignore"},
        {"bytes=5", 100, "ignore"},
        {"bytes=a-b", 100, "ignore"},
        {"bytes=5-2", 100, "ignore"},
        {"bytes=500-200", 100, "ignore"},
        {"bytes=0x1-2", 100, "ignore"},
        {"bytes=+1-2", 100, "ignore"},
        {"bytes=1--2", 100, "ignore"},
        {"bytes=--2", 100, "ignore"},
        {"bytes=1 - 2", 100, "ignore"},
        {"bytes=1-2-3", 100, "ignore"},
        {"bytes=1-2;3-4", 100, "ignore"},
        {"bytes=1-2 3-4", 100, "ignore"},
        {"bytes=1.5-2", 100, "ignore"},
        {"bytes=0-4,x", 100, "ignore"},
        {"bytes=100-,x", 100, "ignore"},
    };

    (void)state;
    check(rows, COUNT(rows));
}

/* `count` ranges of one byte each, two bytes apart. */
static void many(struct str *header, unsigned count)
{
    str_clear(header);
    str_puts(header, "bytes=");
    for (unsigned i = 0; i < count; i++)
        str_printf(header, "%s%u-%u", i ? "," : "", 2 * i, 2 * i);
}

static void too_many_are_ignored(void **state)
{
    cleanup_str struct str header = STR_INIT;
    struct range_set set;

    (void)state;
    many(&header, RANGE_MAX);
    assert_int_equal(range_parse(str_get(&header), 1000000, &set), RANGE_SATISFIABLE);
    assert_int_equal(set.count, RANGE_MAX);
    assert_int_equal(set.range[RANGE_MAX - 1].start, 2 * (RANGE_MAX - 1));
    many(&header, RANGE_MAX + 1);
    assert_int_equal(range_parse(str_get(&header), 1000000, &set), RANGE_IGNORE);
    many(&header, 10000);
    assert_int_equal(range_parse(str_get(&header), 1000000, &set), RANGE_IGNORE);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_range),
        cmocka_unit_test(ends_are_clamped),
        cmocka_unit_test(ranges_beyond_the_end),
        cmocka_unit_test(an_empty_file_has_no_ranges),
        cmocka_unit_test(several_ranges),
        cmocka_unit_test(more_than_the_whole_is_the_whole),
        cmocka_unit_test(what_is_no_range_is_ignored),
        cmocka_unit_test(too_many_are_ignored),
    };

    return cmocka_run_group_tests_name("range", tests, NULL, NULL);
}
