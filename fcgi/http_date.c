/* SPDX-License-Identifier: Apache-2.0 */
#include "http_date.h"

#include <string.h>

/* The program never calls setlocale(3), so names of days and months are English. */
#define FORM "%a, %d %b %Y %H:%M:%S GMT"

static const time_t last_second = 253402300799; /* 9999-12-31T23:59:59Z */

const char *http_date_format(time_t t, char *date)
{
    struct tm tm;

    if (t < 0)
        t = 0;
    if (t > last_second)
        t = last_second;
    gmtime_r(&t, &tm);
    strftime(date, HTTP_DATE_SIZE, FORM, &tm);
    return date;
}

/* strptime(3) is lenient (blanks, case, 31 February): what it read must give the same text again.
 */
bool http_date_parse(const char *date, time_t *t)
{
    struct tm tm = {0};
    char again[HTTP_DATE_SIZE];
    time_t found;

    if (!strptime(date, FORM, &tm))
        return false;
    found = timegm(&tm);
    if (strcmp(http_date_format(found, again), date) != 0)
        return false;
    *t = found;
    return true;
}
