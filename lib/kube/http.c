/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An easy handle in a multi handle of its own: curl_multi_poll sleeps until there is something to
 * do or curl_multi_wakeup is called, so that an idle watch costs nothing and a cancel from another
 * thread is noticed at once. HTTP/1.1, as one request at a time is all that a connection carries.
 *
 * Lists are not asked for compressed: the server's gzip costs it more than the bytes cost a network
 * within a cluster.
 */
#include "http.h"
#include "base/cleanup.h"
#include "kube/endpoint.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BODY_KEEP = 64 << 10, /* a buffer that has grown beyond is not kept for the next answer */
    POLL_MS = 3600 * 1000 /* libcurl knows the deadlines and wakes up earlier */
};

struct kube_http {
    CURL *easy;
    CURLM *multi;
    struct endpoint endpoint;
    struct str url;
    atomic_bool cancelled;
    char error[CURL_ERROR_SIZE];
};

/* One request under way. */
struct exchange {
    struct kube_http *http;
    const struct kube_http_request *request;
    struct kube_http_answer *answer;
    bool stopped; /* by request->bytes */
    bool too_large;
};

struct kube_http *kube_http_new(const struct kube_config *config, const char *user_agent)
{
    struct kube_http *http = calloc(1, sizeof(*http));

    if (!http)
        abort();
    http->easy = curl_easy_init();
    http->multi = curl_multi_init();
    if (!http->easy || !http->multi)
        abort();
    atomic_init(&http->cancelled, false);
    endpoint_init(&http->endpoint, config, http->easy);
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, 1L);
    curl_easy_setopt(http->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(http->easy, CURLOPT_QUICK_EXIT, 1L); /* a cancel does not wait for DNS */
    curl_easy_setopt(http->easy, CURLOPT_ERRORBUFFER, http->error);
    curl_easy_setopt(http->easy, CURLOPT_USERAGENT, user_agent);
    curl_easy_setopt(http->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(http->easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(http->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    return http;
}

void kube_http_free(struct kube_http *http)
{
    if (!http)
        return;
    curl_easy_cleanup(http->easy);
    curl_multi_cleanup(http->multi);
    endpoint_free(&http->endpoint);
    str_free(&http->url);
    free(http);
}

/* ---- cancelling and waiting ---- */

void kube_http_cancel(struct kube_http *http)
{
    atomic_store(&http->cancelled, true);
    curl_multi_wakeup(http->multi);
}

bool kube_http_cancelled(const struct kube_http *http)
{
    return atomic_load(&http->cancelled);
}

static long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

bool kube_http_wait(struct kube_http *http, unsigned ms)
{
    long long end = now_ms() + ms;

    for (long long left = ms; left > 0 && !kube_http_cancelled(http); left = end - now_ms())
        if (curl_multi_poll(http->multi, NULL, 0, left < POLL_MS ? (int)left : POLL_MS, NULL))
            return false;
    return !kube_http_cancelled(http);
}

/* ---- what libcurl calls ---- */

static int code_of(struct kube_http *http)
{
    long code = 0;

    curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &code);
    return (int)code;
}

/* Each header line; the empty one ends them. */
static size_t take_header(char *line, size_t size, size_t count, void *ctx)
{
    struct exchange *exchange = ctx;
    int code = code_of(exchange->http);

    if ((line[0] == '\r' || line[0] == '\n') && code >= 200 && exchange->request->begun)
        exchange->request->begun(exchange->request->begun_ctx, code);
    return size * count;
}

static size_t take_body(char *data, size_t size, size_t count, void *ctx)
{
    struct exchange *exchange = ctx;
    const struct kube_http_request *request = exchange->request;
    struct str *body = &exchange->answer->body;

    count *= size;
    if (request->bytes && code_of(exchange->http) == 200) {
        exchange->stopped = request->bytes(request->bytes_ctx, data, count) != 0;
        return exchange->stopped ? 0 : count;
    }
    exchange->too_large = count > KUBE_ANSWER_MAX - body->len;
    if (exchange->too_large)
        return 0;
    str_append(body, data, count);
    return count;
}

/* ---- a request ---- */

static int add_line(struct curl_slist **headers, const char *line, struct err *err)
{
    if (endpoint_check_line(line, err) < 0)
        return -KUBE_BAD_REQUEST;
    endpoint_add_line(headers, line);
    return 0;
}

static int add_authorization(struct curl_slist **headers, const char *bearer, struct err *err)
{
    cleanup_str struct str line = STR_INIT;

    if (!bearer)
        return 0;
    str_puts(&line, "Authorization: Bearer ");
    str_puts(&line, bearer);
    return add_line(headers, str_get(&line), err);
}

/* The caller frees `headers`, whatever comes of it. */
static int make_headers(struct kube_http *http, const struct kube_http_request *request,
                        struct curl_slist **headers, struct err *err)
{
    for (const struct curl_slist *h = http->endpoint.headers; h; h = h->next) {
        int rc = add_line(headers, h->data, err);

        if (rc < 0)
            return rc;
    }
    endpoint_add_line(headers, request->accept);
    if (request->content_type)
        endpoint_add_line(headers, request->content_type);
    return add_authorization(headers, request->credential->bearer, err);
}

static void set_request(struct exchange *exchange, struct curl_slist *headers)
{
    const struct kube_http_request *request = exchange->request;
    struct kube_http *http = exchange->http;
    CURL *easy = http->easy;

    str_clear(&http->url);
    str_append(&http->url, str_get(&http->endpoint.base), http->endpoint.base.len);
    str_puts(&http->url, request->path);
    curl_easy_setopt(easy, CURLOPT_URL, str_get(&http->url));
    if (request->content_type) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body->len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, str_get(request->body));
    } else {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, request->begun ? take_header : NULL);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, request->begun ? exchange : NULL);
}

static CURLcode finish(struct kube_http *http)
{
    CURLcode result = CURLE_ABORTED_BY_CALLBACK;
    int left;

    for (CURLMsg *msg; (msg = curl_multi_info_read(http->multi, &left));)
        if (msg->msg == CURLMSG_DONE)
            result = msg->data.result;
    return result;
}

static CURLcode transfer(struct kube_http *http)
{
    CURLMcode rc = curl_multi_add_handle(http->multi, http->easy);
    CURLcode result;

    for (int running = 1; rc == CURLM_OK && !kube_http_cancelled(http);) {
        rc = curl_multi_perform(http->multi, &running);
        if (!running)
            break;
        if (rc == CURLM_OK)
            rc = curl_multi_poll(http->multi, NULL, 0, POLL_MS, NULL);
    }
    result = rc == CURLM_OK ? finish(http) : CURLE_FAILED_INIT;
    curl_multi_remove_handle(http->multi, http->easy);
    return result;
}

/* Seconds only, as the API server sends them. */
static long retry_after(struct kube_http *http)
{
    struct curl_header *header;

    if (curl_easy_header(http->easy, "Retry-After", 0, CURLH_HEADER, -1, &header) != CURLHE_OK ||
        !*header->value || header->value[strspn(header->value, "0123456789")])
        return -1;
    return strtol(header->value, NULL, 10);
}

static int fail(const struct exchange *exchange, CURLcode result, struct err *err)
{
    struct kube_http *http = exchange->http;
    const char *server = http->endpoint.config->server;

    if (kube_http_cancelled(http)) {
        err_set(err, ERR_UNAVAILABLE, "the request was cancelled");
        return -KUBE_CANCELLED;
    }
    if (exchange->too_large) {
        err_set(err, ERR_LIMIT, "the answer of '%s' is longer than %d bytes", server,
                KUBE_ANSWER_MAX);
        return -KUBE_MALFORMED;
    }
    err_set(err, ERR_IO, "no whole answer from '%s': %s", server,
            *http->error ? http->error : curl_easy_strerror(result));
    return -KUBE_TRANSPORT;
}

static void reset(struct kube_http_answer *answer)
{
    if (answer->body.cap > BODY_KEEP)
        str_free(&answer->body);
    str_clear(&answer->body);
    answer->code = 0;
    answer->retry_after = -1;
}

int kube_http_send(struct kube_http *http, const struct kube_http_request *request,
                   struct kube_http_answer *answer, struct err *err)
{
    struct exchange exchange = {.http = http, .request = request, .answer = answer};
    struct curl_slist *headers = NULL;
    CURLcode result;
    int rc;

    reset(answer);
    rc = make_headers(http, request, &headers, err);
    if (rc == 0) {
        endpoint_use_credential(&http->endpoint, request->credential, http->easy);
        set_request(&exchange, headers);
        http->error[0] = '\0';
        result = transfer(http);
        if (endpoint_is_tls_failure(result) && endpoint_reload_ca(&http->endpoint, http->easy))
            result = transfer(http);
        if (result != CURLE_OK && !exchange.stopped)
            rc = fail(&exchange, result, err);
        curl_easy_setopt(http->easy, CURLOPT_HTTPHEADER, NULL);
    }
    curl_slist_free_all(headers);
    if (rc < 0)
        return rc;
    answer->code = code_of(http);
    answer->retry_after = retry_after(http);
    return 0;
}
