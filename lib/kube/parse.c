/* SPDX-License-Identifier: Apache-2.0 */
#include "parse.h"
#include "base/cleanup.h"

#include <math.h>
#include <string.h>

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

/* The same for a number, which becomes a string when json_parse would not take it. */
static size_t copy_number(const char *text, struct str *out)
{
    size_t len = strspn(text, "+-.0123456789eE");
    bool integer = strcspn(text, ".eE") >= len;
    double value = strtod(text, NULL);
    bool quoted = !isfinite(value) || (integer && len - (*text == '-') > JSON_DIGITS_MAX);

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

/* The length of that of `names` which ends at `end` as a key does; 0: none. */
static size_t key_before(const char *text, const char *end, const char *const *names)
{
    for (; *names; names++) {
        size_t len = strlen(*names);

        /* Within a string its quotes would be escaped. */
        if ((size_t)(end - text) > len + 1 && end[-1 - (ssize_t)len] == '"' &&
            end[-2 - (ssize_t)len] != '\\' && memcmp(end - len, *names, len) == 0)
            return len;
    }
    return 0;
}

/*
 * Who wrote which field is some 40 % of an object, and nothing here asks for it: it is cut out
 * before it becomes a tree, and so are other arrays that the caller has no use for.
 */
static void without(const char *text, size_t len, const char *const *names, struct str *out)
{
    static const char *const managed_fields[] = {"managedFields", NULL};
    static const char begin[] = "\":[";
    const char *end = text + len, *from = text, *at = text;

    while ((at = memmem(at, (size_t)(end - at), begin, sizeof(begin) - 1))) {
        const char *array = at + sizeof(begin) - 1, *after = NULL;

        if (key_before(text, at, managed_fields) || (names && key_before(text, at, names)))
            after = skip_array(array, end);
        at = after ? after : array;
        if (after) {
            str_append(out, from, (size_t)(array - from));
            str_putc(out, ']');
            from = after;
        }
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

struct json *kube_parse(const char *text, size_t len, const char *const *unread, struct err *err)
{
    cleanup_str struct str shorter = STR_INIT;

    without(text, len, unread, &shorter);
    return parse_tame(str_get(&shorter), shorter.len, err);
}
