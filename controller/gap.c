/* SPDX-License-Identifier: Apache-2.0 */
#include "gap.h"
#include "base/log.h"
#include "kube/decoder.h"

#include <string.h>

enum { HISTORY_SECONDS = 1 }; /* the server gives what it has at once, then waits so long */

struct gap {
    struct routes *routes;
    struct kube_decoder *decoder;
    bool broken;
};

static int on_event(void *ctx, enum kube_event event, const struct json *object, struct err *err)
{
    struct gap *gap = ctx;

    (void)err;
    if (event == KUBE_ERROR || event == KUBE_UNREADABLE)
        gap->broken = true;
    else if (event != KUBE_BOOKMARK)
        routes_pod_seen(gap->routes, object, event == KUBE_DELETED);
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

void gap_close(struct kube_conn *conn, struct routes *routes, const char *note, const char *now)
{
    const struct kube_selection pods = {.resource = &kind_table[KIND_POD].resource};
    const struct kube_watch_options options = {.version = note, .timeout_seconds = HISTORY_SECONDS};
    struct gap gap = {.routes = routes};
    struct err err;
    int rc;

    if (note && now && strcmp(note, now) == 0)
        return;
    if (note && *note) {
        gap.decoder = kube_decoder_new(on_event, &gap);
        rc = kube_watch(conn, &pods, &options, on_bytes, &gap, &err);
        if (rc == 0 && !gap.broken && !kube_decoder_between(gap.decoder))
            gap.broken = true;
        kube_decoder_free(gap.decoder);
        if (rc == 0 && !gap.broken)
            return;
    }
    if (kube_conn_cancelled(conn) || !kube_store_count(routes->cache->stores[KIND_EXPORT]))
        return;
    log_info("which pods came and went before is not known: downloads begin anew");
    routes_touch_all(routes);
}
