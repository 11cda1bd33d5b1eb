/* SPDX-License-Identifier: Apache-2.0 */
/* Dates in HTTP's one form, IMF-fixdate (RFC 9110 §5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT". */
#pragma once

#include <stdbool.h>
#include <time.h>

enum { HTTP_DATE_SIZE = 30 };

/*
 * Writes the date into `date` (HTTP_DATE_SIZE bytes) and returns it. A time outside the years 1970
 * to 9999, which the form cannot say, becomes the nearest one within.
 */
const char *http_date_format(time_t t, char *date);

/* False when `date` is no IMF-fixdate; the two obsolete forms count as none. */
bool http_date_parse(const char *date, time_t *t);
