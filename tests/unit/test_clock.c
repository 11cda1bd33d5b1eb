/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "support.h"

static void formats(void **state)
{
    static const struct {
        time_t t;
        const char *want;
    } rows[] = {
        {0, "1970-01-01T00:00:00Z"},
        {1136214245, "2006-01-02T15:04:05Z"},
        {951782400, "2000-02-29T00:00:00Z"},
        {-1, "1969-12-31T23:59:59Z"},
        {253402300799, "9999-12-31T23:59:59Z"},
        {253402300800, "9999-12-31T23:59:59Z"},
        {-99999999999999, "0000-01-01T00:00:00Z"},
    };
    char text[CLOCK_RFC3339_SIZE], micro[CLOCK_MICRO_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(clock_rfc3339(rows[i].t, text), rows[i].want);
    assert_string_equal(clock_micro((struct timespec){1136214245, 1234567}, micro),
                        "2006-01-02T15:04:05.001234Z");
    assert_string_equal(clock_micro((struct timespec){0, 999999999}, micro),
                        "1970-01-01T00:00:00.999999Z");
}

static void parses(void **state)
{
    static const struct {
        const char *text;
        time_t seconds;
        long ns;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0, 0},
        {"2006-01-02T15:04:05Z", 1136214245, 0},
        {"2006-01-02t15:04:05z", 1136214245, 0},
        {"2006-01-02T15:04:05.5Z", 1136214245, 500000000},
        {"2006-01-02T15:04:05.001234Z", 1136214245, 1234000},
        {"2006-01-02T15:04:05.0000000019Z", 1136214245, 1},
        {"2006-01-02T17:34:05+02:30", 1136214245, 0},
        {"2006-01-02T15:04:05-00:00", 1136214245, 0},
        {"2006-01-01T23:04:05.25-16:00", 1136214245, 250000000},
        {"2000-02-29T00:00:00Z", 951782400, 0},
        {"1969-12-31T23:59:59Z", -1, 0},
        {"2016-12-31T23:59:60Z", 1483228800, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct timespec t = {0};
        time_t seconds = 0;

        if (!clock_parse(rows[i].text, &t) || !clock_parse_seconds(rows[i].text, &seconds))
            fail_msg("%s is refused", rows[i].text);
        assert_int_equal(t.tv_sec, rows[i].seconds);
        assert_int_equal(seconds, rows[i].seconds);
        assert_int_equal(t.tv_nsec, rows[i].ns);
    }
}

static void refuses(void **state)
{
    static const char *const rows[] = {
        "",
        "2006",
        "2006-01-02",
        "2006-01-02 15:04:05Z",
        "2006-01-02T15:04:05",
        "2006-01-02T15:04:05Zx",
        "2006-01-02T15:04:05.Z",
        "2006-01-02T15:04:05,5Z",
        "2006-01-02T15:04Z",
        "2006-01-02T24:00:00Z",
        "2006-01-02T15:60:00Z",
        "2006-01-02T15:04:61Z",
        "2006-00-02T15:04:05Z",
        "2006-13-02T15:04:05Z",
        "2006-02-29T15:04:05Z",
        "1900-02-29T15:04:05Z",
        "2006-04-31T15:04:05Z",
        "2006-01-00T15:04:05Z",
        "2006-1-2T15:04:05Z",
        "+006-01-02T15:04:05Z",
        " 2006-01-02T15:04:05Z",
        "2006-01-02T15:04:05+0200",
        "2006-01-02T15:04:05+24:00",
        "2006-01-02T15:04:05+02",
        "2006-01-02T15:04:05.5.5Z",
    };
    struct timespec t = {7, 7};
    time_t seconds = 7;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (clock_parse(rows[i], &t) || clock_parse_seconds(rows[i], &seconds))
            fail_msg("'%s' is taken", rows[i]);
    assert_false(clock_parse(NULL, &t));
    assert_int_equal(t.tv_sec, 7);
    assert_int_equal(seconds, 7);
}

static void reads_what_it_writes(void **state)
{
    char text[CLOCK_RFC3339_SIZE], micro[CLOCK_MICRO_SIZE];
    uint32_t seed = 1;

    (void)state;
    for (int i = 0; i < 2000; i++) {
        struct timespec in = {(time_t)noise_next(&seed) * 7, noise_next(&seed) % 1000000 * 1000};
        struct timespec out;
        time_t seconds = 0;

        assert_true(clock_parse(clock_micro(in, micro), &out));
        assert_int_equal(in.tv_sec, out.tv_sec);
        assert_int_equal(in.tv_nsec, out.tv_nsec);
        assert_true(clock_parse_seconds(clock_rfc3339(in.tv_sec, text), &seconds));
        assert_int_equal(in.tv_sec, seconds);
    }
}

static void goes_on(void **state)
{
    uint64_t ns = clock_ns(), ms = clock_ms();

    (void)state;
    assert_true(ms >= ns / 1000000 && ms < ns / 1000000 + 5000);
    assert_true(clock_ns() >= ns);
    assert_true(clock_now().tv_sec > 1600000000);
    assert_int_equal(clock_timespec(1500000001).tv_sec, 1);
    assert_int_equal(clock_timespec(1500000001).tv_nsec, 500000001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats), cmocka_unit_test(parses),
        cmocka_unit_test(refuses), cmocka_unit_test(reads_what_it_writes),
        cmocka_unit_test(goes_on),
    };

    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
