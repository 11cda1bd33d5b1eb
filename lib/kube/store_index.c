/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "store_private.h"

#include <string.h>

/* The objects of one value; there is one only while it has objects. */
struct group {
    struct store_object **object;
    size_t count, room;
    char value[];
};

struct store_index {
    kube_index_fn *values_of;
    struct map *groups;
};

/* The values of one object, each with its NUL. */
struct kube_values {
    struct str text;
};

void kube_values_add(struct kube_values *values, const char *value)
{
    str_append(&values->text, value, strlen(value) + 1);
}

struct store_index *store_index_new(kube_index_fn *values_of)
{
    struct store_index *index = calloc(1, sizeof(*index));

    if (!index)
        abort();
    index->values_of = values_of;
    index->groups = map_new();
    return index;
}

static void free_group(struct group *group)
{
    free(group->object);
    free(group);
}

void store_index_free(struct store_index *index)
{
    struct group *group;
    size_t at = 0;

    if (!index)
        return;
    while ((group = map_next(index->groups, &at)))
        free_group(group);
    map_free(index->groups);
    free(index);
}

/* Where the key is within the group, or belongs; whether it is there. */
static bool locate(const struct group *group, const char *key, size_t *at)
{
    size_t low = 0, high = group->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(group->object[middle]->key, key);

        if (order == 0) {
            *at = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *at = low;
    return false;
}

static struct group *new_group(struct store_index *index, const char *value)
{
    size_t size = strlen(value) + 1;
    struct group *group = calloc(1, sizeof(*group) + size);

    if (!group)
        abort();
    memcpy(group->value, value, size);
    map_put(index->groups, group->value, group);
    return group;
}

static void add_value(struct store_index *index, const char *value, struct store_object *object)
{
    struct group *group = map_get(index->groups, value);
    size_t at;

    if (!group)
        group = new_group(index, value);
    if (locate(group, object->key, &at))
        return; /* the object has the value twice */
    if (group->count == group->room) {
        group->room = group->room ? group->room * 2 : 1;
        group->object = realloc(group->object, group->room * sizeof(struct store_object *));
        if (!group->object)
            abort();
    }
    memmove(&group->object[at + 1], &group->object[at],
            (group->count - at) * sizeof(struct store_object *));
    group->object[at] = object;
    group->count++;
}

static void remove_value(struct store_index *index, const char *value,
                         const struct store_object *object)
{
    struct group *group = map_get(index->groups, value);
    size_t at;

    if (!group || !locate(group, object->key, &at))
        return;
    group->count--;
    memmove(&group->object[at], &group->object[at + 1],
            (group->count - at) * sizeof(struct store_object *));
    if (!group->count) {
        map_remove(index->groups, value);
        free_group(group);
    }
}

void store_index_add(struct store_index *index, const struct json *kept,
                     struct store_object *object)
{
    struct kube_values values = {STR_INIT};

    index->values_of(kept, &values);
    for (size_t at = 0; at < values.text.len; at += strlen(values.text.data + at) + 1)
        add_value(index, values.text.data + at, object);
    str_free(&values.text);
}

void store_index_remove(struct store_index *index, const struct json *kept,
                        const struct store_object *object)
{
    struct kube_values values = {STR_INIT};

    index->values_of(kept, &values);
    for (size_t at = 0; at < values.text.len; at += strlen(values.text.data + at) + 1)
        remove_value(index, values.text.data + at, object);
    str_free(&values.text);
}

struct store_object *const *store_index_find(const struct store_index *index, const char *value,
                                             size_t *count)
{
    const struct group *group = map_get(index->groups, value);

    *count = group ? group->count : 0;
    return group ? group->object : NULL;
}
