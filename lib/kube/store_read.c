/* SPDX-License-Identifier: Apache-2.0 */
/* Readers copy texts under the lock and parse them after, so that they hold up nobody. */
#include "base/cleanup.h"
#include "store_private.h"

#include <assert.h>
#include <string.h>

struct json *kube_store_get(struct kube_store *store, const char *ns, const char *name)
{
    cleanup_free char *key = store_key(ns, name), *text = NULL;
    const struct store_object *object;

    pthread_mutex_lock(&store->lock);
    object = map_get(store->objects, key);
    if (object && !(text = strdup(store_text(object))))
        abort();
    pthread_mutex_unlock(&store->lock);
    return text ? store_tree(text) : NULL;
}

/* Copies the texts, each with its NUL, to be parsed without the lock. */
static void copy_texts(struct store_object *const *objects, size_t count, struct str *texts)
{
    for (size_t i = 0; i < count; i++)
        str_append(texts, store_text(objects[i]), strlen(store_text(objects[i])) + 1);
}

static struct json *trees_of(const struct str *texts)
{
    struct json *trees = json_new_array();

    for (size_t at = 0; at < texts->len; at += strlen(texts->data + at) + 1)
        json_append(trees, store_tree(texts->data + at));
    return trees;
}

struct json *kube_store_find(struct kube_store *store, unsigned index, const char *value)
{
    cleanup_str struct str texts = STR_INIT;
    struct store_object *const *objects;
    size_t count;

    assert(index < KUBE_STORE_INDEXES_MAX && store->index[index]);
    pthread_mutex_lock(&store->lock);
    objects = store_index_find(store->index[index], value, &count);
    copy_texts(objects, count, &texts);
    pthread_mutex_unlock(&store->lock);
    return trees_of(&texts);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp((*(const struct store_object *const *)a)->key,
                  (*(const struct store_object *const *)b)->key);
}

/* All objects by key, under the lock; the caller frees. */
static struct store_object **sorted(struct kube_store *store, size_t *count)
{
    struct store_object **objects;
    size_t at = 0;

    *count = map_count(store->objects);
    objects = calloc(*count + 1, sizeof(struct store_object *));
    if (!objects)
        abort();
    for (size_t i = 0; i < *count; i++)
        objects[i] = map_next(store->objects, &at);
    qsort(objects, *count, sizeof(struct store_object *), compare_keys);
    return objects;
}

struct json *kube_store_all(struct kube_store *store)
{
    cleanup_str struct str texts = STR_INIT;
    cleanup_free struct store_object **objects = NULL;
    size_t count;

    pthread_mutex_lock(&store->lock);
    objects = sorted(store, &count);
    copy_texts(objects, count, &texts);
    pthread_mutex_unlock(&store->lock);
    return trees_of(&texts);
}

struct json *kube_store_keys(struct kube_store *store)
{
    struct json *keys = json_new_array();
    cleanup_free struct store_object **objects = NULL;
    size_t count;

    pthread_mutex_lock(&store->lock);
    objects = sorted(store, &count);
    for (size_t i = 0; i < count; i++)
        json_append(keys, json_new_string(objects[i]->key));
    pthread_mutex_unlock(&store->lock);
    return keys;
}

size_t kube_store_count_of(struct kube_store *store, unsigned index, const char *value)
{
    size_t count;

    assert(index < KUBE_STORE_INDEXES_MAX && store->index[index]);
    pthread_mutex_lock(&store->lock);
    store_index_find(store->index[index], value, &count);
    pthread_mutex_unlock(&store->lock);
    return count;
}

size_t kube_store_count(struct kube_store *store)
{
    size_t count;

    pthread_mutex_lock(&store->lock);
    count = map_count(store->objects);
    pthread_mutex_unlock(&store->lock);
    return count;
}

bool kube_store_has(struct kube_store *store, unsigned index, const char *value)
{
    size_t count;

    assert(index < KUBE_STORE_INDEXES_MAX && store->index[index]);
    pthread_mutex_lock(&store->lock);
    store_index_find(store->index[index], value, &count);
    pthread_mutex_unlock(&store->lock);
    return count > 0;
}
