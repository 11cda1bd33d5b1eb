/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread's handle. Most of what a proxy costs is system calls and wake-ups. So OpenSSL reads
 * ahead, some TLS records at a time, where libcurl alone reads twice for each of 16 KiB.
 */
#include "base/cleanup.h"
#include "upstream_private.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    /* Nodes learn late where a Service leads: the first packet of a connection may be lost. */
    ATTEMPT_MS = 3 * 1000,
    READ_AHEAD = 8 * (16384 + 22) + 8, /* whole records of TLS 1.3, and OpenSSL's alignment */
    READ_MAX = 64 * 1024,              /* of libcurl: a record is all that it gets */
    /* A pod that is killed may go without a word: it is asked whether it is there, and given up. */
    KEEPALIVE_SECONDS = 10,
    GONE_MS = 30 * 1000,
    MAX_AGE_SECONDS = 20, /* of a connection between two requests: the pod closes it after 30 */
    IDLE_CONNECTIONS = 2,
};

/* libcurl's keep-alive options alone would take minutes: how often to ask is not among them. */
static int set_socket(void *unused, curl_socket_t fd, curlsocktype purpose)
{
    const unsigned int gone_ms = GONE_MS;

    (void)unused;
    (void)purpose;
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &gone_ms, sizeof(gone_ms));
    return CURL_SOCKOPT_OK;
}

static CURLcode read_ahead(CURL *easy, void *ctx, void *unused)
{
    (void)easy;
    (void)unused;
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
    return CURLE_OK;
}

static void set_options(struct upstream *upstream)
{
    CURL *easy = upstream->easy;

    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, upstream->error);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* not from the environment */
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* the system's CAs are not asked */
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)ATTEMPT_MS);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)MAX_AGE_SECONDS);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_SECONDS);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_SECONDS);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, set_socket);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)READ_MAX);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, upstream_take_body);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, upstream_take_header);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, read_ahead);
    drive_init(&upstream->drive, upstream->multi);
    curl_multi_setopt(upstream->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS);
}

struct upstream *upstream_new(void)
{
    struct upstream *upstream = calloc(1, sizeof(*upstream));

    if (!upstream)
        abort();
    upstream->easy = curl_easy_init();
    upstream->multi = curl_multi_init();
    if (!upstream->easy || !upstream->multi)
        abort();
    set_options(upstream);
    return upstream;
}

void upstream_free(struct upstream *upstream)
{
    if (!upstream)
        return;
    curl_easy_cleanup(upstream->easy);
    curl_multi_cleanup(upstream->multi);
    curl_slist_free_all(upstream->headers);
    curl_slist_free_all(upstream->resolve);
    str_free(&upstream->ca);
    str_free(&upstream->url);
    free(upstream);
}

void upstream_add(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);

    if (!longer)
        abort();
    *list = longer;
}

void upstream_header(struct upstream *upstream, const char *name, const char *value)
{
    cleanup_str struct str line = STR_INIT;

    for (const char *p = value; *p; p++)
        if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
            return;
    /* "Name;" is libcurl's way to send a header with nothing in it. */
    str_printf(&line, *value ? "%s: %s" : "%s;", name, value);
    upstream_add(&upstream->headers, str_get(&line));
}

void upstream_no_header(struct upstream *upstream, const char *name)
{
    cleanup_str struct str line = STR_INIT;

    str_printf(&line, "%s:", name);
    upstream_add(&upstream->headers, str_get(&line));
}
