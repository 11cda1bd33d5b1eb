/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table from texts to pointers.
 *
 * It owns neither: a key must stay as it is for as long as its entry is there, most simply by being
 * part of the value. Out of memory ends the program, as in str.h. Not thread-safe. Who chooses the
 * keys cannot make it slow: the hash depends on a random number (map.c).
 */
#pragma once

#include <stddef.h>

struct map;

struct map *map_new(void);
/* The table only; NULL is ignored. */
void map_free(struct map *map);

size_t map_count(const struct map *map);
/* The value; NULL when there is none. */
void *map_get(const struct map *map, const char *key);
/* Sets the value, which is not NULL, and from then on refers to this `key`. Returns the value that
 * was there before, NULL when the entry is new. */
void *map_put(struct map *map, const char *key, void *value);
/* Takes the entry out and returns its value; NULL when there is none. */
void *map_remove(struct map *map, const char *key);

/* The values one after the other, in no order; NULL at the end. Start with *at = 0. The table must
 * not change in between. */
void *map_next(const struct map *map, size_t *at);
