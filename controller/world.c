/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct world_kept {
    struct world_kept *next;
    struct json *json;
    char *text;
    char *key; /* "<kind> <namespace>/<name>" of an object that was looked up */
};

static struct world_kept *keep(struct world *world)
{
    struct world_kept *kept = calloc(1, sizeof(*kept));

    if (!kept)
        abort();
    kept->next = world->kept;
    world->kept = kept;
    return kept;
}

bool world_open(struct world *world, struct cache *cache, const char *key, time_t now)
{
    const char *slash = strchr(key, '/');

    memset(world, 0, sizeof(*world));
    world->cache = cache;
    world->settings = cache->settings;
    world->now = now;
    world->around = cache_surroundings(cache);
    world->ns = world_printf(world, "%.*s", (int)(slash - key), key);
    world->name = world_printf(world, "%s", slash + 1);
    world->export = world_get(world, KIND_EXPORT, world->name);
    if (!world->export)
        return false;
    world->memo = cache_memo(cache, key);
    world->users = world_keep(world, cache_users(cache, key));
    world->inspection = cache_inspection(cache, key);
    return true;
}

void world_close(struct world *world)
{
    surroundings_release(world->around);
    inspection_free(&world->inspection);
    while (world->kept) {
        struct world_kept *kept = world->kept;

        world->kept = kept->next;
        json_free(kept->json);
        free(kept->text);
        free(kept->key);
        free(kept);
    }
}

void world_refresh(struct world *world)
{
    for (struct world_kept *kept = world->kept; kept; kept = kept->next)
        if (kept->json != world->export) {
            free(kept->key);
            kept->key = NULL;
        }
}

const struct json *world_get_in(struct world *world, enum kind kind, const char *ns,
                                const char *name)
{
    cleanup_str struct str key = STR_INIT;
    struct world_kept *kept;

    str_printf(&key, "%d %s/%s", kind, ns, name);
    for (kept = world->kept; kept; kept = kept->next)
        if (kept->key && strcmp(kept->key, str_get(&key)) == 0)
            return kept->json;
    kept = keep(world);
    kept->json = kube_store_get(world->cache->stores[kind], ns, name);
    kept->key = str_steal(&key);
    return kept->json;
}

const struct json *world_get(struct world *world, enum kind kind, const char *name)
{
    return world_get_in(world, kind, world->ns, name);
}

const struct json *world_find(struct world *world, enum kind kind, unsigned index,
                              const char *value)
{
    return world_keep(world, kube_store_find(world->cache->stores[kind], index,
                                             world_printf(world, "%s/%s", world->ns, value)));
}

bool world_serves(const struct world *world, enum kind kind)
{
    return atomic_load(&world->cache->served[kind]);
}

const char *world_printf(struct world *world, const char *fmt, ...)
{
    struct world_kept *kept = keep(world);
    va_list args;

    va_start(args, fmt);
    if (vasprintf(&kept->text, fmt, args) < 0)
        abort();
    va_end(args);
    return kept->text;
}

void *world_array(struct world *world, size_t count, size_t size)
{
    struct world_kept *kept = keep(world);

    kept->text = calloc(count + 1, size);
    if (!kept->text)
        abort();
    return kept->text;
}

struct json *world_keep(struct world *world, struct json *json)
{
    keep(world)->json = json;
    return json;
}

bool world_owns(const struct world *world, const struct json *object)
{
    const char *owner = json_text(kind_owner(object), "uid");
    const char *uid = json_text(world->export, "metadata.uid");

    return owner && uid && strcmp(owner, uid) == 0;
}
