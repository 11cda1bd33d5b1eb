/* SPDX-License-Identifier: Apache-2.0 */
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

static void put_tree(struct str *out, const struct json *json)
{
    if (json)
        json_print(json, 0, out);
    else
        str_puts(out, "null");
}

struct json *json_format(const char *format, ...)
{
    cleanup_str struct str text = STR_INIT;
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
            put_tree(&text, va_arg(args, const struct json *));
            break;
        default:
            assert(!"a conversion that json_format knows");
        }
    }
    va_end(args);
    json = json_parse(str_get(&text), text.len, &err);
    assert(json);
    return json;
}
