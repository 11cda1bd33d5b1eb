/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to an export's server, by libcurl: HTTP/1.1 over TLS, with the token in a header and never in
 * a URL. Redirections are followed on the same host only, as the token goes with them.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_UNKNOWN UINT64_MAX

/* Who is asked, and how it is reached. */
struct http_peer {
    const char *token;
    const char *ca;  /* PEM, only these are trusted; "": the system's */
    bool insecure;   /* trust whoever answers */
    const char *via; /* host[:port] to connect to instead of the URL's; its certificate still has to
                        be for the URL's host; NULL */
    const char *socket; /* the abstract Unix socket to connect to instead; NULL */
};

struct http_request {
    const char *url;
    bool head;
    bool range; /* bytes from `first` to `last` */
    uint64_t first;
    uint64_t last;                   /* HTTP_UNKNOWN: to the end */
    const char *if_range, *if_match; /* entity tags; NULL */
    const char *accept;              /* a media type; NULL */
};

enum { HTTP_ETAG_MAX = 256 };

struct http_answer {
    int status;
    char etag[HTTP_ETAG_MAX]; /* a strong one; "" when there is none */
    uint64_t length;          /* of the body; HTTP_UNKNOWN */
    bool is_page;             /* text/html: never of an export */
    uint64_t first, total;    /* of a 206: where it begins, and of what length; HTTP_UNKNOWN */
};

/* What takes an answer; either may be NULL. `head` is told a 2xx before its first byte, also when there is none. */
struct http_sink {
    int (*head)(void *ctx, const struct http_answer *answer, struct err *err);
    int (*body)(void *ctx, const void *data, size_t len, struct err *err);
    void *ctx;
};

enum http_result {
    HTTP_DONE,        /* a whole 2xx */
    HTTP_REFUSED,     /* whole, but another status: answer->status */
    HTTP_BROKEN,      /* no answer or part of one: worth another try */
    HTTP_UNTRUSTED,   /* the certificate of whoever answers is not to be trusted */
    HTTP_STOPPED,     /* a sink's function failed: err is what it said */
    HTTP_INTERRUPTED, /* interrupt.h */
};

/* A connection that is kept between requests; one thread's. */
struct http;

struct http *http_new(void);
void http_free(struct http *http);

/* `err` says what went wrong unless HTTP_DONE. `answer` has what came of the head, zeros before. */
enum http_result http_get(struct http *http, const struct http_peer *peer,
                          const struct http_request *request, const struct http_sink *sink,
                          struct http_answer *answer, struct err *err);

/* The whole body of a small answer, appended; ERR_LIMIT beyond `max` bytes. */
enum http_result http_text(struct http *http, const struct http_peer *peer,
                           const struct http_request *request, size_t max, struct str *body,
                           struct http_answer *answer, struct err *err);
