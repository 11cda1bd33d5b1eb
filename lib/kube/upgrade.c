/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl makes the connection (CURLOPT_CONNECT_ONLY: address, proxy, TLS) and carries bytes over it;
 * request and answer are made and read here, as libcurl hands out no connection that it has spoken
 * HTTP on.
 */
#include "kube/upgrade.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "kube/conn.h"
#include "kube/handshake.h"
#include "kube/path.h"
#include "kube/secret.h"
#include "kube/status.h"
#include "kube/upgrade_private.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum {
    ANSWER_MS = 30 * 1000, /* as a request's default */
    TICK_MS = 200,         /* between two questions whether to give up */
};

struct kube_upgrade {
    CURL *easy;
    struct endpoint endpoint;
    int fd;
    struct str early; /* bytes that came with the answer's head */
    size_t early_at;
    char error[CURL_ERROR_SIZE];
};

/* One attempt. */
struct opening {
    struct kube_client *client;
    const struct kube_upgrade_target *target;
    kube_stopped_fn *stopped;
    void *ctx;
    struct kube_upgrade *upgrade;
    struct kube_credential credential;
    char key[HANDSHAKE_KEY_SIZE];
    struct str text; /* the answer */
    struct handshake_answer answer;
};

/* ---- the connection ---- */

static int go_on(void *ctx, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up)
{
    const struct opening *opening = ctx;

    (void)down_all, (void)down, (void)up_all, (void)up;
    return opening->stopped(opening->ctx); /* 0: it goes on */
}

static struct kube_upgrade *make_upgrade(struct opening *opening)
{
    struct kube_upgrade *upgrade = calloc(1, sizeof(*upgrade));
    CURL *easy = curl_easy_init();

    if (!upgrade || !easy)
        abort();
    upgrade->easy = easy;
    endpoint_init(&upgrade->endpoint, kube_client_config(opening->client), easy);
    endpoint_use_credential(&upgrade->endpoint, &opening->credential, easy);
    curl_easy_setopt(easy, CURLOPT_URL, str_get(&upgrade->endpoint.base));
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L); /* also for http:// */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, upgrade->error);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, go_on);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, opening);
    return upgrade;
}

void kube_upgrade_free(struct kube_upgrade *upgrade)
{
    if (!upgrade)
        return;
    curl_easy_cleanup(upgrade->easy);
    endpoint_free(&upgrade->endpoint);
    str_free(&upgrade->early);
    free(upgrade);
}

static int cancelled(struct err *err)
{
    err_set(err, ERR_UNAVAILABLE, "the request was cancelled");
    return -KUBE_CANCELLED;
}

static int fail(const struct kube_upgrade *upgrade, CURLcode result, struct err *err)
{
    err_set(err, ERR_IO, "no connection to '%s': %s", upgrade->endpoint.config->server,
            *upgrade->error ? upgrade->error : curl_easy_strerror(result));
    return -KUBE_TRANSPORT;
}

static int make_connection(struct opening *opening, struct err *err)
{
    struct kube_upgrade *upgrade = opening->upgrade;
    CURLcode result = curl_easy_perform(upgrade->easy);
    curl_socket_t fd = CURL_SOCKET_BAD;

    if (endpoint_is_tls_failure(result) && endpoint_reload_ca(&upgrade->endpoint, upgrade->easy))
        result = curl_easy_perform(upgrade->easy);
    if (result == CURLE_ABORTED_BY_CALLBACK)
        return cancelled(err);
    if (result == CURLE_OK)
        result = curl_easy_getinfo(upgrade->easy, CURLINFO_ACTIVESOCKET, &fd);
    if (result == CURLE_OK && fd == CURL_SOCKET_BAD)
        result = CURLE_COULDNT_CONNECT;
    upgrade->fd = (int)fd;
    return result == CURLE_OK ? 0 : fail(upgrade, result, err);
}

int kube_upgrade_fd(const struct kube_upgrade *upgrade)
{
    return upgrade->fd;
}

static int broken(struct kube_upgrade *upgrade, CURLcode result, struct err *err)
{
    err_set(err, ERR_IO, "the connection to '%s' broke: %s", upgrade->endpoint.config->server,
            *upgrade->error ? upgrade->error : curl_easy_strerror(result));
    return -KUBE_TRANSPORT;
}

int kube_upgrade_send(struct kube_upgrade *upgrade, const void *data, size_t len, size_t *moved,
                      struct err *err)
{
    CURLcode result;

    *moved = 0;
    upgrade->error[0] = '\0';
    result = curl_easy_send(upgrade->easy, data, len, moved);
    return result == CURLE_OK || result == CURLE_AGAIN ? 0 : broken(upgrade, result, err);
}

int kube_upgrade_recv(struct kube_upgrade *upgrade, void *data, size_t size, size_t *moved,
                      struct err *err)
{
    size_t early = upgrade->early.len - upgrade->early_at;
    CURLcode result;

    *moved = early < size ? early : size;
    if (*moved) {
        memcpy(data, upgrade->early.data + upgrade->early_at, *moved);
        upgrade->early_at += *moved;
        return 0;
    }
    upgrade->error[0] = '\0';
    result = curl_easy_recv(upgrade->easy, data, size, moved);
    if (result == CURLE_AGAIN)
        return 0;
    if (result == CURLE_OK && *moved)
        return 0;
    if (result != CURLE_OK)
        return broken(upgrade, result, err);
    err_set(err, ERR_PEER, "the server '%s' closed the connection",
            upgrade->endpoint.config->server);
    return -KUBE_TRANSPORT;
}

/* ---- its answer ---- */

static int wait_for(const struct opening *opening, short events, uint64_t end, struct err *err)
{
    struct pollfd fd = {.fd = opening->upgrade->fd, .events = events};

    if (opening->stopped(opening->ctx))
        return cancelled(err);
    if (clock_ms() >= end) {
        err_set(err, ERR_UNAVAILABLE, "no whole answer from '%s' within %d s",
                opening->upgrade->endpoint.config->server, ANSWER_MS / 1000);
        return -KUBE_TRANSPORT;
    }
    (void)poll(&fd, 1, TICK_MS);
    return 0;
}

static int send_request(struct opening *opening, uint64_t end, struct err *err)
{
    const struct upgrade_request request = {
        .endpoint = &opening->upgrade->endpoint,
        .target = opening->target,
        .credential = &opening->credential,
        .agent = kube_client_agent(opening->client),
        .key = opening->key,
    };
    cleanup_secret struct str text = STR_INIT;
    int rc = upgrade_put_request(&request, &text, err);

    for (size_t at = 0, moved; rc == 0 && at < text.len; at += moved) {
        rc = kube_upgrade_send(opening->upgrade, text.data + at, text.len - at, &moved, err);
        if (rc == 0 && !moved)
            rc = wait_for(opening, POLLOUT, end, err);
    }
    return rc;
}

static int receive_more(struct opening *opening, uint64_t end, struct err *err)
{
    char data[4096];
    size_t moved;
    int rc = kube_upgrade_recv(opening->upgrade, data, sizeof(data), &moved, err);

    if (rc == 0)
        str_append(&opening->text, data, moved);
    return rc == 0 && !moved ? wait_for(opening, POLLIN, end, err) : rc;
}

/* A body that ends early is as good as what there is of it: the code is known. */
static int refuse(struct opening *opening, uint64_t end, struct err *err)
{
    cleanup_str struct str body = STR_INIT;
    struct err ignored;
    int code = opening->answer.code, rc = 0;

    while (!handshake_body(&opening->text, &opening->answer, &body) && rc == 0)
        rc = receive_more(opening, end, &ignored);
    if (rc == -KUBE_CANCELLED)
        return cancelled(err);
    return -(int)kube_status_of_answer(code, &body, err);
}

static int receive_answer(struct opening *opening, uint64_t end, struct err *err)
{
    const struct handshake_answer *answer = &opening->answer;
    struct str *text = &opening->text;
    int whole;

    while ((whole = handshake_parse(text, &opening->answer, err)) == 0) {
        int rc = receive_more(opening, end, err);

        if (rc < 0)
            return rc;
    }
    if (whole < 0)
        return -KUBE_MALFORMED;
    if (answer->code != 101)
        return refuse(opening, end, err);
    if (handshake_check(text, answer, opening->key, opening->target->protocol, err) < 0)
        return -KUBE_MALFORMED;
    str_append(&opening->upgrade->early, text->data + answer->head, text->len - answer->head);
    return 0;
}

static int attempt(struct opening *opening, struct err *err)
{
    uint64_t end;
    int rc;

    str_clear(&opening->text);
    opening->answer = (struct handshake_answer){0};
    if (handshake_key(opening->key, err) < 0)
        return -KUBE_OTHER;
    if (kube_auth_get(kube_client_auth(opening->client), &opening->credential, err) < 0)
        return -KUBE_UNAUTHORIZED;
    opening->upgrade = make_upgrade(opening);
    rc = make_connection(opening, err);
    end = clock_ms() + ANSWER_MS;
    if (rc == 0)
        rc = send_request(opening, end, err);
    if (rc == 0)
        rc = receive_answer(opening, end, err);
    if (rc < 0) {
        kube_upgrade_free(opening->upgrade);
        opening->upgrade = NULL;
    } else {
        curl_easy_setopt(opening->upgrade->easy, CURLOPT_NOPROGRESS, 1L); /* `opening` ends here */
    }
    return rc;
}

int kube_upgrade_open(struct kube_client *client, const struct kube_upgrade_target *target,
                      kube_stopped_fn *stopped, void *ctx, struct kube_upgrade **out,
                      struct err *err)
{
    struct opening opening = {.client = client, .target = target, .stopped = stopped, .ctx = ctx};
    int rc = -KUBE_BAD_REQUEST;

    *out = NULL;
    if (!path_is_segment(target->ns) || !path_is_segment(target->name))
        err_set(err, ERR_INPUT, "that is no name");
    else
        rc = attempt(&opening, err);
    if (opening.answer.code == 401 &&
        kube_auth_rejected(kube_client_auth(client), opening.credential.generation)) {
        kube_credential_free(&opening.credential);
        rc = attempt(&opening, err);
    }
    kube_credential_free(&opening.credential);
    str_free(&opening.text);
    if (rc < 0)
        err_wrap(err, "cannot open %s/%s '%s/%s'", target->resource->kind, target->subresource,
                 target->ns, target->name);
    *out = opening.upgrade;
    return rc;
}
