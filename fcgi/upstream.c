/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An easy handle in a multi handle of its own, whose socket is waited for here (drive.h), so that this
 * thread can look after its client while nothing comes.
 *
 * The client's text is in the request target and in values of headers only. It is no part of the
 * URL that libcurl takes apart, so that nothing in it leads to another host.
 */
#include "base/cleanup.h"
#include "lookup.h"
#include "trust.h"
#include "upstream_private.h"

#include <errno.h>
#include <stdatomic.h>
#include <time.h>

enum {
    PORT = 443,
    /* Nodes learn late where a Service leads: until then connections are refused. */
    CONNECT_MS = 10 * 1000, /* of all attempts */
    REFUSED_MS = 3 * 1000,  /* of those that are refused, with a pause after each */
    PAUSE_MS = 100,
    HEADER_MS = 30 * 1000, /* from the beginning to the end of the head */
    LOOK_MS = 1000,        /* how often a client is looked for that nothing is sent to */
    WAITING_MAX = 16, /* threads between two attempts: what nobody listens for must not take all */
};

/* ---- causes ---- */

static const struct {
    const char *name;
    const char *text;
    enum err_class class;
} causes[UPSTREAM_CAUSES] = {
    [UPSTREAM_NO_NAME] = {"no_name", "there is no such export, or it has no service yet",
                          ERR_NOT_FOUND},
    [UPSTREAM_NO_LOOKUP] = {"no_lookup", "the export's service cannot be looked up", ERR_IO},
    [UPSTREAM_NO_TRUST] = {"no_trust", NULL, ERR_UNAVAILABLE},
    [UPSTREAM_REFUSED] = {"refused", "the export is not ready: try again, or see its status",
                          ERR_UNAVAILABLE},
    [UPSTREAM_TIMEOUT] = {"timeout", "the export does not answer", ERR_IO},
    [UPSTREAM_TLS] = {"tls", "the export's certificate cannot be verified", ERR_IO},
    [UPSTREAM_BROKEN] = {"broken", "the export's answer cannot be understood", ERR_IO},
};

const char *upstream_cause_name(enum upstream_cause cause)
{
    return causes[cause].name;
}

static int fail(enum upstream_cause kind, const char *detail, enum upstream_cause *cause,
                struct err *err)
{
    *cause = kind;
    return err_set(err, causes[kind].class, "%s%s%s", causes[kind].text, *detail ? ": " : "",
                   detail);
}

/* A connection that was refused is a Service without a ready pod, whichever way the cluster's
 * network says so. */
static bool is_refusal(CURL *easy)
{
    long number = 0;

    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number);
    return number == ECONNREFUSED || number == EHOSTUNREACH || number == ENETUNREACH;
}

static enum upstream_cause cause_of(CURLcode result, CURL *easy)
{
    switch (result) {
    case CURLE_COULDNT_CONNECT:
        return is_refusal(easy) ? UPSTREAM_REFUSED : UPSTREAM_BROKEN;
    case CURLE_OPERATION_TIMEDOUT:
        return UPSTREAM_TIMEOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
        return UPSTREAM_TLS;
    default:
        return UPSTREAM_BROKEN;
    }
}

/* ---- where to ---- */

static int look_up(struct upstream *upstream, const char *host, enum upstream_cause *cause,
                   struct err *err)
{
    cleanup_str struct str line = STR_INIT;
    const char *why = "";

    switch (lookup_host(host, PORT, &line, &why)) {
    case LOOKUP_FOUND:
        break;
    case LOOKUP_NO_NAME:
        return fail(UPSTREAM_NO_NAME, why, cause, err);
    case LOOKUP_FAILED:
        return fail(UPSTREAM_NO_LOOKUP, why, cause, err);
    }
    curl_slist_free_all(upstream->resolve);
    upstream->resolve = NULL;
    upstream_add(&upstream->resolve, str_get(&line));
    return 0;
}

static int renew_trust(struct upstream *upstream, enum upstream_cause *cause, struct err *err)
{
    unsigned before = upstream->ca_generation;
    struct curl_blob blob = {.flags = CURL_BLOB_NOCOPY};

    if (trust_get(&upstream->ca_generation, &upstream->ca, err) < 0) {
        *cause = UPSTREAM_NO_TRUST;
        return -1;
    }
    if (upstream->ca_generation == before)
        return 0;
    blob.data = upstream->ca.data;
    blob.len = upstream->ca.len;
    curl_easy_setopt(upstream->easy, CURLOPT_CAINFO_BLOB, &blob);
    return 0;
}

/* ---- a request ---- */

static void set_request(struct exchange *exchange, const char *host, const char *target, bool head)
{
    struct upstream *upstream = exchange->upstream;
    CURL *easy = upstream->easy;

    str_clear(&upstream->url);
    str_printf(&upstream->url, "https://%s:%d/", host, PORT);
    curl_easy_setopt(easy, CURLOPT_URL, str_get(&upstream->url));
    curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, target);
    curl_easy_setopt(easy, CURLOPT_RESOLVE, upstream->resolve);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, upstream->headers);
    if (head)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
    upstream->error[0] = '\0';
    upstream->gathered = 0;
}

/* Whether there is still somebody who waits for the answer, and a reason to. */
static bool goes_on(struct exchange *exchange)
{
    exchange->late = !exchange->begun && drive_now_ms() >= exchange->start_ms + HEADER_MS;
    if (exchange->late)
        return false;
    if (exchange->upstream->drive.idle && exchange->sink->left(exchange->sink->ctx)) {
        exchange->stopped = true;
        err_set(exchange->err, ERR_PEER, "the client left");
        return false;
    }
    return true;
}

static CURLcode attempt(struct exchange *exchange)
{
    struct upstream *upstream = exchange->upstream;
    CURLcode result = CURLE_FAILED_INIT;

    if (curl_multi_add_handle(upstream->multi, upstream->easy) != CURLM_OK)
        return result;
    for (int running = 1; running;) {
        if (drive_turn(&upstream->drive, LOOK_MS, &running) != CURLM_OK ||
            upstream_flush(exchange) < 0)
            break;
        if (!running)
            result = drive_result(&upstream->drive);
        else if (!goes_on(exchange))
            break;
    }
    curl_multi_remove_handle(upstream->multi, upstream->easy);
    return result;
}

/* Whether there was no connection, so that another may be tried. */
static bool again(const struct exchange *exchange, CURLcode result)
{
    long long spent = drive_now_ms() - exchange->start_ms;

    if (exchange->begun || exchange->stopped || exchange->late || exchange->too_long ||
        exchange->sink->left(exchange->sink->ctx))
        return false;
    return (result == CURLE_COULDNT_CONNECT && spent < REFUSED_MS) ||
           (result == CURLE_OPERATION_TIMEDOUT && spent < CONNECT_MS);
}

static atomic_uint waiting;

static bool may_wait(void)
{
    if (atomic_fetch_add(&waiting, 1) < WAITING_MAX)
        return true;
    atomic_fetch_sub(&waiting, 1);
    return false;
}

/* The first attempt, and more of them as long as few others wait for theirs. */
static CURLcode transfer(struct exchange *exchange)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    CURLcode result = attempt(exchange);

    if (!again(exchange, result) || !may_wait())
        return result;
    do {
        nanosleep(&pause, NULL);
        result = attempt(exchange);
    } while (again(exchange, result));
    atomic_fetch_sub(&waiting, 1);
    return result;
}

static int explain(const struct exchange *exchange, CURLcode result, enum upstream_cause *cause,
                   struct err *err)
{
    struct upstream *upstream = exchange->upstream;
    const char *detail = upstream->error[0] ? upstream->error : curl_easy_strerror(result);

    if (exchange->stopped)
        return -1;
    if (exchange->begun)
        return err_set(err, ERR_IO, "the export's answer broke off: %s", detail);
    if (exchange->late)
        return fail(UPSTREAM_TIMEOUT, "no answer in 30 seconds", cause, err);
    if (exchange->too_long)
        return fail(UPSTREAM_BROKEN, "its head is too long", cause, err);
    return fail(cause_of(result, upstream->easy), detail, cause, err);
}

int upstream_fetch(struct upstream *upstream, const char *host, const char *target, bool head,
                   const struct upstream_sink *sink, enum upstream_cause *cause, struct err *err)
{
    struct exchange exchange = {
        .upstream = upstream, .sink = sink, .err = err, .start_ms = drive_now_ms()};
    CURLcode result;
    int rc = -1;

    if (renew_trust(upstream, cause, err) == 0 && look_up(upstream, host, cause, err) == 0) {
        set_request(&exchange, host, target, head);
        result = transfer(&exchange);
        rc = result == CURLE_OK && exchange.begun ? 0 : explain(&exchange, result, cause, err);
    }
    curl_easy_setopt(upstream->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(upstream->headers);
    upstream->headers = NULL;
    return rc;
}
