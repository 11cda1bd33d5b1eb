/* SPDX-License-Identifier: Apache-2.0 */
#include "base/duration.h"
#include "support.h"

/* Those of Go's time_test.go, and the edges. */
static void durations(void **state)
{
    static const struct {
        const char *text;
        int64_t ns;
    } rows[] = {
        {"0", 0},
        {"-0", 0},
        {"0s", 0},
        {"5s", 5 * DURATION_SECOND},
        {"+5s", 5 * DURATION_SECOND},
        {"-5m", -5 * DURATION_MINUTE},
        {"2h", 2 * DURATION_HOUR},
        {"2h0m0s", 2 * DURATION_HOUR},
        {"1h30m", 90 * DURATION_MINUTE},
        {"1.5h", 90 * DURATION_MINUTE},
        {"1.h", DURATION_HOUR},
        {".5h", 30 * DURATION_MINUTE},
        {"1.004s", 1004000000},
        {"300ms", 300000000},
        {"10ns", 10},
        {"11us", 11000},
        {"12\xc2\xb5s", 12000},
        {"12\xce\xbcs", 12000},
        {"0.9ns", 0},
        {"3h30m30s", 3 * DURATION_HOUR + 30 * DURATION_MINUTE + 30 * DURATION_SECOND},
        {"-1m10.5s", -70500000000},
        {"39h9m14.425s", 39 * DURATION_HOUR + 9 * DURATION_MINUTE + 14425000000},
        {"0.3333333333333333333h", 20 * DURATION_MINUTE - 1},
        {"0.100000000000000000000h", 6 * DURATION_MINUTE},
        {"9007199254740993ns", INT64_C(9007199254740993)},
        {"9223372036854775807ns", INT64_MAX},
        {"9223372036.854775807s", INT64_MAX},
        {"-9223372036854775808ns", INT64_MIN},
        {"-9223372036.854775808s", INT64_MIN},
        {"00000000000000000000000000001s", DURATION_SECOND},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err err;
        int64_t ns = -77;

        if (duration_parse(rows[i].text, &ns, &err) < 0)
            fail_msg("'%s': %s", rows[i].text, err.msg);
        if (ns != rows[i].ns)
            fail_msg("'%s': %lld", rows[i].text, (long long)ns);
    }
}

static void not_durations(void **state)
{
    static const char *const rows[] = {
        "",
        "2",
        "1d",
        "2 days",
        "1 h",
        " 1h",
        "1h ",
        "1h\n",
        "h",
        ".",
        "-",
        "+",
        ".h",
        "-.s",
        "+.s",
        "1..5h",
        "1,5h",
        "1e3s",
        "0x1h",
        "+-1h",
        "--1h",
        "1h-5m",
        "1h30",
        "1H",
        "1\xc2s",
        "forever",
        "9223372036854775808ns",
        "-9223372036854775809ns",
        "9223372036.854775808s",
        "9999999h",
        "2562048h",
        "2562047h47m16.854775808s",
        "18446744073709551616ns",
        "99999999999999999999h",
        "18446744073709551615ns1ns",
        "6000000h6000000h",
        "9223372036854775807ns.9ns1ns",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err err = {0};
        int64_t ns = -77;

        if (duration_parse(rows[i], &ns, &err) != -1)
            fail_msg("'%s' is taken", rows[i]);
        assert_int_equal(err.class, ERR_INPUT);
        assert_int_equal(ns, -77);
        assert_non_null(strstr(err.msg, "write one such as 2h"));
    }
}

static void durations_for_people(void **state)
{
    static const struct {
        int64_t ns;
        const char *want;
    } rows[] = {
        {0, "0s"},
        {1, "1ns"},
        {1100, "1.1us"},
        {2200000, "2.2ms"},
        {300000000, "300ms"},
        {DURATION_SECOND, "1s"},
        {3300000000, "3.3s"},
        {1000000001, "1.000000001s"},
        {59 * DURATION_SECOND, "59s"},
        {DURATION_MINUTE, "1m"},
        {90 * DURATION_SECOND, "1m30s"},
        {DURATION_HOUR, "1h"},
        {2 * DURATION_HOUR + 5 * DURATION_SECOND, "2h5s"},
        {90 * DURATION_MINUTE, "1h30m"},
        {-5 * DURATION_MINUTE, "-5m"},
        {DURATION_HOUR + 1000000, "1h1ms"},
        {INT64_MAX, "2562047h47m16.854775807s"},
        {INT64_MIN, "-2562047h47m16.854775808s"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_str struct str out = STR_INIT;
        struct err err;
        int64_t ns;

        duration_print(rows[i].ns, &out);
        assert_string_equal(str_get(&out), rows[i].want);
        assert_int_equal(duration_parse(str_get(&out), &ns, &err), 0);
        assert_true(ns == rows[i].ns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations),
        cmocka_unit_test(not_durations),
        cmocka_unit_test(durations_for_people),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
