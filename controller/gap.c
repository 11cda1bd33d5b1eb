/* SPDX-License-Identifier: Apache-2.0 */
#include "gap.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "kube/decoder.h"

#include <stdlib.h>
#include <string.h>

enum {
    HISTORY_SECONDS = 1, /* the server gives what it has at once, then waits so long */
    ROUNDS_MAX = 20,
};

struct gap {
    struct routes *routes;
    struct kube_decoder *decoder;
    char *version; /* of the last event */
    size_t events; /* in this round */
    bool broken;
};

static void take(struct gap *gap, const struct json *pod, bool gone)
{
    const char *version = json_text(pod, "metadata.resourceVersion");

    routes_pod_seen(gap->routes, pod, gone);
    gap->events++;
    free(gap->version);
    gap->version = version ? strdup(version) : NULL;
    gap->broken |= !gap->version;
}

static int on_event(void *ctx, enum kube_event event, const struct json *object, struct err *err)
{
    struct gap *gap = ctx;

    (void)err;
    if (event == KUBE_ERROR || event == KUBE_UNREADABLE)
        gap->broken = true;
    else if (event != KUBE_BOOKMARK)
        take(gap, object, event == KUBE_DELETED);
    return 0;
}

static int on_bytes(void *ctx, const char *data, size_t len)
{
    struct gap *gap = ctx;
    struct err err;

    if (kube_decoder_feed(gap->decoder, data, len, &err) < 0)
        gap->broken = true;
    return gap->broken;
}

/* The history from gap->version on, as far as it comes within HISTORY_SECONDS. */
static bool read_on(struct kube_conn *conn, struct gap *gap)
{
    const struct kube_selection pods = {.resource = &kind_table[KIND_POD].resource};
    cleanup_free char *from = strdup(gap->version);
    const struct kube_watch_options options = {.version = from, .timeout_seconds = HISTORY_SECONDS};
    struct err err;
    int rc;

    gap->events = 0;
    gap->decoder = kube_decoder_new(on_event, gap);
    rc = kube_watch(conn, &pods, &options, on_bytes, gap, &err);
    gap->broken |= rc < 0 || !kube_decoder_between(gap->decoder);
    kube_decoder_free(gap->decoder);
    return !gap->broken;
}

/* A server that is busy may end a watch before it has told all: the end is where nothing comes. */
static bool read_history(struct kube_conn *conn, struct routes *routes, const char *note)
{
    struct gap gap = {.routes = routes, .version = strdup(note)};
    bool whole = false;

    for (int round = 0; round < ROUNDS_MAX && !whole && read_on(conn, &gap); round++)
        whole = gap.events == 0;
    free(gap.version);
    return whole;
}

bool gap_close(struct kube_conn *conn, struct routes *routes, const char *note, const char *now)
{
    if (note && *note && ((now && strcmp(note, now) == 0) || read_history(conn, routes, note)))
        return true;
    if (kube_conn_cancelled(conn))
        return false;
    if (!kube_store_count(routes->cache->stores[KIND_EXPORT]))
        return true;
    log_info("which pods came and went before is not known: downloads begin anew");
    routes_touch_all(routes);
    return true;
}
