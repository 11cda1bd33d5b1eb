/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request of the proxy to an export's Service, over HTTPS (libcurl; HTTP/1.1 as RFC 9112 has it).
 *
 * A `struct upstream` belongs to one thread. Its connections are used again, as long as the same CA
 * bundle counts.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

/* Why there is no answer. The names are values of a metric's label. */
enum upstream_cause {
    UPSTREAM_NO_NAME,   /* the Service's name does not exist */
    UPSTREAM_NO_LOOKUP, /* names cannot be looked up now */
    UPSTREAM_NO_TRUST,  /* there is no CA to verify by */
    UPSTREAM_REFUSED,   /* nobody listens: the Service has no ready pod */
    UPSTREAM_TIMEOUT,   /* no connection, or no answer, in time */
    UPSTREAM_TLS,       /* the certificate, or TLS itself */
    UPSTREAM_BROKEN,    /* the connection broke, or what came is no HTTP */
    UPSTREAM_CAUSES,
};

const char *upstream_cause_name(enum upstream_cause cause);

/* Whoever gets the answer; each function may stop the transfer by a negative number. */
struct upstream_sink {
    void *ctx;
    /* One line of the final answer's head, without its line break. */
    void (*header)(void *ctx, const char *line, size_t len);
    /* The head is complete. */
    int (*begin)(void *ctx, int status, struct err *err);
    /* Part of the body. May block: that is how a slow client slows the export down. */
    int (*body)(void *ctx, const void *data, size_t len, struct err *err);
    /* Asked about once a second while nothing comes: whether there is nobody to answer any more. */
    bool (*left)(void *ctx);
};

struct upstream;

struct upstream *upstream_new(void);
void upstream_free(struct upstream *upstream);

/* Adds a header to the next request. A value with a control character is left out. */
void upstream_header(struct upstream *upstream, const char *name, const char *value);

/* Keeps a header out of it that libcurl would add. */
void upstream_no_header(struct upstream *upstream, const char *name);

/*
 * Sends a GET, or a HEAD, for `target` (path and query, encoded) to port 443 of `host`, a DNS name from the root on
 * without its last dot, and hands the answer over. On failure before `begin` was called `cause` says
 * what kind it was and `err` what the client may know; on failure after it, `err` is ERR_IO when the
 * answer broke off, or what the sink said (ERR_PEER when the client left).
 */
int upstream_fetch(struct upstream *upstream, const char *host, const char *target, bool head,
                   const struct upstream_sink *sink, enum upstream_cause *cause, struct err *err);
