/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cJSON parses leniently: it cuts a string at \u0000, rounds integers beyond 2^53, takes bytes that
 * are no UTF-8, control characters and numbers like "01". json_scan goes over the text first
 * and refuses these; the grammar itself is left to cJSON. Printing is not cJSON's either
 * (json_print.c).
 *
 * An integer beyond 2^53 keeps its digits in the item's valuestring, which cJSON copies and frees
 * whatever the item's type is, and reads of strings only.
 */
#include "json.h"
#include "cleanup.h"
#include "json_private.h"
#include "json_scan.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static cJSON *c_json_mutable(struct json *json)
{
    return (cJSON *)json;
}

/* ---- keys ---- */

static int compare_keys(const void *a, const void *b)
{
    return strcmp(json_key(*(const struct json *const *)a),
                  json_key(*(const struct json *const *)b));
}

const struct json **json_sorted(const struct json *object)
{
    size_t count = json_count(object), i = 0;
    const struct json **sorted = calloc(count + 1, sizeof(struct json *));

    if (!sorted)
        abort();
    for (const struct json *value = json_first(object); value; value = json_next(value))
        sorted[i++] = value;
    qsort(sorted, count, sizeof(struct json *), compare_keys);
    return sorted;
}

/* A few keys are compared one with another, many in their order. */
static int check_few_keys(const struct json *object, struct err *err)
{
    for (const struct json *a = json_first(object); a; a = json_next(a))
        for (const struct json *b = json_next(a); b; b = json_next(b))
            if (strcmp(json_key(a), json_key(b)) == 0)
                return err_set(err, ERR_INPUT, "the key \"%s\" comes twice in an object",
                               json_key(a));
    return 0;
}

static int check_keys(const struct json *json, struct err *err)
{
    enum { FEW = 12 };

    if (json_kind(json) == JSON_OBJECT && json_count(json) <= FEW) {
        if (check_few_keys(json, err) < 0)
            return -1;
    } else if (json_kind(json) == JSON_OBJECT) {
        cleanup_free const struct json **sorted = json_sorted(json);

        for (size_t i = 0; sorted[i] && sorted[i + 1]; i++)
            if (compare_keys(&sorted[i], &sorted[i + 1]) == 0)
                return err_set(err, ERR_INPUT, "the key \"%s\" comes twice in an object",
                               json_key(sorted[i]));
    }
    for (const struct json *value = json_first(json); value; value = json_next(value))
        if (check_keys(value, err) < 0)
            return -1;
    return 0;
}

/* ---- parsing ---- */

/* The numbers of a tree come in the order in which the text has them. */
static void keep_digits(cJSON *json, const char **at)
{
    for (cJSON *value = json->child; value; value = value->next)
        keep_digits(value, at);
    if (cJSON_IsNumber(json)) {
        size_t len;
        const char *number = json_scan_number(at, &len);

        if (json_is_big(number, len) && !(json->valuestring = strndup(number, len)))
            abort();
    }
}

struct json *json_parse(const char *text, size_t len, struct err *err)
{
    const char *end = NULL, *numbers = text;
    struct json *json;
    bool big;

    assert(text[len] == '\0');
    if (json_scan(text, len, &big, err) < 0)
        return NULL;
    json = (struct json *)cJSON_ParseWithLengthOpts(text, len + 1, &end, true);
    if (!json) {
        err_set(err, ERR_INPUT, "no valid JSON at byte %td", end ? end - text : 0);
        return NULL;
    }
    if (check_keys(json, err) < 0) {
        json_free(json);
        return NULL;
    }
    if (big)
        keep_digits(c_json_mutable(json), &numbers);
    return json;
}

void json_free(struct json *json)
{
    cJSON_Delete(c_json_mutable(json));
}

/* ---- reading ---- */

enum json_kind json_kind(const struct json *json)
{
    switch (json ? c_json(json)->type & 0xff : cJSON_NULL) {
    case cJSON_False:
    case cJSON_True:
        return JSON_BOOL;
    case cJSON_Number:
        return JSON_NUMBER;
    case cJSON_String:
        return JSON_STRING;
    case cJSON_Array:
        return JSON_ARRAY;
    case cJSON_Object:
        return JSON_OBJECT;
    default:
        return JSON_NULL;
    }
}

bool json_bool(const struct json *json)
{
    return cJSON_IsTrue(c_json(json));
}

const char *json_string(const struct json *json)
{
    return cJSON_GetStringValue(c_json(json));
}

const struct json *json_first(const struct json *container)
{
    return container ? (const struct json *)c_json(container)->child : NULL;
}

const struct json *json_next(const struct json *value)
{
    return (const struct json *)c_json(value)->next;
}

size_t json_count(const struct json *container)
{
    return (size_t)cJSON_GetArraySize(c_json(container));
}

const char *json_key(const struct json *value)
{
    return c_json(value)->string;
}

const struct json *json_get(const struct json *object, const char *key)
{
    return (const struct json *)cJSON_GetObjectItemCaseSensitive(c_json(object), key);
}

double json_number(const struct json *json, double otherwise)
{
    return json_kind(json) == JSON_NUMBER ? c_json(json)->valuedouble : otherwise;
}

/* Digits that were kept are the number; the doubles of two that differ may be the same. */
static bool equal_numbers(const struct json *a, const struct json *b)
{
    const char *x = c_json(a)->valuestring, *y = c_json(b)->valuestring;

    if (x || y)
        return x && y && strcmp(x, y) == 0;
    return json_number(a, 0) == json_number(b, 0);
}

/* Keys are unique, so that as many of them that are all there are the same. */
static bool equal_containers(const struct json *a, const struct json *b, bool object)
{
    const struct json *y = json_first(b);

    if (json_count(a) != json_count(b))
        return false;
    for (const struct json *x = json_first(a); x; x = json_next(x)) {
        if (!json_equal(x, object ? json_get(b, json_key(x)) : y))
            return false;
        y = json_next(y);
    }
    return true;
}

bool json_equal(const struct json *a, const struct json *b)
{
    if (!a || !b || json_kind(a) != json_kind(b))
        return a == b;
    switch (json_kind(a)) {
    case JSON_NULL:
        return true;
    case JSON_BOOL:
        return json_bool(a) == json_bool(b);
    case JSON_NUMBER:
        return equal_numbers(a, b);
    case JSON_STRING:
        return strcmp(json_string(a), json_string(b)) == 0;
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return equal_containers(a, b, json_kind(a) == JSON_OBJECT);
}

const struct json *json_at(const struct json *object, const char *path)
{
    char key[128];

    while (object && *path) {
        size_t len = strcspn(path, ".");

        assert(len < sizeof(key));
        memcpy(key, path, len);
        key[len] = '\0';
        object = json_get(object, key);
        path += len + (path[len] == '.');
    }
    return object;
}

const char *json_text(const struct json *object, const char *path)
{
    return json_string(json_at(object, path));
}

/* ---- building ---- */

static struct json *made(cJSON *json)
{
    if (!json)
        abort();
    return (struct json *)json;
}

struct json *json_new_object(void)
{
    return made(cJSON_CreateObject());
}

struct json *json_new_array(void)
{
    return made(cJSON_CreateArray());
}

struct json *json_new_string(const char *text)
{
    return made(cJSON_CreateString(text));
}

struct json *json_new_number(double number)
{
    assert(isfinite(number));
    return made(cJSON_CreateNumber(number));
}

struct json *json_new_bool(bool value)
{
    return made(cJSON_CreateBool(value));
}

struct json *json_new_null(void)
{
    return made(cJSON_CreateNull());
}

struct json *json_copy(const struct json *json)
{
    return made(cJSON_Duplicate(c_json(json), true));
}

void json_set(struct json *object, const char *key, struct json *value)
{
    assert(!json_get(object, key));
    if (!cJSON_AddItemToObject(c_json_mutable(object), key, c_json_mutable(value)))
        abort();
}

void json_set_string(struct json *object, const char *key, const char *text)
{
    json_set(object, key, json_new_string(text));
}

void json_append(struct json *array, struct json *value)
{
    if (!cJSON_AddItemToArray(c_json_mutable(array), c_json_mutable(value)))
        abort();
}

/* ---- changing ---- */

void json_put(struct json *object, const char *key, struct json *value)
{
    if (!json_get(object, key))
        json_set(object, key, value);
    else if (!cJSON_ReplaceItemInObjectCaseSensitive(c_json_mutable(object), key,
                                                     c_json_mutable(value)))
        abort();
}

struct json *json_take(struct json *object, const char *key)
{
    return (struct json *)cJSON_DetachItemFromObjectCaseSensitive(c_json_mutable(object), key);
}

/* What was reached through a tree that may be changed may be changed itself. */
static struct json *mutable(const struct json *json)
{
    union {
        const struct json *in;
        struct json *out;
    } cast = {.in = json};

    return cast.out;
}

struct json *json_edit(struct json *object, const char *path)
{
    return mutable(json_at(object, path));
}

struct json *json_edit_first(struct json *container)
{
    return mutable(json_first(container));
}

struct json *json_edit_next(struct json *value)
{
    return mutable(json_next(value));
}
