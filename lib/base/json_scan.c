/* SPDX-License-Identifier: Apache-2.0 */
#include "json_scan.h"
#include "json.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct scan {
    const char *text;
    const char *p;
    const char *end;
    unsigned depth;
    bool big; /* an integer beyond json_integer_max was there */
};

static int refuse(const struct scan *scan, const char *what, struct err *err)
{
    return err_set(err, ERR_INPUT, "%s at byte %td", what, scan->p - scan->text);
}

/* From the opening quote to behind the closing one; UTF-8 was checked for the text as a whole. */
static int scan_string(struct scan *scan, struct err *err)
{
    for (scan->p++; scan->p < scan->end && *scan->p != '"'; scan->p++) {
        if ((unsigned char)*scan->p < 0x20)
            return refuse(scan, "control character in a string", err);
        if (*scan->p != '\\')
            continue;
        if (str_starts(scan->p, "\\u0000"))
            return refuse(scan, "a NUL in a string", err);
        scan->p += scan->p + 1 < scan->end;
    }
    if (scan->p == scan->end)
        return refuse(scan, "a string without an end", err);
    scan->p++;
    return 0;
}

static size_t skip_digits(struct scan *scan)
{
    size_t len = strspn(scan->p, "0123456789");

    scan->p += len;
    return len;
}

/* int [ frac ] [ exp ] (RFC 8259 §6). */
static int scan_number(struct scan *scan, struct err *err)
{
    const char *start = scan->p;
    bool integer = true, leading_zero;
    size_t digits;

    scan->p += *scan->p == '-';
    leading_zero = *scan->p == '0';
    digits = skip_digits(scan);
    if (digits > 1 && leading_zero) {
        scan->p = start;
        return refuse(scan, "a number with a leading zero", err);
    }
    if (*scan->p == '.') {
        integer = false;
        scan->p++;
        if (!skip_digits(scan))
            return refuse(scan, "a number without digits behind its point", err);
    }
    if (*scan->p == 'e' || *scan->p == 'E') {
        integer = false;
        scan->p++;
        scan->p += *scan->p == '+' || *scan->p == '-';
        if (!skip_digits(scan))
            return refuse(scan, "a number without digits in its exponent", err);
    }
    if (!isfinite(strtod(start, NULL)) || (integer && digits > JSON_DIGITS_MAX)) {
        scan->p = start;
        return refuse(scan, "a number too big to be kept exactly", err);
    }
    scan->big |= json_is_big(start, (size_t)(scan->p - start));
    return 0;
}

static int scan_token(struct scan *scan, struct err *err)
{
    unsigned char c = (unsigned char)*scan->p;

    if (c == '"')
        return scan_string(scan, err);
    if (c == '-' || (c >= '0' && c <= '9'))
        return scan_number(scan, err);
    if (c > 0x7e || (c < 0x20 && !strchr("\t\n\r", c)) || c == '\0')
        return refuse(scan, "a character that has no place in JSON", err);
    if ((c == '{' || c == '[') && ++scan->depth > JSON_DEPTH_MAX)
        return refuse(scan, "nested too deeply", err);
    if ((c == '}' || c == ']') && scan->depth)
        scan->depth--;
    scan->p++;
    return 0;
}

bool json_is_big(const char *number, size_t len)
{
    enum { DIGITS_SAFE = 15 }; /* so many are never too big */

    return len > DIGITS_SAFE && strspn(number, "-0123456789") >= len &&
           fabs(strtod(number, NULL)) > json_integer_max;
}

const char *json_scan_number(const char **at, size_t *len)
{
    const char *p = *at;

    while (*p && *p != '-' && !(*p >= '0' && *p <= '9')) {
        if (*p++ != '"')
            continue;
        for (; *p && *p != '"'; p++)
            p += *p == '\\';
        p += *p == '"';
    }
    assert(*p);
    *len = strspn(p, "+-.0123456789eE");
    *at = p + *len;
    return p;
}

int json_scan(const char *text, size_t len, bool *big, struct err *err)
{
    struct scan scan = {.text = text, .p = text, .end = text + len};

    while (scan.p < scan.end)
        if (scan_token(&scan, err) < 0)
            return -1;
    if (!str_is_utf8(text))
        return err_set(err, ERR_INPUT, "a string is not UTF-8");
    *big = scan.big;
    return 0;
}
