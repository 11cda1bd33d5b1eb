/* SPDX-License-Identifier: Apache-2.0 */
#include "duration.h"

#include <stdbool.h>
#include <string.h>

/* Longer names before those that they begin with. */
static const struct {
    const char *name;
    uint64_t ns;
} units[] = {
    {"ns", 1},
    {"us", 1000},
    {"\xc2\xb5s", 1000}, /* U+00B5, micro sign */
    {"\xce\xbcs", 1000}, /* U+03BC, mu */
    {"ms", 1000000},
    {"s", (uint64_t)DURATION_SECOND},
    {"m", (uint64_t)DURATION_MINUTE},
    {"h", (uint64_t)DURATION_HOUR},
};

/* ---- reading ---- */

/* Digits of a fraction beyond these are less than a nanosecond in any unit. */
enum { FRACTION_DIGITS = 18 };

struct decimal {
    uint64_t whole, fraction, scale; /* whole + fraction / scale */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* False when there are no digits, or too many. */
static bool take_decimal(const char **text, struct decimal *out)
{
    const char *p = *text, *point;

    *out = (struct decimal){0, 0, 1};
    for (; is_digit(*p); p++)
        if (__builtin_mul_overflow(out->whole, 10, &out->whole) ||
            __builtin_add_overflow(out->whole, (uint64_t)(*p - '0'), &out->whole))
            return false;
    if (p == *text && !(p[0] == '.' && is_digit(p[1])))
        return false;
    if (*p == '.') {
        point = p++;
        for (; is_digit(*p); p++) {
            if (p - point > FRACTION_DIGITS)
                continue;
            out->fraction = out->fraction * 10 + (uint64_t)(*p - '0');
            out->scale *= 10;
        }
    }
    *text = p;
    return true;
}

/* The unit's nanoseconds; 0 when there is none. */
static uint64_t take_unit(const char **text)
{
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (!str_starts(*text, units[i].name))
            continue;
        *text += strlen(units[i].name);
        return units[i].ns;
    }
    return 0;
}

/* One "1.5h" more; false when there is none, or the sum is too large. */
static bool take_part(const char **text, uint64_t *sum)
{
    struct decimal number;
    uint64_t unit, whole, fraction;

    if (!take_decimal(text, &number))
        return false;
    unit = take_unit(text);
    if (!unit || __builtin_mul_overflow(number.whole, unit, &whole))
        return false;
    fraction = (uint64_t)((unsigned __int128)number.fraction * unit / number.scale);
    return !__builtin_add_overflow(*sum, whole, sum) &&
           !__builtin_add_overflow(*sum, fraction, sum);
}

int duration_parse(const char *text, int64_t *ret_ns, struct err *err)
{
    const char *p = text;
    bool negative = *p == '-';
    uint64_t sum = 0;

    p += *p == '-' || *p == '+';
    if (strcmp(p, "0") == 0) { /* the one number that needs no unit */
        *ret_ns = 0;
        return 0;
    }
    do {
        if (!take_part(&p, &sum) || sum > (uint64_t)INT64_MAX + negative)
            return err_set(err, ERR_INPUT,
                           "'%s' is no duration: write one such as 2h, 1h30m or 90s", text);
    } while (*p);
    *ret_ns = negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return 0;
}

/* ---- writing ---- */

/* "1.5s": below a minute the largest unit that is not above it, with what is left as a fraction. */
static void print_seconds(uint64_t ns, struct str *out)
{
    static const struct {
        uint64_t ns;
        const char *name;
        int digits;
    } scales[] = {{1000000000, "s", 9}, {1000000, "ms", 6}, {1000, "us", 3}, {1, "ns", 0}};
    size_t i = 0;

    while (ns < scales[i].ns)
        i++;
    str_printf(out, "%d", (int)(ns / scales[i].ns));
    if (ns % scales[i].ns) {
        str_printf(out, ".%0*d", scales[i].digits, (int)(ns % scales[i].ns));
        while (out->data[out->len - 1] == '0')
            out->data[--out->len] = '\0';
    }
    str_puts(out, scales[i].name);
}

void duration_print(int64_t ns, struct str *out)
{
    uint64_t left = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    const uint64_t hour = (uint64_t)DURATION_HOUR, minute = (uint64_t)DURATION_MINUTE;

    if (ns == 0) {
        str_puts(out, "0s");
        return;
    }
    if (ns < 0)
        str_putc(out, '-');
    if (left >= hour)
        str_printf(out, "%luh", (unsigned long)(left / hour));
    if (left % hour >= minute)
        str_printf(out, "%lum", (unsigned long)(left % hour / minute));
    if (left % minute)
        print_seconds(left % minute, out);
}
