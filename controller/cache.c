/* SPDX-License-Identifier: Apache-2.0 */
#include "cache.h"

#include <stdlib.h>
#include <string.h>

static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

void cache_init(struct cache *cache, const struct settings *settings, kube_change_fn *change,
                void *listener)
{
    memset(cache, 0, sizeof(*cache));
    cache->settings = settings;
    pthread_mutex_init(&cache->lock, NULL);
    cache->memos = map_new();
    cache->around = must(calloc(1, sizeof(*cache->around)));
    cache->around->references = 1;
    for (int kind = 0; kind < KINDS; kind++) {
        struct kube_store_config config = {
            .keep = kind_table[kind].keep, .change = change, .ctx = &cache->contexts[kind]};

        memcpy(config.indexes, kind_table[kind].indexes, sizeof(config.indexes));
        cache->stores[kind] = kube_store_new(&config);
        cache->contexts[kind] =
            (struct kind_context){(enum kind)kind, settings, cache->stores[KIND_EXPORT], listener};
    }
}

static void memo_free(struct memo *memo)
{
    free(memo->key);
    free(memo->token_version);
    free(memo->tls_version);
    free(memo->vm_version);
    json_free(memo->expanded);
    json_free(memo->users);
    json_free(memo->last_users);
    inspection_free(&memo->inspection);
    free(memo);
}

void cache_free(struct cache *cache)
{
    size_t at = 0;

    for (int kind = 0; kind < KINDS; kind++)
        kube_store_free(cache->stores[kind]);
    for (struct memo *memo; (memo = map_next(cache->memos, &at));)
        memo_free(memo);
    map_free(cache->memos);
    surroundings_release(cache->around);
    pthread_mutex_destroy(&cache->lock);
}

/* ---- surroundings ---- */

void surroundings_release(struct surroundings *around)
{
    if (!around || atomic_fetch_sub(&around->references, 1) > 1)
        return;
    free(around->ca_bundle);
    free(around->signers);
    free(around->signer);
    free(around->external_host);
    free(around->external_cert);
    free(around->gate);
    free(around);
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool cache_surround(struct cache *cache, struct surroundings *around)
{
    struct surroundings *before;
    bool differs;

    around->references = 1;
    pthread_mutex_lock(&cache->lock);
    before = cache->around;
    cache->around = around;
    pthread_mutex_unlock(&cache->lock);
    differs = !same(before->ca_bundle, around->ca_bundle) ||
              !same(before->signer, around->signer) || !same(before->signers, around->signers) ||
              !same(before->external_host, around->external_host) ||
              !same(before->external_cert, around->external_cert) ||
              !same(before->gate, around->gate);
    surroundings_release(before);
    return differs;
}

struct surroundings *cache_surroundings(struct cache *cache)
{
    struct surroundings *around;

    pthread_mutex_lock(&cache->lock);
    around = cache->around;
    atomic_fetch_add(&around->references, 1);
    pthread_mutex_unlock(&cache->lock);
    return around;
}

/* ---- memos ---- */

static struct memo *memo_locked(struct cache *cache, const char *key)
{
    struct memo *memo = map_get(cache->memos, key);

    if (!memo) {
        memo = must(calloc(1, sizeof(*memo)));
        memo->key = must(strdup(key));
        map_put(cache->memos, memo->key, memo);
    }
    return memo;
}

struct memo *cache_memo(struct cache *cache, const char *key)
{
    struct memo *memo;

    pthread_mutex_lock(&cache->lock);
    memo = memo_locked(cache, key);
    pthread_mutex_unlock(&cache->lock);
    return memo;
}

void cache_forget(struct cache *cache, const char *key)
{
    struct memo *memo;

    pthread_mutex_lock(&cache->lock);
    memo = map_remove(cache->memos, key);
    if (memo && memo->users)
        cache->touched--;
    pthread_mutex_unlock(&cache->lock);
    if (memo)
        memo_free(memo);
}

static bool has(const struct json *list, const char *text)
{
    for (const struct json *v = json_first(list); v; v = json_next(v))
        if (strcmp(json_string(v), text) == 0)
            return true;
    return false;
}

/* Sets the users of a memo, NULL for none, and counts those that have some; below the lock. */
static void set_users(struct cache *cache, struct memo *memo, struct json *users)
{
    cache->touched += (users != NULL) - (memo->users != NULL);
    json_free(memo->users);
    memo->users = users;
}

void cache_touch(struct cache *cache, const char *key, const char *pod)
{
    struct memo *memo;

    pthread_mutex_lock(&cache->lock);
    memo = memo_locked(cache, key);
    if (!memo->users)
        set_users(cache, memo, json_new_array());
    if (json_count(memo->users) >= CACHE_USERS_MAX)
        pod = CACHE_UNKNOWN_POD;
    if (!has(memo->users, pod))
        json_append(memo->users, json_new_string(pod));
    pthread_mutex_unlock(&cache->lock);
}

struct json *cache_users(struct cache *cache, const char *key)
{
    struct memo *memo;
    struct json *users;

    pthread_mutex_lock(&cache->lock);
    memo = memo_locked(cache, key);
    users = memo->users ? json_copy(memo->users) : NULL;
    pthread_mutex_unlock(&cache->lock);
    return users;
}

void cache_untouch(struct cache *cache, const char *key, const struct json *users)
{
    struct json *left = json_new_array();
    struct memo *memo;

    pthread_mutex_lock(&cache->lock);
    memo = memo_locked(cache, key);
    for (const struct json *v = json_first(memo->users); v; v = json_next(v))
        if (!has(users, json_string(v)))
            json_append(left, json_copy(v));
    if (!json_first(left)) {
        json_free(left);
        left = NULL;
    }
    set_users(cache, memo, left);
    pthread_mutex_unlock(&cache->lock);
}

bool cache_any_touched(struct cache *cache)
{
    bool any;

    pthread_mutex_lock(&cache->lock);
    any = cache->touched > 0;
    pthread_mutex_unlock(&cache->lock);
    return any;
}

/* ---- inspections ---- */

void inspection_free(struct inspection *inspection)
{
    free(inspection->pod);
    json_free(inspection->found);
    *inspection = (struct inspection){0};
}

/* Whether this very pod is asked; `memo` may be NULL. */
static bool is_asked(const struct memo *memo, const char *pod)
{
    return memo && memo->inspection.state == INSPECTION_ASKED &&
           strcmp(memo->inspection.pod, pod) == 0;
}

bool cache_inspect(struct cache *cache, const char *key, const char *pod)
{
    struct inspection *inspection;
    bool fresh;

    pthread_mutex_lock(&cache->lock);
    inspection = &memo_locked(cache, key)->inspection;
    fresh = !inspection->pod || strcmp(inspection->pod, pod);
    if (fresh) {
        inspection_free(inspection);
        *inspection = (struct inspection){.state = INSPECTION_ASKED, .pod = must(strdup(pod))};
    }
    pthread_mutex_unlock(&cache->lock);
    return fresh;
}

bool cache_inspect_next(struct cache *cache, const char *key, struct str *pod, unsigned *number)
{
    struct memo *memo;
    bool asked;

    pthread_mutex_lock(&cache->lock);
    memo = map_get(cache->memos, key);
    asked = memo && memo->inspection.state == INSPECTION_ASKED;
    if (asked) {
        str_puts(pod, memo->inspection.pod);
        *number = ++memo->inspection.tries;
    }
    pthread_mutex_unlock(&cache->lock);
    return asked;
}

void cache_inspected(struct cache *cache, const char *key, const char *pod,
                     enum inspection_state state, struct json *found)
{
    struct memo *memo;

    pthread_mutex_lock(&cache->lock);
    memo = map_get(cache->memos, key);
    if (is_asked(memo, pod)) {
        memo->inspection.state = state;
        memo->inspection.found = found;
        found = NULL;
    }
    pthread_mutex_unlock(&cache->lock);
    json_free(found);
}

struct inspection cache_inspection(struct cache *cache, const char *key)
{
    struct inspection out = {0};
    const struct memo *memo;

    pthread_mutex_lock(&cache->lock);
    memo = map_get(cache->memos, key);
    if (memo && memo->inspection.pod) {
        out = memo->inspection;
        out.pod = must(strdup(out.pod));
        out.found = out.found ? json_copy(out.found) : NULL;
    }
    pthread_mutex_unlock(&cache->lock);
    return out;
}
