/* SPDX-License-Identifier: Apache-2.0 */
#include "http_date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void formats_imf_fixdate(void **state)
{
    char date[HTTP_DATE_SIZE];

    (void)state;
    assert_string_equal(http_date_format(784111777, date), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_string_equal(http_date_format(0, date), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_string_equal(http_date_format(4107542400, date), "Mon, 01 Mar 2100 00:00:00 GMT");
}

static void times_that_have_no_form_become_the_nearest(void **state)
{
    char date[HTTP_DATE_SIZE];

    (void)state;
    assert_string_equal(http_date_format(-1, date), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_string_equal(http_date_format(INT64_MAX, date), "Fri, 31 Dec 9999 23:59:59 GMT");
}

static void parses_what_it_formats(void **state)
{
    static const time_t times[] = {0, 1, 784111777, 951782400, 2147483648, 253402300799};
    char date[HTTP_DATE_SIZE];
    time_t t;

    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        assert_true(http_date_parse(http_date_format(times[i], date), &t));
        assert_int_equal(t, times[i]);
    }
}

static void refuses_everything_else(void **state)
{
    static const char *const wrong[] = {
        "",
        "now",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Mon, 06 Nov 1994 08:49:37 GMT",  /* it was a Sunday */
        "Thu, 31 Feb 1994 08:49:37 GMT",  /* there is none */
        "Sun, 6 Nov 1994 08:49:37 GMT",   /* one digit */
        "Sun, 06 Nov 1994 08:49:37 CET",  /* only GMT */
        "Sun, 06 Nov 1994 08:49:37 GMT ", /* something behind */
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun,06 Nov 1994 08:49:37 GMT",
        "sun, 06 nov 1994 08:49:37 GMT",
        "Wed, 31 Dec 1969 23:59:59 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 99999 08:49:37 GMT",
    };
    time_t t = 42;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(http_date_parse(wrong[i], &t));
        assert_int_equal(t, 42);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_imf_fixdate),
        cmocka_unit_test(times_that_have_no_form_become_the_nearest),
        cmocka_unit_test(parses_what_it_formats),
        cmocka_unit_test(refuses_everything_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
