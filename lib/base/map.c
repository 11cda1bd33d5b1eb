/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open addressing with linear probing in one array of a power of two, at most three quarters full;
 * an entry that goes makes those behind it move up, so that there are no marks for deleted ones.
 *
 * The hash is the key taken as a polynomial at a random point, modulo the prime 2^31 - 1: whatever
 * two different keys of length n are, they collide for at most n points of the 2^31, so keys that
 * were chosen to collide can't be made without knowing the point.
 */
#include "map.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { SIZE_FIRST = 16 };

struct slot {
    const char *key; /* NULL: free */
    void *value;
    uint32_t hash;
};

struct map {
    struct slot *slot;
    size_t size; /* a power of two, or 0 */
    size_t count;
};

static const uint64_t prime = (UINT64_C(1) << 31) - 1;
static uint64_t point;
static pthread_once_t point_once = PTHREAD_ONCE_INIT;

/* Above every byte and below the prime. */
static void choose_point(void)
{
    uint64_t random = 0;

    while (getrandom(&random, sizeof(random), 0) < 0)
        if (errno != EINTR)
            abort();
    point = 257 + random % (prime - 257);
}

static uint32_t hash_of(const char *key)
{
    uint64_t hash = 1;

    for (const unsigned char *p = (const unsigned char *)key; *p; p++)
        hash = (hash * point + *p) % prime;
    /* Spreads it over all bits, as the table's index is taken from the low ones. */
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(hash >> 32);
}

struct map *map_new(void)
{
    struct map *map = calloc(1, sizeof(*map));

    if (!map)
        abort();
    pthread_once(&point_once, choose_point);
    return map;
}

void map_free(struct map *map)
{
    if (!map)
        return;
    free(map->slot);
    free(map);
}

size_t map_count(const struct map *map)
{
    return map->count;
}

/* The slot of the key, or the free one where it belongs. The table has a free one. */
static struct slot *find(const struct map *map, const char *key, uint32_t hash)
{
    for (size_t i = hash & (map->size - 1);; i = (i + 1) & (map->size - 1)) {
        struct slot *slot = &map->slot[i];

        if (!slot->key || (slot->hash == hash && strcmp(slot->key, key) == 0))
            return slot;
    }
}

static void resize(struct map *map, size_t size)
{
    struct slot *old = map->slot;
    size_t old_size = map->size;

    map->slot = calloc(size, sizeof(*map->slot));
    if (!map->slot)
        abort();
    map->size = size;
    for (size_t i = 0; i < old_size; i++)
        if (old[i].key)
            *find(map, old[i].key, old[i].hash) = old[i];
    free(old);
}

void *map_get(const struct map *map, const char *key)
{
    return map->count ? find(map, key, hash_of(key))->value : NULL;
}

void *map_put(struct map *map, const char *key, void *value)
{
    uint32_t hash = hash_of(key);
    struct slot *slot;
    void *before;

    assert(value);
    if ((map->count + 1) * 4 > map->size * 3)
        resize(map, map->size ? map->size * 2 : SIZE_FIRST);
    slot = find(map, key, hash);
    before = slot->value;
    map->count += !slot->key;
    *slot = (struct slot){.key = key, .value = value, .hash = hash};
    return before;
}

void *map_remove(struct map *map, const char *key)
{
    struct slot *slot = map->count ? find(map, key, hash_of(key)) : NULL;
    size_t mask = map->size - 1, hole;
    void *value;

    if (!slot || !slot->key)
        return NULL;
    value = slot->value;
    hole = (size_t)(slot - map->slot);
    for (size_t i = (hole + 1) & mask; map->slot[i].key; i = (i + 1) & mask) {
        /* It may move up to the hole unless that lies before the place where it belongs. */
        if (((i - map->slot[i].hash) & mask) < ((i - hole) & mask))
            continue;
        map->slot[hole] = map->slot[i];
        hole = i;
    }
    map->slot[hole] = (struct slot){0};
    map->count--;
    if (map->size > SIZE_FIRST && map->count * 8 < map->size)
        resize(map, map->size / 2);
    return value;
}

void *map_next(const struct map *map, size_t *at)
{
    while (*at < map->size) {
        const struct slot *slot = &map->slot[(*at)++];

        if (slot->key)
            return slot->value;
    }
    return NULL;
}
