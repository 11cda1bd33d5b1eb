/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree is built while the format is read, with the values in their places. As the format is the
 * program's own, its grammar is only asserted; whatever is not plain (escapes, numbers, bytes that
 * are no UTF-8) is left to json_parse.
 */
#include "json.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct format {
    const char *p;
    va_list args;
};

/* Goes over `c` if it comes next. */
static bool comes(struct format *format, char c)
{
    format->p += strspn(format->p, " \n");
    if (*format->p != c)
        return false;
    format->p++;
    return true;
}

static void expect(struct format *format, char c)
{
    bool there = comes(format, c);

    assert(there);
}

static struct json *parse(const struct str *text)
{
    struct err err;
    struct json *json = json_parse(str_get(text), text->len, &err);

    assert(json);
    return json;
}

/* ---- strings ---- */

static struct json *new_string(const char *text)
{
    cleanup_str struct str quoted = STR_INIT;

    if (str_is_utf8(text))
        return json_new_string(text);
    str_putc(&quoted, '"');
    str_json(&quoted, text);
    str_putc(&quoted, '"');
    return parse(&quoted);
}

/* From behind a quote to behind the next one of its kind; a %d may be within. */
static struct json *read_quoted(struct format *format)
{
    const char stops[] = {format->p[-1], '%', '\0'};
    cleanup_str struct str text = STR_INIT;
    bool plain = true;

    str_putc(&text, '"');
    for (;;) {
        size_t len = strcspn(format->p, stops);

        plain = plain && !memchr(format->p, '\\', len);
        str_append(&text, format->p, len);
        format->p += len;
        assert(*format->p);
        if (*format->p++ == stops[0])
            break;
        assert(*format->p == 'd');
        format->p++;
        str_printf(&text, "%d", va_arg(format->args, int));
    }
    if (plain)
        return json_new_string(text.data + 1);
    str_putc(&text, '"');
    return parse(&text);
}

/* ---- values ---- */

/* What stands for itself: a number, true, false, null. */
static struct json *read_word(struct format *format)
{
    cleanup_str struct str text = STR_INIT;
    size_t len = strcspn(format->p, ",]} \n");

    str_append(&text, format->p, len);
    format->p += len;
    return parse(&text);
}

/* From behind the %. */
static struct json *take_argument(struct format *format)
{
    const struct json *tree;
    const char *text;

    switch (*format->p++) {
    case 's':
        text = va_arg(format->args, const char *);
        return text ? new_string(text) : json_new_null();
    case 'd':
        return json_new_number(va_arg(format->args, int));
    case 'b':
        return json_new_bool(va_arg(format->args, int));
    case 'j':
        tree = va_arg(format->args, const struct json *);
        return tree ? json_copy(tree) : json_new_null();
    default:
        assert(!"a conversion that json_format knows");
        return NULL;
    }
}

static struct json *read_value(struct format *format);

static struct json *read_object(struct format *format)
{
    struct json *object = json_new_object();

    if (comes(format, '}'))
        return object;
    do {
        cleanup_json struct json *key = read_value(format);

        assert(json_string(key));
        expect(format, ':');
        json_set(object, json_string(key), read_value(format));
    } while (comes(format, ','));
    expect(format, '}');
    return object;
}

static struct json *read_array(struct format *format)
{
    struct json *array = json_new_array();

    if (comes(format, ']'))
        return array;
    do
        json_append(array, read_value(format));
    while (comes(format, ','));
    expect(format, ']');
    return array;
}

static struct json *read_value(struct format *format)
{
    if (comes(format, '{'))
        return read_object(format);
    if (comes(format, '['))
        return read_array(format);
    if (comes(format, '\'') || comes(format, '"'))
        return read_quoted(format);
    if (comes(format, '%'))
        return take_argument(format);
    return read_word(format);
}

struct json *json_format(const char *text, ...)
{
    struct format format = {.p = text};
    struct json *json;

    va_start(format.args, text);
    json = read_value(&format);
    va_end(format.args);
    expect(&format, '\0');
    return json;
}
