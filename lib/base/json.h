/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON (RFC 8259): the one place that knows cJSON. A tree is owned by whoever holds its root and
 * freed with json_free(root); values within it belong to the tree. Out of memory while building
 * ends the program, as in str.h. A tree is not shared between threads while it changes.
 *
 * Stricter than cJSON, so that a tree always says what the text said: no invalid UTF-8, no control
 * characters, no \u0000 (texts are C strings), no integer that a double cannot hold, no key twice.
 */
#pragma once

#include "err.h"
#include "str.h"

#include <stdbool.h>
#include <stddef.h>

struct json;

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* Deeper texts are refused: objects of Kubernetes stay far below, and readers are recursive. */
enum { JSON_DEPTH_MAX = 128 };

/*
 * Parses a text of `len` bytes; text[len] must be NUL. NULL with ERR_INPUT and the offset of the
 * byte that is wrong.
 */
struct json *json_parse(const char *text, size_t len, struct err *err);
void json_free(struct json *json);

static inline void cleanup_json_(struct json **json)
{
    json_free(*json);
}
#define cleanup_json __attribute__((cleanup(cleanup_json_)))

/* ---- reading ---- */

enum json_kind json_kind(const struct json *json);
bool json_bool(const struct json *json);          /* false for all but true */
const char *json_string(const struct json *json); /* NULL when it is no string */

/* The values of an array or object, one after the other; NULL at the end. */
const struct json *json_first(const struct json *container);
const struct json *json_next(const struct json *value);
size_t json_count(const struct json *container);

/* The key of a value within an object, NULL elsewhere. */
const char *json_key(const struct json *value);
/* The value of a key; NULL when there is none or `object` is no object (or NULL). */
const struct json *json_get(const struct json *object, const char *key);
/* The values of an object in the byte order of their keys; an array that the caller frees. */
const struct json **json_sorted(const struct json *object);

/* ---- building ---- */

struct json *json_new_object(void);
struct json *json_new_array(void);
struct json *json_new_string(const char *text);
struct json *json_new_number(double number);

/* Adds `value`, which belongs to the container from then on. The key must be new. */
void json_set(struct json *object, const char *key, struct json *value);
void json_set_string(struct json *object, const char *key, const char *text);
void json_append(struct json *array, struct json *value);

/* ---- writing ---- */

/* Appends the text: on one line when `indent` is 0, else as Go's json.MarshalIndent lays it out. */
void json_print(const struct json *json, unsigned indent, struct str *out);
/* Appends a number as json_print does: it reads back as the same double. */
void json_print_number(const struct json *number, struct str *out);
