/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection and what it repeats without its caller's doing (client.h says what). Private to
 * lib/kube/client.c and upgrade.c; the functions of kube_client and kube_conn themselves are in conn.c.
 */
#pragma once

#include "kube/http.h"

enum kube_verb {
    KUBE_VERB_GET,
    KUBE_VERB_LIST,
    KUBE_VERB_WATCH,
    KUBE_VERB_CREATE,
    KUBE_VERB_UPDATE,
    KUBE_VERB_PATCH,
    KUBE_VERB_DELETE,
};

/* "get", as in a Role's verbs. */
const char *kube_verb_name(enum kube_verb verb);

struct kube_conn {
    struct kube_client *client;
    struct kube_http *http;
    unsigned timeout_seconds;
    struct str path;                /* of the request: with the query, percent-encoded */
    struct str body;                /* of the request, when it has a content type */
    struct kube_http_answer answer; /* to the last request */
};

struct kube_request {
    enum kube_verb verb;
    const char *accept;       /* NULL: "Accept: application/json" */
    const char *content_type; /* a whole header line; NULL: no body */
    kube_bytes_fn *bytes;     /* of a watch; else NULL */
    void *bytes_ctx;
    unsigned watch_seconds; /* the limit of a watch */
};

/* Sends what `path` and `body` hold. 0: answered with 2xx, see `answer`. */
int kube_conn_send(struct kube_conn *conn, const struct kube_request *request, struct err *err);

/* The part of the client's user agent before '/'. `out` is appended to. */
void kube_conn_field_manager(const struct kube_conn *conn, struct str *out);

/* What the client's connections share. */
struct kube_auth *kube_client_auth(const struct kube_client *client);
const char *kube_client_agent(const struct kube_client *client);
