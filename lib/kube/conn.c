/* SPDX-License-Identifier: Apache-2.0 */
#include "conn.h"
#include "base/clock.h"
#include "kube/status.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

enum {
    TIMEOUT_DEFAULT = 30, /* seconds */
    WAIT_MAX = 60,        /* seconds; a server that asks for more is not waited for */
    WAITS_MAX = 10,
};

struct kube_client {
    struct kube_config *config;
    struct kube_auth *auth;
    char *user_agent;
    kube_observe_fn *observe;
    void *observe_ctx;
};

/* `name` as metrics have it: rest_client_requests_total counts by method, LIST and WATCH apart. */
static const struct {
    const char *name, *method, *observed;
} verbs[] = {
    [KUBE_VERB_GET] = {"get", "GET", "GET"},
    [KUBE_VERB_LIST] = {"list", "GET", "LIST"},
    [KUBE_VERB_WATCH] = {"watch", "GET", "WATCH"},
    [KUBE_VERB_CREATE] = {"create", "POST", "POST"},
    [KUBE_VERB_UPDATE] = {"update", "PUT", "PUT"},
    [KUBE_VERB_PATCH] = {"patch", "PATCH", "PATCH"},
    [KUBE_VERB_DELETE] = {"delete", "DELETE", "DELETE"},
};

const char *kube_verb_name(enum kube_verb verb)
{
    return verbs[verb].name;
}

/* ---- clients and connections ---- */

static void global_init(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        abort();
}

struct kube_client *kube_client_new(struct kube_config *config, const char *user_agent)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct kube_client *client = calloc(1, sizeof(*client));

    pthread_once(&once, global_init);
    if (!client)
        abort();
    client->config = config;
    client->auth = kube_auth_new(config);
    client->user_agent = strdup(user_agent);
    if (!client->auth || !client->user_agent)
        abort();
    return client;
}

void kube_client_observe(struct kube_client *client, kube_observe_fn *observe, void *ctx)
{
    client->observe = observe;
    client->observe_ctx = ctx;
}

const struct kube_config *kube_client_config(const struct kube_client *client)
{
    return client->config;
}

struct kube_auth *kube_client_auth(const struct kube_client *client)
{
    return client->auth;
}

const char *kube_client_agent(const struct kube_client *client)
{
    return client->user_agent;
}

void kube_client_free(struct kube_client *client)
{
    if (!client)
        return;
    kube_auth_free(client->auth);
    kube_config_free(client->config);
    free(client->user_agent);
    free(client);
}

struct kube_conn *kube_conn_new(struct kube_client *client)
{
    struct kube_conn *conn = calloc(1, sizeof(*conn));

    if (!conn)
        abort();
    conn->client = client;
    conn->http = kube_http_new(client->config, client->user_agent);
    conn->timeout_seconds = TIMEOUT_DEFAULT;
    return conn;
}

void kube_conn_free(struct kube_conn *conn)
{
    if (!conn)
        return;
    kube_http_free(conn->http);
    str_free(&conn->path);
    str_free(&conn->body);
    str_free(&conn->answer.body);
    free(conn);
}

void kube_conn_cancel(struct kube_conn *conn)
{
    kube_http_cancel(conn->http);
}

bool kube_conn_cancelled(const struct kube_conn *conn)
{
    return kube_http_cancelled(conn->http);
}

void kube_conn_timeout(struct kube_conn *conn, unsigned seconds)
{
    conn->timeout_seconds = seconds;
}

void kube_conn_field_manager(const struct kube_conn *conn, struct str *out)
{
    const char *name = conn->client->user_agent;

    str_append(out, name, strcspn(name, "/"));
}

/* ---- a request with its repetitions ---- */

struct attempt {
    struct kube_conn *conn;
    const struct kube_request *request;
    unsigned waits;
    bool renewed; /* the credential */
    /* of the last exchange */
    uint64_t begun; /* clock_ns */
    bool observed;  /* a watch is when its answer begins, else after minutes */
    unsigned generation;
};

static void observe(void *ctx, int code)
{
    struct attempt *attempt = ctx;
    const struct kube_client *client = attempt->conn->client;

    if (client->observe && !attempt->observed)
        client->observe(client->observe_ctx, verbs[attempt->request->verb].observed, code,
                        (double)(clock_ns() - attempt->begun) / 1e9);
    attempt->observed = true;
}

/* One exchange, until `end` (clock_ms); a watch has an end of its own. */
static int exchange(struct attempt *attempt, uint64_t end, struct err *err)
{
    struct kube_conn *conn = attempt->conn;
    const struct kube_request *request = attempt->request;
    struct kube_credential credential = {0};
    uint64_t now = clock_ms();
    struct kube_http_request wire = {
        .method = verbs[request->verb].method,
        .path = str_get(&conn->path),
        .accept = request->accept ? request->accept : "Accept: application/json",
        .content_type = request->content_type,
        .body = &conn->body,
        .credential = &credential,
        .timeout_ms = now < end ? (unsigned)(end - now) : 1, /* 0 would be no limit */
        .bytes = request->bytes,
        .bytes_ctx = request->bytes_ctx,
        .begun = request->bytes ? observe : NULL,
        .begun_ctx = attempt,
    };
    int rc;

    if (request->bytes)
        wire.timeout_ms = request->watch_seconds * 1000;
    if (kube_auth_get(conn->client->auth, &credential, err) < 0)
        return -KUBE_UNAUTHORIZED;
    attempt->generation = credential.generation;
    attempt->begun = clock_ns();
    attempt->observed = false;
    rc = kube_http_send(conn->http, &wire, &conn->answer, err);
    observe(attempt, conn->answer.code);
    kube_credential_free(&credential);
    return rc;
}

/*
 * The server asks to be asked again, and the request's time allows for it. It does so, too, for a
 * resourceVersion that it does not have: there the caller has a better way than to wait.
 */
static bool may_wait(const struct kube_http_answer *answer, enum kube_reason reason, unsigned waits,
                     uint64_t end)
{
    if (answer->code != 429 && (answer->code < 500 || answer->code > 599))
        return false;
    if (answer->retry_after < 0 || answer->retry_after > WAIT_MAX || waits >= WAITS_MAX)
        return false;
    return reason != KUBE_VERSION_TOO_LARGE &&
           clock_ms() + (uint64_t)answer->retry_after * 1000 < end;
}

/* Whether the refusal makes it worth to send the request again, after a wait if need be. */
static bool again(struct attempt *attempt, enum kube_reason reason, uint64_t end)
{
    struct kube_conn *conn = attempt->conn;

    if (conn->answer.code == 401 && !attempt->renewed) {
        attempt->renewed = true;
        return kube_auth_rejected(conn->client->auth, attempt->generation);
    }
    return may_wait(&conn->answer, reason, attempt->waits++, end) &&
           kube_http_wait(conn->http, (unsigned)conn->answer.retry_after * 1000);
}

int kube_conn_send(struct kube_conn *conn, const struct kube_request *request, struct err *err)
{
    struct attempt attempt = {.conn = conn, .request = request};
    const struct kube_http_answer *answer = &conn->answer;
    uint64_t end = clock_ms() + (uint64_t)conn->timeout_seconds * 1000;

    while (!kube_conn_cancelled(conn)) {
        int rc = exchange(&attempt, end, err);
        enum kube_reason reason;

        if (rc < 0)
            return rc;
        if (answer->code >= 200 && answer->code <= 299)
            return 0;
        reason = kube_status_of_answer(answer->code, &answer->body, err);
        if (!again(&attempt, reason, end) && !kube_conn_cancelled(conn))
            return -(int)reason;
    }
    err_set(err, ERR_UNAVAILABLE, "the request was cancelled");
    return -KUBE_CANCELLED;
}
