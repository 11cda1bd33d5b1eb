/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of the objects of one kind, by key ("namespace/name", or "name"), with indexes.
 *
 * An object is reduced to what is asked of it as soon as it comes (`keep`), and is kept as one line
 * of JSON: a tree of it takes some seven times its text, and ten thousand foreign pods are common.
 * Readers get a tree of their own.
 *
 * Own writes: the answer to a write is newer than what the watch has told so far, and a reconcile
 * that does not see it would do it again. So a writer announces it with kube_store_begin and hands
 * the answer over with kube_store_commit, which takes it only if no event for the key came
 * meanwhile that is newer; events that are older and come after it are passed over. A list counts as
 * a newer event for every key, as an object that is not in it may have gone since it was written.
 *
 * Thread-safe. Changes are told to one listener, outside of the store's lock, in order: it may read
 * the store and begin and commit writes, but not do the watch's part.
 */
#pragma once

#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>

enum { KUBE_STORE_INDEXES_MAX = 4 };

/* What to keep of an object, as a new tree; NULL: nothing, it is as if the object was not there.
 * Each must keep metadata.name and metadata.namespace. */
typedef struct json *kube_keep_fn(void *ctx, const struct json *object);

/* Calls add(list, value) for each value under which the object (as kept) is to be found. */
struct kube_values;
void kube_values_add(struct kube_values *values, const char *value);
typedef void kube_index_fn(const struct json *kept, struct kube_values *values);

/* An object came (before NULL), changed, or went (after NULL), as kept. Not called when what is
 * kept is the same as before. */
typedef void kube_change_fn(void *ctx, const struct json *before, const struct json *after);

struct kube_store_config {
    kube_keep_fn *keep; /* NULL: all but managedFields */
    kube_index_fn *indexes[KUBE_STORE_INDEXES_MAX];
    kube_change_fn *change; /* may be NULL */
    void *ctx;              /* of keep and change */
};

struct kube_store;

struct kube_store *kube_store_new(const struct kube_store_config *config);
void kube_store_free(struct kube_store *store); /* after every write that was begun was committed */

/* ---- the watch's side ---- */
void kube_store_put(struct kube_store *store, const struct json *object);
void kube_store_remove(struct kube_store *store, const struct json *object);
/* A list from the beginning: what is not put until kube_store_replace_end has gone. */
void kube_store_replace_begin(struct kube_store *store);
void kube_store_replace_end(struct kube_store *store);
/* The list broke off: what was put stays, and nothing goes. */
void kube_store_replace_cancel(struct kube_store *store);

/* ---- readers; the caller frees the tree ---- */
struct json *kube_store_get(struct kube_store *store, const char *ns, const char *name);
/* An array of all objects with this value in the index, by key; empty when there is none. */
struct json *kube_store_find(struct kube_store *store, unsigned index, const char *value);
struct json *kube_store_all(struct kube_store *store);
/* The keys alone, as strings: little, however many objects there are. */
struct json *kube_store_keys(struct kube_store *store);
/* Whether exactly this version of an object is in the store. False during a list or before the state
 * is complete, when each object has to be put. */
bool kube_store_knows(struct kube_store *store, const char *ns, const char *name,
                      const char *version);
size_t kube_store_count(struct kube_store *store);
bool kube_store_has(struct kube_store *store, unsigned index, const char *value);
/* How many objects have this value in the index. */
size_t kube_store_count_of(struct kube_store *store, unsigned index, const char *value);

/* ---- own writes ---- */
struct kube_store_write;
struct kube_store_write *kube_store_begin(struct kube_store *store, const char *ns,
                                          const char *name);
/* `object`: as the server answered; NULL with `gone`: it was deleted; NULL without: nothing is known
 * (the write failed). Ends and frees the write. Changes by it are not told to the listener. */
void kube_store_commit(struct kube_store_write *write, const struct json *object, bool gone);
