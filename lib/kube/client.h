/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the API server (https://kubernetes.io/docs/reference/using-api/api-concepts/).
 *
 * A client is shared by all threads; each thread has a connection of its own (one keep-alive
 * HTTP/1.1 connection, so that a slow watch never holds up a write).
 *
 * Every function that sends a request returns 0, or a negative `enum kube_reason`, so that a caller
 * can tell AlreadyExists from Conflict: `if (rc == -KUBE_ALREADY_EXISTS)`. `err` then says what was
 * asked of which object and what the server said.
 *
 * Repeated without the caller's doing: a request that was answered 429 or 5xx with Retry-After (its
 * seconds are waited for, ten times at most and within the request's time), one that was answered
 * 401 once the credential is renewed (once), and one whose kept-alive connection turned out to be
 * dead before a byte of the answer came (once). The last goes for writes, too, which the server may
 * then have done already: AlreadyExists after a create and Conflict after an update may be one's own.
 */
#pragma once

#include "base/json.h"
#include "kube/auth.h"
#include "kube/config.h"

#include <stdbool.h>
#include <stdint.h>

enum kube_reason {
    KUBE_OK = 0,
    KUBE_BAD_REQUEST = 1, /* the server does not understand what we sent */
    KUBE_UNAUTHORIZED,
    KUBE_FORBIDDEN,   /* RBAC, admission, quota: the message says which */
    KUBE_NOT_FOUND,   /* the object, its namespace or its kind */
    KUBE_TERMINATING, /* the namespace is being deleted: nothing can be created in it */
    KUBE_ALREADY_EXISTS,
    KUBE_CONFLICT,
    KUBE_INVALID,
    KUBE_EXPIRED, /* 410: a resourceVersion or continue token that is too old */
    KUBE_TOO_MANY_REQUESTS,
    KUBE_TIMEOUT,
    KUBE_VERSION_TOO_LARGE, /* a resourceVersion that the server has not seen yet */
    KUBE_SERVER,            /* any other 5xx */
    KUBE_OTHER,             /* any other status */
    KUBE_TRANSPORT,         /* no answer: DNS, TCP, TLS, a cut answer */
    KUBE_MALFORMED,         /* an answer that is no JSON object of the kind asked for */
    KUBE_CANCELLED,         /* kube_conn_cancel */
};

/* "NotFound", as in a Status; for metrics and logs. */
const char *kube_reason_name(enum kube_reason reason);

/* A kind of object and where it is served. */
struct kube_resource {
    const char *group; /* "" for the core */
    const char *version;
    const char *plural;
    const char *kind;
    bool namespaced;
};

struct kube_client;
struct kube_conn;

/* Called for each answer, in the thread of the request: for metrics. `verb` is GET, LIST, WATCH, POST,
 * PUT, PATCH or DELETE, `code` is 0 when there was no answer. A watch is told when it begins. */
typedef void kube_observe_fn(void *ctx, const char *verb, int code, double seconds);

/* `config` is taken over, whatever comes of it. `user_agent` is name/version. */
struct kube_client *kube_client_new(struct kube_config *config, const char *user_agent);
void kube_client_observe(struct kube_client *client, kube_observe_fn *observe, void *ctx);
const struct kube_config *kube_client_config(const struct kube_client *client);
void kube_client_free(struct kube_client *client); /* after its connections */

struct kube_conn *kube_conn_new(struct kube_client *client);
void kube_conn_free(struct kube_conn *conn);
/* Ends the request under way and refuses each that follows with KUBE_CANCELLED. From any thread. */
void kube_conn_cancel(struct kube_conn *conn);
bool kube_conn_cancelled(const struct kube_conn *conn);
/* Seconds that a whole request with its repetitions may take (of a watch: the waiting for
 * Retry-After before it begins); 30 unless set. */
void kube_conn_timeout(struct kube_conn *conn, unsigned seconds);

/* ---- objects; `ns` is NULL for what is not namespaced or for all namespaces. `out` may be NULL;
 * else the caller frees the object that the server answered with. ---- */

int kube_get(struct kube_conn *conn, const struct kube_resource *resource, const char *ns,
             const char *name, struct json **out, struct err *err);
int kube_create(struct kube_conn *conn, const struct kube_resource *resource, const char *ns,
                const struct json *object, struct json **out, struct err *err);
/* PUT: the object's resourceVersion is the lock. */
int kube_update(struct kube_conn *conn, const struct kube_resource *resource, const char *ns,
                const char *name, const struct json *object, struct json **out, struct err *err);

enum kube_patch {
    KUBE_PATCH_MERGE, /* RFC 7396; metadata.resourceVersion in it is a lock, metadata.uid too */
    KUBE_PATCH_APPLY, /* server-side apply, forced, with the client's name as field manager */
};
/* `subresource` is "status" or NULL. */
int kube_patch(struct kube_conn *conn, const struct kube_resource *resource, const char *ns,
               const char *name, const char *subresource, enum kube_patch type,
               const struct json *patch, struct json **out, struct err *err);

struct kube_delete_options {
    const char *uid;     /* only the object of this uid: another one is KUBE_CONFLICT; NULL: any */
    const char *version; /* and of this resourceVersion; NULL: any */
    int grace_seconds;   /* -1: as the object says; 0: at once */
};
/* Dependents go in the background. `left`, which may be NULL, becomes what the object is by now when
 * it stays for its grace period or its finalizers (the caller frees), NULL when it is gone. */
int kube_delete(struct kube_conn *conn, const struct kube_resource *resource, const char *ns,
                const char *name, const struct kube_delete_options *options, struct json **left,
                struct err *err);

/* ---- lists and watches ---- */

struct kube_selection {
    const struct kube_resource *resource;
    const char *ns;             /* NULL: all */
    const char *field_selector; /* NULL: all */
    const char *label_selector;
    bool metadata_only; /* PartialObjectMetadata: no spec, no data, no status leaves the server */
    const char *const
        *unread; /* arrays that nobody asks for, by their keys (kube/parse.h); or NULL */
};

/* One page. `limit` 0: no paging. `version`: the resourceVersion parameter, NULL for none (most
 * recent). `continue_token` NULL: the first page. `out` is the List object, the caller frees. */
int kube_list(struct kube_conn *conn, const struct kube_selection *what, unsigned limit,
              const char *version, const char *continue_token, struct json **out, struct err *err);

/* Bytes of a watch as they come. Returning non-zero ends the watch. */
typedef int kube_bytes_fn(void *ctx, const char *data, size_t len);

struct kube_watch_options {
    const char *version; /* from here on; "" or NULL with initial_events: from nothing */
    bool initial_events; /* sendInitialEvents: the state first, then a bookmark, then changes */
    unsigned timeout_seconds; /* asked of the server; the client gives up 30 s after */
};
/* Blocks until the server ends the watch (0), `bytes` says so (0), or it fails. */
int kube_watch(struct kube_conn *conn, const struct kube_selection *what,
               const struct kube_watch_options *options, kube_bytes_fn *bytes, void *ctx,
               struct err *err);

/* Any other request, such as an aggregated API's: GET of a path as it is. */
int kube_get_path(struct kube_conn *conn, const char *path, struct json **out, struct err *err);
