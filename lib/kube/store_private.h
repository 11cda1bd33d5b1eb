/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the store share. */
#pragma once

#include "base/map.h"
#include "store.h"

#include <pthread.h>
#include <stdint.h>

/* An object as it is kept: one allocation. */
struct store_object {
    uint64_t version;    /* its resourceVersion; 0: not known */
    uint32_t generation; /* of the list that it was last seen in */
    uint32_t text_at;    /* where the JSON text begins within `key` */
    char key[];          /* NUL, text, NUL */
};

struct store_index;

struct kube_store {
    struct kube_store_config config;
    pthread_mutex_t watching; /* taken before `lock` */
    pthread_mutex_t lock;
    struct map *objects; /* struct store_object by key */
    struct store_index *index[KUBE_STORE_INDEXES_MAX];
    struct kube_store_write *writes; /* begun and not yet committed */
    uint32_t generation;
    bool replacing;
};

/* ---- store.c ---- */

char *store_key(const char *ns, const char *name); /* the caller frees */
const char *store_text(const struct store_object *object);
struct json *store_tree(const char *text); /* the caller frees */

/* ---- store_index.c: for each value the objects that have it, in the order of their keys. ---- */

struct store_index *store_index_new(kube_index_fn *values_of);
void store_index_free(struct store_index *index);

/* `kept` is the tree of `object`, for which it is asked its values. */
void store_index_add(struct store_index *index, const struct json *kept,
                     struct store_object *object);
void store_index_remove(struct store_index *index, const struct json *kept,
                        const struct store_object *object);

/* The objects with this value, valid until the index changes; their number in `count`. */
struct store_object *const *store_index_find(const struct store_index *index, const char *value,
                                             size_t *count);
