/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cJSON's own printing indents with tabs only, and takes 9007199254740991 and 9007199254740990 for
 * the same number.
 */
#include "json_private.h"
#include "json_scan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void json_print_number(const struct json *number, struct str *out)
{
    double value = cJSON_GetNumberValue(c_json(number));
    char text[32];

    if (c_json(number)->valuestring) {
        str_puts(out, c_json(number)->valuestring);
        return;
    }
    if (fabs(value) <= json_integer_max && value == (double)(long long)value) {
        str_printf(out, "%lld", (long long)value);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) { /* 17 are always enough */
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    str_puts(out, text);
    if (!strpbrk(text,
                 ".e")) /* beyond 2^53: as an integer it would be another number to a reader */
        str_puts(out, ".0");
}

static void print_string(const char *text, struct str *out)
{
    str_putc(out, '"');
    str_json(out, text);
    str_putc(out, '"');
}

static void new_line(unsigned indent, unsigned depth, struct str *out)
{
    if (indent)
        str_printf(out, "\n%*s", (int)(indent * depth), "");
}

static void print(const struct json *json, unsigned indent, unsigned depth, struct str *out);

static void print_container(const struct json *json, unsigned indent, unsigned depth,
                            struct str *out)
{
    bool object = json_kind(json) == JSON_OBJECT;

    str_putc(out, object ? '{' : '[');
    for (const struct json *value = json_first(json); value; value = json_next(value)) {
        new_line(indent, depth + 1, out);
        if (object) {
            print_string(json_key(value), out);
            str_puts(out, indent ? ": " : ":");
        }
        print(value, indent, depth + 1, out);
        if (json_next(value))
            str_putc(out, ',');
    }
    if (json_first(json))
        new_line(indent, depth, out);
    str_putc(out, object ? '}' : ']');
}

static void print(const struct json *json, unsigned indent, unsigned depth, struct str *out)
{
    switch (json_kind(json)) {
    case JSON_NULL:
        str_puts(out, "null");
        break;
    case JSON_BOOL:
        str_puts(out, json_bool(json) ? "true" : "false");
        break;
    case JSON_NUMBER:
        json_print_number(json, out);
        break;
    case JSON_STRING:
        print_string(json_string(json), out);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        print_container(json, indent, depth, out);
        break;
    }
}

void json_print(const struct json *json, unsigned indent, struct str *out)
{
    print(json, indent, 0, out);
}
