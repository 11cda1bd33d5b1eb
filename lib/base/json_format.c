/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text is parsed with a number in the place of each tree, one that no such text has otherwise;
 * copies of the trees then take their places, in the order in which they come.
 */
#include "json.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

static void put_string(struct str *out, const char *text)
{
    if (!text) {
        str_puts(out, "null");
        return;
    }
    str_putc(out, '"');
    str_json(out, text);
    str_putc(out, '"');
}

enum { TREES_MAX = 16 };

static const double place = 1e300;

struct trees {
    const struct json *tree[TREES_MAX];
    size_t count, filled;
};

static void fill(struct json *container, struct trees *trees)
{
    for (struct json *value = json_edit_first(container); value; value = json_edit_next(value)) {
        if (json_number(value, 0) == place)
            value = json_replace(container, value, json_copy(trees->tree[trees->filled++]));
        else
            fill(value, trees);
    }
}

struct json *json_format(const char *format, ...)
{
    cleanup_str struct str text = STR_INIT;
    struct trees trees = {.count = 0};
    struct json *json;
    struct err err;
    va_list args;

    va_start(args, format);
    for (const char *p = format; *p; p++) {
        if (*p != '%') {
            str_putc(&text, *p == '\'' ? '"' : *p);
            continue;
        }
        switch (*++p) {
        case 's':
            put_string(&text, va_arg(args, const char *));
            break;
        case 'd':
            str_printf(&text, "%d", va_arg(args, int));
            break;
        case 'b':
            str_puts(&text, va_arg(args, int) ? "true" : "false");
            break;
        case 'j':
            assert(trees.count < TREES_MAX);
            trees.tree[trees.count] = va_arg(args, const struct json *);
            str_puts(&text, trees.tree[trees.count] ? "1e300" : "null");
            trees.count += trees.tree[trees.count] != NULL;
            break;
        default:
            assert(!"a conversion that json_format knows");
        }
    }
    va_end(args);
    json = json_parse(str_get(&text), text.len, &err);
    assert(json);
    fill(json, &trees);
    assert(trees.filled == trees.count);
    return json;
}
