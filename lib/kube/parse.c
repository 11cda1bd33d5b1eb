/* SPDX-License-Identifier: Apache-2.0 */
#include "parse.h"
#include "base/cleanup.h"

#include <math.h>
#include <string.h>

/* Integers up to here are what json_parse takes. */
static const double integer_max = 9007199254740991.0; /* 2^53 - 1 */

/* Copies a string with its quotes and returns how long it is; an end that is missing is left to the
 * parser to find. */
static size_t copy_string(const char *text, const char *end, struct str *out)
{
    const char *p = text + 1;

    str_putc(out, '"');
    for (; p < end && *p != '"'; p++) {
        size_t len = *p == '\\' && end - p >= 2 ? 2 : 1;

        if (end - p >= 6 && memcmp(p, "\\u0000", 6) == 0) {
            str_puts(out, "\\ufffd");
            p += 5;
            continue;
        }
        str_append(out, p, len);
        p += len - 1;
    }
    if (p == end)
        return (size_t)(end - text);
    str_putc(out, '"');
    return (size_t)(p + 1 - text);
}

/* The same for a number, which becomes a string when it is too big. */
static size_t copy_number(const char *text, struct str *out)
{
    size_t len = strspn(text, "+-.0123456789eE");
    bool integer = strcspn(text, ".eE") >= len;
    double value = strtod(text, NULL);
    bool quoted = !isfinite(value) || (integer && fabs(value) > integer_max);

    if (quoted)
        str_putc(out, '"');
    str_append(out, text, len);
    if (quoted)
        str_putc(out, '"');
    return len;
}

/* From behind a '[' to behind its ']'; NULL when there is none. */
static const char *skip_array(const char *p, const char *end)
{
    for (unsigned depth = 1; p < end; p++) {
        if (*p == '"') {
            for (p++; p < end && *p != '"'; p++)
                p += *p == '\\';
        } else if (*p == '[') {
            depth++;
        } else if (*p == ']' && --depth == 0) {
            return p + 1;
        }
    }
    return NULL;
}

/*
 * Who wrote which field is some 40 % of an object, and nothing here asks for it: it is cut out
 * before it becomes a tree. The name cannot be within a string, where its quotes would be escaped.
 */
static void without_managed_fields(const char *text, size_t len, struct str *out)
{
    static const char name[] = "\"managedFields\":[";
    const char *end = text + len, *from = text, *at = text;

    while ((at = memmem(at, (size_t)(end - at), name, sizeof(name) - 1))) {
        const char *after = skip_array(at + sizeof(name) - 1, end);

        if (after && (at == text || at[-1] != '\\')) {
            str_append(out, from, (size_t)(at - from) + sizeof(name) - 1);
            str_putc(out, ']');
            from = after;
        }
        at = after ? after : end;
    }
    str_append(out, from, (size_t)(end - from));
}

static struct json *parse_tame(const char *text, size_t len, struct err *err)
{
    cleanup_str struct str tame = STR_INIT;
    const char *end = text + len;
    struct err first;
    struct json *json = json_parse(text, len, &first), *again;

    if (json)
        return json;
    for (const char *p = text; p < end;) {
        if (*p == '"') {
            p += copy_string(p, end, &tame);
        } else if (*p == '-' || (*p >= '0' && *p <= '9')) {
            p += copy_number(p, &tame);
        } else {
            str_putc(&tame, *p++);
        }
    }
    again = json_parse(str_get(&tame), tame.len, &first);
    if (!again)
        *err = first;
    return again;
}

struct json *kube_parse(const char *text, size_t len, struct err *err)
{
    cleanup_str struct str shorter = STR_INIT;

    without_managed_fields(text, len, &shorter);
    return parse_tame(str_get(&shorter), shorter.len, err);
}
