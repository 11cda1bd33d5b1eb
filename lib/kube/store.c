/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two locks. `lock` guards what is known, and is held for moments only. `watching` makes those who
 * play the watch's part wait for each other, and is held while the listener is told, so that it is
 * told in order and may read the store meanwhile.
 *
 * A list is marked and swept: each object bears the number of the list that it was last seen in.
 *
 * Versions are compared as numbers, which Kubernetes allows for objects of one kind
 * (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions, KEP-5504): an
 * event that is older than the answer to an own write is not news. A list is taken as it is, as
 * versions begin anew where etcd was restored from a backup.
 */
#include "base/cleanup.h"
#include "store_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct kube_store_write {
    struct kube_store *store;
    struct kube_store_write *next;
    char *key;
    uint64_t seen;  /* the newest version that the watch told meanwhile; 0: none */
    bool overtaken; /* by a list, or by an event without a version: the answer is not taken */
};

struct kube_store *kube_store_new(const struct kube_store_config *config)
{
    struct kube_store *store = calloc(1, sizeof(*store));

    if (!store)
        abort();
    store->config = *config;
    pthread_mutex_init(&store->watching, NULL);
    pthread_mutex_init(&store->lock, NULL);
    store->objects = map_new();
    for (size_t i = 0; i < KUBE_STORE_INDEXES_MAX; i++)
        if (config->indexes[i])
            store->index[i] = store_index_new(config->indexes[i]);
    return store;
}

void kube_store_free(struct kube_store *store)
{
    struct store_object *object;
    size_t at = 0;

    if (!store)
        return;
    assert(!store->writes);
    for (size_t i = 0; i < KUBE_STORE_INDEXES_MAX; i++)
        store_index_free(store->index[i]);
    while ((object = map_next(store->objects, &at)))
        free(object);
    map_free(store->objects);
    pthread_mutex_destroy(&store->lock);
    pthread_mutex_destroy(&store->watching);
    free(store);
}

/* ---- objects and their keys ---- */

char *store_key(const char *ns, const char *name)
{
    struct str key = STR_INIT;

    if (ns && *ns)
        str_printf(&key, "%s/", ns);
    str_puts(&key, name);
    return str_steal(&key);
}

/* NULL when it has no name. */
static char *key_of_object(const struct json *object)
{
    const struct json *metadata = json_get(object, "metadata");
    const char *name = json_string(json_get(metadata, "name"));

    return name && *name ? store_key(json_string(json_get(metadata, "namespace")), name) : NULL;
}

/* 0 when there is none, or one that is no number. */
static uint64_t read_version(const char *text)
{
    unsigned long long version;
    char *end;

    if (!text || *text < '0' || *text > '9')
        return 0;
    version = strtoull(text, &end, 10);
    return *end ? 0 : version;
}

static uint64_t version_of(const struct json *object)
{
    return read_version(json_text(object, "metadata.resourceVersion"));
}

static struct json *keep(const struct kube_store *store, const struct json *object)
{
    struct json *kept;

    if (store->config.keep)
        return store->config.keep(store->config.ctx, object);
    kept = json_copy(object);
    json_free(json_take(json_edit(kept, "metadata"), "managedFields"));
    return kept;
}

static struct store_object *new_object(const struct kube_store *store, const char *key,
                                       const char *text, size_t text_len, uint64_t version)
{
    size_t key_size = strlen(key) + 1;
    struct store_object *object = malloc(sizeof(*object) + key_size + text_len + 1);

    if (!object)
        abort();
    object->version = version;
    object->generation = store->generation;
    object->text_at = (uint32_t)key_size;
    memcpy(object->key, key, key_size);
    memcpy(object->key + key_size, text, text_len + 1);
    return object;
}

const char *store_text(const struct store_object *object)
{
    return object->key + object->text_at;
}

/* The text is our own print of a tree, so that it can be read. */
struct json *store_tree(const char *text)
{
    struct err err;
    struct json *tree = json_parse(text, strlen(text), &err);

    assert(tree);
    return tree;
}

/* ---- changes, under the lock ---- */

/* Takes an object out, whose tree is `kept`. */
static void drop(struct kube_store *store, struct store_object *object, const struct json *kept)
{
    for (size_t i = 0; i < KUBE_STORE_INDEXES_MAX; i++)
        if (store->index[i])
            store_index_remove(store->index[i], kept, object);
    map_remove(store->objects, object->key);
    free(object);
}

/*
 * Makes `kept` (NULL: nothing) what is known under a key. Returns whether that changed anything;
 * then `before` is the tree of what was known, which the caller frees.
 */
static bool set(struct kube_store *store, const char *key, const struct json *kept,
                uint64_t version, struct json **before)
{
    struct store_object *old = map_get(store->objects, key), *new;
    cleanup_json struct json *old_tree = NULL;
    cleanup_str struct str text = STR_INIT;

    if (old) {
        old->generation = store->generation;
        old->version = version;
    }
    if (!old && !kept)
        return false;
    if (kept)
        json_print(kept, 0, &text);
    if (old && kept && strcmp(store_text(old), text.data) == 0)
        return false;
    if (old)
        old_tree = store_tree(store_text(old));
    if (old && kept && json_equal(old_tree, kept)) /* only the order of keys is another */
        return false;
    if (old)
        drop(store, old, old_tree);
    if (kept) {
        new = new_object(store, key, text.data, text.len, version);
        map_put(store->objects, new->key, new);
        for (size_t i = 0; i < KUBE_STORE_INDEXES_MAX; i++)
            if (store->index[i])
                store_index_add(store->index[i], kept, new);
    }
    *before = steal_ptr(old_tree);
    return true;
}

/* Tells the writes under way what came now, of `key` (NULL: of all) and in this version (0: not
 * known, so that their answers may be older). */
static void overtake(struct kube_store *store, const char *key, uint64_t version)
{
    for (struct kube_store_write *write = store->writes; write; write = write->next)
        if (!key || strcmp(write->key, key) == 0) {
            write->overtaken |= version == 0;
            write->seen = version > write->seen ? version : write->seen;
        }
}

/* Whether nothing that came meanwhile is newer than the answer. */
static bool is_news(const struct kube_store_write *write, const struct json *answer)
{
    return !write->overtaken && (!write->seen || version_of(answer) > write->seen);
}

/* ---- the watch's side ---- */

/* Whether an event tells what was before the answer to an own write; under the lock. */
static bool is_late(const struct kube_store *store, const char *key, uint64_t version)
{
    const struct store_object *known = map_get(store->objects, key);

    return known && version && !store->replacing && version < known->version;
}

bool kube_store_knows(struct kube_store *store, const char *ns, const char *name,
                      const char *version)
{
    cleanup_free char *key = store_key(ns, name);
    uint64_t number = read_version(version);
    const struct store_object *known;
    bool same;

    pthread_mutex_lock(&store->lock);
    known = map_get(store->objects, key);
    same = known && number && !store->replacing && known->version == number;
    pthread_mutex_unlock(&store->lock);
    return same;
}

/* Sets and tells; under `watching`. `version` 0: whatever is known. */
static void set_and_tell(struct kube_store *store, const char *key, const struct json *kept,
                         uint64_t version)
{
    cleanup_json struct json *before = NULL;
    bool changed;

    pthread_mutex_lock(&store->lock);
    if (is_late(store, key, version)) {
        pthread_mutex_unlock(&store->lock);
        return;
    }
    changed = set(store, key, kept, version, &before);
    if (changed || !kept) /* else it is the echo of what is known */
        overtake(store, key, version);
    pthread_mutex_unlock(&store->lock);
    if (changed && store->config.change)
        store->config.change(store->config.ctx, before, kept);
}

void kube_store_put(struct kube_store *store, const struct json *object)
{
    cleanup_free char *key = key_of_object(object);
    cleanup_json struct json *kept = NULL;

    if (!key)
        return;
    kept = keep(store, object);
    pthread_mutex_lock(&store->watching);
    set_and_tell(store, key, kept, version_of(object));
    pthread_mutex_unlock(&store->watching);
}

void kube_store_remove(struct kube_store *store, const struct json *object)
{
    cleanup_free char *key = key_of_object(object);

    if (!key)
        return;
    pthread_mutex_lock(&store->watching);
    set_and_tell(store, key, NULL, version_of(object));
    pthread_mutex_unlock(&store->watching);
}

void kube_store_replace_begin(struct kube_store *store)
{
    pthread_mutex_lock(&store->lock);
    store->generation++;
    store->replacing = true;
    overtake(store, NULL, 0);
    pthread_mutex_unlock(&store->lock);
}

/* The keys of what the list did not have, each with its NUL. */
static void unseen(const struct kube_store *store, struct str *keys)
{
    const struct store_object *object;
    size_t at = 0;

    while ((object = map_next(store->objects, &at)))
        if (object->generation != store->generation)
            str_append(keys, object->key, strlen(object->key) + 1);
}

void kube_store_replace_end(struct kube_store *store)
{
    cleanup_str struct str keys = STR_INIT;

    pthread_mutex_lock(&store->watching);
    pthread_mutex_lock(&store->lock);
    unseen(store, &keys);
    pthread_mutex_unlock(&store->lock);
    for (size_t at = 0; at < keys.len; at += strlen(keys.data + at) + 1)
        set_and_tell(store, keys.data + at, NULL, 0);
    kube_store_replace_cancel(store);
    pthread_mutex_unlock(&store->watching);
}

void kube_store_replace_cancel(struct kube_store *store)
{
    pthread_mutex_lock(&store->lock);
    store->replacing = false;
    pthread_mutex_unlock(&store->lock);
}

/* ---- own writes ---- */

struct kube_store_write *kube_store_begin(struct kube_store *store, const char *ns,
                                          const char *name)
{
    struct kube_store_write *write = calloc(1, sizeof(*write));

    if (!write)
        abort();
    write->store = store;
    write->key = store_key(ns, name);
    pthread_mutex_lock(&store->lock);
    write->overtaken = store->replacing;
    write->next = store->writes;
    store->writes = write;
    pthread_mutex_unlock(&store->lock);
    return write;
}

void kube_store_commit(struct kube_store_write *write, const struct json *object, bool gone)
{
    struct kube_store *store = write->store;
    cleanup_json struct json *kept = object ? keep(store, object) : NULL, *before = NULL;
    struct kube_store_write **link = &store->writes;

    pthread_mutex_lock(&store->lock);
    while (*link != write)
        link = &(*link)->next;
    *link = write->next;
    if ((object || gone) && is_news(write, object))
        set(store, write->key, kept, version_of(object), &before);
    pthread_mutex_unlock(&store->lock);
    free(write->key);
    free(write);
}
