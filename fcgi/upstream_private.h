/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the proxy's requests share. */
#pragma once

#include "drive.h"
#include "response.h"
#include "upstream.h"

#include <curl/curl.h>
#include <stdint.h>

struct upstream {
    CURL *easy;
    CURLM *multi;
    struct curl_slist *headers, *resolve;
    struct str ca, url;
    unsigned ca_generation;
    struct drive drive;
    char error[CURL_ERROR_SIZE];
    size_t gathered;
    uint8_t gather[RESPONSE_RECORD];
};

/* One request under way. */
struct exchange {
    struct upstream *upstream;
    const struct upstream_sink *sink;
    struct err *err;
    size_t header_bytes;
    long long start_ms;
    bool begun;
    bool stopped; /* by the sink, which filled `err` */
    bool late, too_long;
};

/* ---- upstream_handle.c ---- */

/* Appends to a list of libcurl's. */
void upstream_add(struct curl_slist **list, const char *line);

/* ---- upstream_answer.c: what libcurl calls, with the exchange as `ctx` ---- */

size_t upstream_take_body(char *data, size_t size, size_t count, void *ctx);
/* Each line of the head, the empty one at its end, and lines of a trailer. */
size_t upstream_take_header(char *line, size_t size, size_t count, void *ctx);
/* Hands over what was gathered of the body; -1: the sink has stopped it. */
int upstream_flush(struct exchange *exchange);
