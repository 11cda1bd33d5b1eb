/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a Ready export is reached: by its external link; by its internal one at --service-url; or through
 * the API server (port-forward), also when there is no external link.
 *
 * It is the source of a download (transfer/source.h): after a failure it reads the export anew, with
 * what has changed of links, certificate and token.
 */
#pragma once

#include "api/exports.h"
#include "api/links.h"
#include "transfer/source.h"

struct reach {
    struct source source; /* `url` is chosen by who downloads: reach_choose */
    struct exports *exports;
    const struct options *options;
    enum links_side side;
    struct json *object; /* the export */
    char *token;
    struct port_forward *forward;

    /* Sets source.url and source.size_url from the links, also after they have changed. */
    int (*choose)(struct reach *reach, const struct json *links, struct err *err);
    void *choose_ctx;
};

/* Waits until the export is Ready, with a way in. Fails as wait_ready, but for ERR_LIMIT, which is
 * ERR_UNAVAILABLE here: no link, and no port-forward. */
int reach_open(struct reach *reach, struct exports *exports, const struct options *options,
               struct err *err);
/* Calls `choose`, now and whenever the links are read anew. */
int reach_choose(struct reach *reach,
                 int (*choose)(struct reach *reach, const struct json *links, struct err *err),
                 void *ctx, struct err *err);
void reach_close(struct reach *reach);
