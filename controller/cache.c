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
    free(memo->vm_version);
    json_free(memo->expanded);
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
    if (memo && memo->touched)
        cache->touched--;
    pthread_mutex_unlock(&cache->lock);
    if (memo)
        memo_free(memo);
}

void cache_touch(struct cache *cache, const char *key)
{
    pthread_mutex_lock(&cache->lock);
    if (memo_locked(cache, key)->touched++ == 0)
        cache->touched++;
    pthread_mutex_unlock(&cache->lock);
}

unsigned cache_touched(struct cache *cache, const char *key)
{
    unsigned count;

    pthread_mutex_lock(&cache->lock);
    count = memo_locked(cache, key)->touched;
    pthread_mutex_unlock(&cache->lock);
    return count;
}

void cache_untouch(struct cache *cache, const char *key, unsigned count)
{
    struct memo *memo;

    pthread_mutex_lock(&cache->lock);
    memo = memo_locked(cache, key);
    if (count && (memo->touched -= count) == 0)
        cache->touched--;
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
