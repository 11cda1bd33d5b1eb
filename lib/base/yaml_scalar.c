/* SPDX-License-Identifier: Apache-2.0 */
#include "yaml_scalar.h"
#include "cleanup.h"
#include "json.h"
#include "json_scan.h"

#include <math.h>
#include <string.h>

/* NULL: JSON cannot say it. */
static const struct words {
    const char *json;
    const char *text[12];
} words[] = {
    {"null", {"", "~", "null", "Null", "NULL"}},
    {"true", {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}},
    {"false", {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}},
    {NULL, {".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF"}},
    {NULL, {"+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF"}},
};

static const struct words *find_word(const char *text)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        for (const char *const *word = words[i].text; *word; word++)
            if (strcmp(*word, text) == 0)
                return &words[i];
    return NULL;
}

static int digit_of(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = strchr(digits, c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c);

    return c && at ? (int)(at - digits) : 16;
}

/* 12, 0x1f, 0b11, 0o17, 017, each with a sign. */
static bool read_integer(const char *text, double *value)
{
    bool negative = *text == '-';
    int base = 10;

    text += *text == '-' || *text == '+';
    if (*text == '0' && text[1]) {
        const char *marks = "xXbBoO", *at = strchr(marks, text[1]);

        base = !at ? 8 : (int[]){16, 2, 8}[(at - marks) / 2];
        text += at ? 2 : 1;
    }
    if (!*text)
        return false;
    for (*value = 0; *text; text++) {
        if (digit_of(*text) >= base)
            return false;
        *value = *value * base + digit_of(*text);
    }
    *value = negative ? -*value : *value;
    return true;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_float(const char *p)
{
    static const char digits[] = "0123456789";
    size_t whole, fraction = 0;

    p += *p == '-' || *p == '+';
    p += whole = strspn(p, digits);
    if (*p == '.') {
        p++;
        p += fraction = strspn(p, digits);
    }
    if (!whole && !fraction)
        return false;
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '-' || *p == '+';
        if (!*p)
            return false;
        p += strspn(p, digits);
    }
    return !*p;
}

/* Beyond what a double holds, an integer keeps its digits as it does in JSON (json.h): if they are JSON's. */
static enum yaml_meaning put_digits(const char *text, struct str *out)
{
    const char *digits = text + (*text == '-');

    if (*digits < '1' || *digits > '9' || digits[strspn(digits, "0123456789")] ||
        strlen(digits) > JSON_DIGITS_MAX)
        return YAML_TOO_BIG;
    str_puts(out, text);
    return YAML_VALUE;
}

static enum yaml_meaning put_number(double value, struct str *out)
{
    cleanup_json struct json *number = json_new_number(value);

    json_print_number(number, out);
    return YAML_VALUE;
}

static enum yaml_meaning resolve_number(const char *text, struct str *out)
{
    cleanup_free char *bare = strdup(text);
    double value;
    size_t len = 0;

    if (!bare)
        abort();
    for (const char *p = text; *p && *text != '.'; p++)
        if (*p != '_')
            bare[len++] = *p;
    bare[*text == '.' ? strlen(text) : len] = '\0';
    if (read_integer(bare, &value))
        return fabs(value) > json_integer_max ? put_digits(bare, out) : put_number(value, out);
    if (is_float(bare) && isfinite(value = strtod(bare, NULL)))
        return put_number(value, out);
    return YAML_TEXT;
}

enum yaml_meaning yaml_resolve(const char *text, struct str *out)
{
    const struct words *word = find_word(text);

    if (word && !word->json)
        return YAML_NO_JSON;
    if (word) {
        str_puts(out, word->json);
        return YAML_VALUE;
    }
    return strchr("0123456789+-.", *text) ? resolve_number(text, out) : YAML_TEXT;
}
