/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { NS_PER_SECOND = 1000000000 };

static const time_t first_second = -62167219200; /* 0000-01-01T00:00:00Z */
static const time_t last_second = 253402300799;  /* 9999-12-31T23:59:59Z */

uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

uint64_t clock_ms(void)
{
    return clock_ns() / 1000000;
}

struct timespec clock_timespec(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_SECOND),
                             .tv_nsec = (long)(ns % NS_PER_SECOND)};
}

struct timespec clock_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now;
}

static struct tm broken_down(time_t t)
{
    struct tm tm;

    t = t < first_second ? first_second : t;
    t = t > last_second ? last_second : t;
    gmtime_r(&t, &tm);
    return tm;
}

const char *clock_rfc3339(time_t t, char text[CLOCK_RFC3339_SIZE])
{
    struct tm tm = broken_down(t);

    /* Unsigned and modulo, so that the compiler sees that it fits. */
    snprintf(text, CLOCK_RFC3339_SIZE, "%04u-%02u-%02uT%02u:%02u:%02uZ",
             (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
             (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
             (unsigned)tm.tm_sec % 100);
    return text;
}

const char *clock_micro(struct timespec t, char text[CLOCK_MICRO_SIZE])
{
    enum { DOT = sizeof("2006-01-02T15:04:05") - 1 };

    clock_rfc3339(t.tv_sec, text);
    snprintf(text + DOT, CLOCK_MICRO_SIZE - DOT, ".%06luZ",
             (unsigned long)t.tv_nsec / 1000 % 1000000);
    return text;
}

/* Reads exactly `digits` digits, moves on, and says whether the number is within the bounds. */
static bool number(const char **text, int digits, int min, int max, int *out)
{
    int value = 0;

    for (; digits > 0; digits--, (*text)++) {
        if (!isdigit((unsigned char)**text))
            return false;
        value = value * 10 + (**text - '0');
    }
    *out = value;
    return value >= min && value <= max;
}

static bool letter(const char **text, const char *any)
{
    if (!**text || !strchr(any, **text))
        return false;
    (*text)++;
    return true;
}

static bool date(const char **text, struct tm *tm)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap;

    if (!number(text, 4, 0, 9999, &tm->tm_year) || !letter(text, "-") ||
        !number(text, 2, 1, 12, &tm->tm_mon) || !letter(text, "-") ||
        !number(text, 2, 1, 31, &tm->tm_mday))
        return false;
    leap = (tm->tm_year % 4 == 0 && tm->tm_year % 100 != 0) || tm->tm_year % 400 == 0;
    tm->tm_year -= 1900;
    tm->tm_mon -= 1;
    return tm->tm_mday <= days[tm->tm_mon] + (leap && tm->tm_mon == 1);
}

static bool time_of_day(const char **text, struct tm *tm)
{
    return number(text, 2, 0, 23, &tm->tm_hour) && letter(text, ":") &&
           number(text, 2, 0, 59, &tm->tm_min) && letter(text, ":") &&
           number(text, 2, 0, 60, &tm->tm_sec);
}

/* Digits beyond the ninth are read and do not count. */
static bool fraction(const char **text, long *ns)
{
    long digit = NS_PER_SECOND / 10;

    *ns = 0;
    if (!letter(text, "."))
        return true;
    if (!isdigit((unsigned char)**text))
        return false;
    for (; isdigit((unsigned char)**text); (*text)++, digit /= 10)
        *ns += digit * (**text - '0');
    return true;
}

static bool zone(const char **text, int *seconds)
{
    int hours, minutes, sign = **text == '-' ? -1 : 1;

    *seconds = 0;
    if (letter(text, "Zz"))
        return true;
    if (!letter(text, "+-") || !number(text, 2, 0, 23, &hours) || !letter(text, ":") ||
        !number(text, 2, 0, 59, &minutes))
        return false;
    *seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

bool clock_parse(const char *text, struct timespec *out)
{
    struct tm tm = {0};
    int offset;
    long ns;

    if (!text || !date(&text, &tm) || !letter(&text, "Tt") || !time_of_day(&text, &tm) ||
        !fraction(&text, &ns) || !zone(&text, &offset) || *text)
        return false;
    *out = (struct timespec){.tv_sec = timegm(&tm) - offset, .tv_nsec = ns};
    return true;
}

bool clock_parse_seconds(const char *text, time_t *out)
{
    struct timespec found;

    if (!clock_parse(text, &found))
        return false;
    *out = found.tv_sec;
    return true;
}
