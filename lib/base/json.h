/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON (RFC 8259): the one place that knows cJSON. A tree is owned by whoever holds its root and
 * freed with json_free(root); values within it belong to the tree. Out of memory while building
 * ends the program, as in str.h. A tree is not shared between threads while it changes.
 *
 * Stricter than cJSON, so that a tree always says what the text said: no invalid UTF-8, no control
 * characters, no \u0000 (texts are C strings), no key twice. An integer that a double cannot hold
 * keeps its digits, up to JSON_DIGITS_MAX of them, through copying and printing.
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
/* An integer of more digits is refused: what has 64 bits has no more. */
enum { JSON_DIGITS_MAX = 20 };

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

/* All readers take NULL for a value that is not there. */
enum json_kind json_kind(const struct json *json);             /* NULL: JSON_NULL */
bool json_bool(const struct json *json);                       /* false for all but true */
const char *json_string(const struct json *json);              /* NULL when it is no string */
double json_number(const struct json *json, double otherwise); /* when it is no number; rounded */
bool json_equal(const struct json *a, const struct json *b);   /* objects: in any order of keys */

/* The values of an array or object, one after the other; NULL at the end. */
const struct json *json_first(const struct json *container);
const struct json *json_next(const struct json *value);
size_t json_count(const struct json *container);

/* The key of a value within an object, NULL elsewhere. */
const char *json_key(const struct json *value);
/* The value of a key; NULL when there is none or `object` is no object (or NULL). */
const struct json *json_get(const struct json *object, const char *key);
/* The value at a path of keys, "spec.source.name"; NULL as json_get. Keys that have a dot of their
 * own need json_get. */
const struct json *json_at(const struct json *object, const char *path);
const char *json_text(const struct json *object, const char *path); /* its string, or NULL */
/* The values of an object in the byte order of their keys; an array that the caller frees. */
const struct json **json_sorted(const struct json *object);

/* ---- building ---- */

struct json *json_new_object(void);
struct json *json_new_array(void);
struct json *json_new_string(const char *text);
struct json *json_new_number(double number);
struct json *json_new_bool(bool value);
struct json *json_new_null(void);
struct json *json_copy(const struct json *json);

/*
 * A tree from a text with values in it. The text is JSON, with ' for " so that it can be read in C;
 * %s is a string (escaped here; NULL: null), %d an int, %b a bool, %j a tree, which is copied
 * (NULL: null). The text is the program's own: a mistake in it is an assertion.
 */
struct json *json_format(const char *format, ...);

/* Adds `value`, which belongs to the container from then on. The key must be new. */
void json_set(struct json *object, const char *key, struct json *value);
void json_set_string(struct json *object, const char *key, const char *text);
void json_append(struct json *array, struct json *value);

/* ---- changing ---- */

/* As json_set, but the key may be there: its value is replaced (and freed). */
void json_put(struct json *object, const char *key, struct json *value);
/* Takes a key's value out: the caller's from then on; NULL when there is none. */
struct json *json_take(struct json *object, const char *key);
/* json_at, for changing what it finds. */
struct json *json_edit(struct json *object, const char *path);
/* As json_first and json_next, for changing what they find. */
struct json *json_edit_first(struct json *container);
struct json *json_edit_next(struct json *value);

/* ---- writing ---- */

/* Appends the text: on one line when `indent` is 0, else as Go's json.MarshalIndent lays it out. */
void json_print(const struct json *json, unsigned indent, struct str *out);
/* Appends a number as json_print does: it reads back as the same one. */
void json_print_number(const struct json *number, struct str *out);
