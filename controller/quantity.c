/* SPDX-License-Identifier: Apache-2.0 */
/* Doubles are exact up to 8 Pi bytes, and beyond for every size that is a round one. */
#include "quantity.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    double factor;
} suffixes[] = {
    {"", 1},        {"n", 1e-9},    {"u", 1e-6},    {"m", 1e-3},    {"k", 1e3},     {"M", 1e6},
    {"G", 1e9},     {"T", 1e12},    {"P", 1e15},    {"E", 1e18},    {"Ki", 0x1p10}, {"Mi", 0x1p20},
    {"Gi", 0x1p30}, {"Ti", 0x1p40}, {"Pi", 0x1p50}, {"Ei", 0x1p60},
};

/* Beyond it no quantity is written, and powers of ten would become endless work. */
enum { EXPONENT_MAX = 60 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "12.5"; false when there is no digit. */
static bool take_number(const char **text, double *value)
{
    const char *p = *text;
    double place = 1;
    bool any = false;

    for (*value = 0; is_digit(*p); p++, any = true)
        *value = *value * 10 + (*p - '0');
    if (*p == '.')
        for (p++; is_digit(*p); p++, any = true)
            *value += (*p - '0') * (place /= 10);
    *text = p;
    return any;
}

/* "e3", "E-3", to the end of the text. */
static bool read_exponent(const char *text, double *factor)
{
    bool negative = text[1] == '-';
    int exponent = 0;

    text += 1 + (text[1] == '-' || text[1] == '+');
    if (!is_digit(*text))
        return false;
    for (; is_digit(*text) && exponent <= EXPONENT_MAX; text++)
        exponent = exponent * 10 + (*text - '0');
    for (*factor = 1; exponent; exponent--)
        *factor *= 10;
    if (negative)
        *factor = 1 / *factor;
    return !*text;
}

static bool read_factor(const char *text, double *factor)
{
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        if (strcmp(suffixes[i].name, text) == 0) {
            *factor = suffixes[i].factor;
            return true;
        }
    }
    return (*text == 'e' || *text == 'E') && read_exponent(text, factor);
}

static bool read_quantity(const char *text, double *value)
{
    double factor;
    bool negative;

    if (!text)
        return false;
    negative = *text == '-';
    text += *text == '-' || *text == '+';
    if (!take_number(&text, value) || !read_factor(text, &factor))
        return false;
    *value *= negative ? -factor : factor;
    return true;
}

const char *quantity_larger(const char *a, const char *b)
{
    double a_value, b_value;
    bool has_a = read_quantity(a, &a_value), has_b = read_quantity(b, &b_value);

    if (has_a && has_b)
        return b_value > a_value ? b : a;
    if (has_a)
        return a;
    return has_b ? b : NULL;
}
