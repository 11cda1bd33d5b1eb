/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The world as one look at one export sees it: objects of the cache as trees, read when they are
 * asked for and the same until the look ends; no I/O. What a look makes for itself (texts, trees)
 * is the world's too, so that planning never frees anything.
 *
 * One thread at a time.
 */
#pragma once

#include "cache.h"

#include <time.h>

struct world {
    struct cache *cache;
    const struct settings *settings;
    const struct json *export;
    const char *ns, *name;       /* of the export */
    struct surroundings *around; /* a reference; read only */
    const struct memo *memo;
    const struct json *users; /* foreign pods that were at its volumes, by uid; NULL: none */
    struct inspection inspection;
    time_t now;
    struct world_kept *kept; /* what is to be freed */
};

/* False when there is no such export. End with world_close in either case. */
bool world_open(struct world *world, struct cache *cache, const char *key, time_t now);
void world_close(struct world *world);

/* Forgets what was looked up, but for the export itself: the next look sees the cache of now. */
void world_refresh(struct world *world);

const struct json *world_get(struct world *world, enum kind kind, const char *name);
const struct json *world_get_in(struct world *world, enum kind kind, const char *ns,
                                const char *name);
/* All with "<the export's namespace>/<value>" in the kind's index. */
const struct json *world_find(struct world *world, enum kind kind, unsigned index,
                              const char *value);
bool world_serves(const struct world *world, enum kind kind);

/* A text that lives as long as the world. */
const char *world_printf(struct world *world, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Zeroed memory that lives as long as the world. */
void *world_array(struct world *world, size_t count, size_t size);
/* Hands a tree to the world. */
struct json *world_keep(struct world *world, struct json *json);

/* The export is the controlling owner of the object. */
bool world_owns(const struct world *world, const struct json *object);
