/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP/1.1 connection to the API server, by libcurl: the one place that knows it. Private to
 * lib/kube. It belongs to one thread; only kube_http_cancel and kube_http_cancelled may be called
 * from others.
 */
#pragma once

#include "base/str.h"
#include "kube/client.h"

/* What one answer may be: a list of 10,000 Pods has some 40 MB. */
enum { KUBE_ANSWER_MAX = 64 << 20 };

struct kube_http;

struct kube_http_request {
    const char *method;
    const char *path;         /* with the query, percent-encoded */
    const char *accept;       /* a whole header line */
    const char *content_type; /* a whole header line; NULL: there is no body */
    const struct str *body;
    const struct kube_credential *credential;
    unsigned timeout_ms;
    kube_bytes_fn *bytes; /* takes the body of a 200 answer as it comes; NULL: collected */
    void *bytes_ctx;
    void (*begun)(void *ctx, int code); /* told when an answer begins; may be NULL */
    void *begun_ctx;
};

struct kube_http_answer {
    int code;         /* 0: there was none */
    long retry_after; /* seconds; -1: the server does not say */
    struct str body;  /* cleared by each request, kept for the next */
};

/* `config` must outlive it. */
struct kube_http *kube_http_new(const struct kube_config *config, const char *user_agent);
void kube_http_free(struct kube_http *http);

/*
 * Returns 0 when there is a whole answer, whatever its code, or `bytes` ended it; else negative:
 * KUBE_TRANSPORT, KUBE_MALFORMED (too large), KUBE_CANCELLED. A kept-alive connection that turns
 * out to be dead before a byte of the answer came is made anew (libcurl does); so is one that fails
 * its TLS check when the CA file has another content than before.
 */
int kube_http_send(struct kube_http *http, const struct kube_http_request *request,
                   struct kube_http_answer *answer, struct err *err);

/* Ends what is under way and all that follows. */
void kube_http_cancel(struct kube_http *http);
bool kube_http_cancelled(const struct kube_http *http);
/* Sleeps, or returns false at once when cancelled. */
bool kube_http_wait(struct kube_http *http, unsigned ms);
