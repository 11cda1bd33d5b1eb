/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libcurl gives of the body is gathered until the next would have to be waited for, as each
 * write wakes the web server up.
 */
#include "upstream_private.h"

#include <string.h>

enum { HEADER_MAX = 32 * 1024 }; /* of the head; lighttpd takes 64 KiB */

int upstream_flush(struct exchange *exchange)
{
    struct upstream *upstream = exchange->upstream;
    size_t len = upstream->gathered;

    upstream->gathered = 0;
    if (!len || exchange->stopped)
        return 0;
    exchange->stopped =
        exchange->sink->body(exchange->sink->ctx, upstream->gather, len, exchange->err) < 0;
    return exchange->stopped ? -1 : 0;
}

size_t upstream_take_body(char *data, size_t size, size_t count, void *ctx)
{
    struct exchange *exchange = ctx;
    struct upstream *upstream = exchange->upstream;
    size_t left = size * count;

    exchange->upstream->drive.got = true;
    while (left) {
        size_t room = RESPONSE_RECORD - upstream->gathered;
        size_t part = left < room ? left : room;

        memcpy(upstream->gather + upstream->gathered, data, part);
        upstream->gathered += part;
        data += part;
        left -= part;
        if (upstream->gathered == RESPONSE_RECORD && upstream_flush(exchange) < 0)
            return 0;
    }
    return size * count;
}

static bool begin(struct exchange *exchange)
{
    long status = 0;

    curl_easy_getinfo(exchange->upstream->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200)
        return true; /* an interim answer: the next one follows */
    exchange->begun = true;
    exchange->stopped = exchange->sink->begin(exchange->sink->ctx, (int)status, exchange->err) < 0;
    return !exchange->stopped;
}

size_t upstream_take_header(char *line, size_t size, size_t count, void *ctx)
{
    struct exchange *exchange = ctx;
    size_t len = size * count;

    exchange->upstream->drive.got = true;
    if (exchange->begun)
        return len;
    exchange->header_bytes += len;
    exchange->too_long = exchange->header_bytes > HEADER_MAX;
    if (exchange->too_long)
        return 0;
    while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
        len--;
    if (!len)
        return begin(exchange) ? size * count : 0;
    exchange->sink->header(exchange->sink->ctx, line, len);
    return size * count;
}
