/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/fetch.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct exchange {
    const struct kube_fetch *fetch;
    CURL *easy;
    struct curl_slist *headers, *connect;
    struct str *body;
    bool too_long;
    char error[CURL_ERROR_SIZE];
};

static size_t take_body(char *data, size_t size, size_t count, void *ctx)
{
    struct exchange *exchange = ctx;

    count *= size;
    exchange->too_long = count > exchange->fetch->max - exchange->body->len;
    if (exchange->too_long)
        return 0;
    str_append(exchange->body, data, count);
    return count;
}

static int go_on(void *ctx, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up)
{
    const struct exchange *exchange = ctx;

    (void)down_all, (void)down, (void)up_all, (void)up;
    return atomic_load(exchange->fetch->cancelled); /* 0: it goes on */
}

static void add_line(struct curl_slist **list, const char *line)
{
    *list = curl_slist_append(*list, line);
    if (!*list)
        abort();
}

/* The URL has the name that is verified, CURLOPT_CONNECT_TO where the server is. */
static int set_server(struct exchange *exchange, struct err *err)
{
    const struct kube_fetch *fetch = exchange->fetch;
    cleanup_str struct str url = STR_INIT, to = STR_INIT;
    struct in6_addr address;
    bool v6 = inet_pton(AF_INET6, fetch->address, &address) == 1;

    if (!v6 && inet_pton(AF_INET, fetch->address, &address) != 1)
        return err_set(err, ERR_INPUT, "'%s' is no IP address", fetch->address);
    str_printf(&url, "https://%s:%u%s", fetch->host, fetch->port, fetch->path);
    str_printf(&to, "::%s%s%s:%u", v6 ? "[" : "", fetch->address, v6 ? "]" : "", fetch->port);
    add_line(&exchange->connect, str_get(&to));
    curl_easy_setopt(exchange->easy, CURLOPT_URL, str_get(&url));
    curl_easy_setopt(exchange->easy, CURLOPT_CONNECT_TO, exchange->connect);
    curl_easy_setopt(exchange->easy, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(exchange->easy, CURLOPT_PROXY, "");
    return 0;
}

static void set_tls(struct exchange *exchange)
{
    const char *ca = exchange->fetch->ca;
    struct curl_blob blob = {.len = strlen(ca), .flags = CURL_BLOB_COPY};

    memcpy(&blob.data, &ca, sizeof(ca)); /* libcurl only reads it */
    curl_easy_setopt(exchange->easy, CURLOPT_CAINFO_BLOB, &blob);
    curl_easy_setopt(exchange->easy, CURLOPT_CAPATH, NULL); /* the system's CAs are not asked */
    curl_easy_setopt(exchange->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

static void set_request(struct exchange *exchange)
{
    const struct kube_fetch *fetch = exchange->fetch;
    CURL *easy = exchange->easy;

    add_line(&exchange->headers, fetch->accept);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange->headers);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)fetch->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)fetch->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->error);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, go_on);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, exchange);
}

static int perform(struct exchange *exchange, struct err *err)
{
    const struct kube_fetch *fetch = exchange->fetch;
    CURLcode result = curl_easy_perform(exchange->easy);
    long code = 0;

    if (exchange->too_long)
        return err_set(err, ERR_LIMIT, "the answer of '%s' at %s is longer than %zu bytes",
                       fetch->host, fetch->address, fetch->max);
    if (result != CURLE_OK)
        return err_set(err, ERR_UNAVAILABLE, "no whole answer from '%s' at %s: %s", fetch->host,
                       fetch->address,
                       *exchange->error ? exchange->error : curl_easy_strerror(result));
    curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &code);
    if (code != 200)
        return err_set(err, ERR_UNAVAILABLE, "'%s' at %s answers %ld", fetch->host, fetch->address,
                       code);
    return 0;
}

int kube_fetch(const struct kube_fetch *fetch, struct str *body, struct err *err)
{
    cleanup_str struct str taken = STR_INIT;
    struct exchange exchange = {.fetch = fetch, .easy = curl_easy_init(), .body = &taken};
    int rc;

    if (!exchange.easy)
        abort();
    rc = set_server(&exchange, err);
    if (rc == 0) {
        set_tls(&exchange);
        set_request(&exchange);
        rc = perform(&exchange, err);
    }
    curl_easy_cleanup(exchange.easy);
    curl_slist_free_all(exchange.headers);
    curl_slist_free_all(exchange.connect);
    if (rc == 0)
        str_append(body, str_get(&taken), taken.len);
    return rc;
}
