/* SPDX-License-Identifier: Apache-2.0 */
#include "transfer/http.h"
#include "base/cleanup.h"
#include "http_answer.h"
#include "http_trust.h"
#include "interrupt.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECT_SECONDS = 30,
    /* Not a byte for so long: the connection is dead, whatever TCP thinks. */
    SILENT_SECONDS = 60,
    REDIRECTIONS_MAX = 10,
    BUFFER = 512 << 10,
};

#define TOKEN_HEADER "x-kubevirt-export-token"

struct http {
    CURL *easy;
    char why[CURL_ERROR_SIZE];

    /* of the request under way */
    const struct http_peer *peer;
    const struct http_sink *sink;
    struct http_answer *answer;
    struct err *err;
    bool told;       /* the sink has its head */
    bool ended_well; /* the server ended the connection itself */
    bool stopped;    /* by the sink */
};

struct http *http_new(void)
{
    struct http *http = calloc(1, sizeof *http);

    if (!http || !(http->easy = curl_easy_init()))
        abort();
    return http;
}

void http_free(struct http *http)
{
    if (!http)
        return;
    curl_easy_cleanup(http->easy);
    free(http);
}

/* ---- the answer ---- */

static bool is_success(const struct http_answer *answer)
{
    return answer->status == 200 || answer->status == 206;
}

/* What a login page or a proxy's message of any kind is, and nothing of an export ever. */
static int begin_sink(struct http *http)
{
    if (http->answer->is_page)
        return err_set(http->err, ERR_PRECONDITION,
                       "the server sent a web page (text/html): who answers is not the export");
    return http->sink->head ? http->sink->head(http->sink->ctx, http->answer, http->err) : 0;
}

/* The sink is told once, of success only. */
static bool tell(struct http *http)
{
    if (!http->told) {
        http_answer_read(http->easy, http->answer);
        http->told = true;
        if (is_success(http->answer) && begin_sink(http))
            http->stopped = true;
    }
    return !http->stopped;
}

static size_t take(char *data, size_t size, size_t count, void *ctx)
{
    struct http *http = ctx;

    if (!tell(http))
        return CURL_WRITEFUNC_ERROR;
    if (!is_success(http->answer))
        return CURL_WRITEFUNC_ERROR; /* what a refusal says may be anything, and without end */
    if (http->sink->body && http->sink->body(http->sink->ctx, data, size * count, http->err)) {
        http->stopped = true;
        return CURL_WRITEFUNC_ERROR;
    }
    return size * count;
}

static int watch(void *ctx, curl_off_t total, curl_off_t now, curl_off_t to_send, curl_off_t sent)
{
    (void)ctx, (void)total, (void)now, (void)to_send, (void)sent;
    return interrupt_came();
}

/* ---- the request ---- */

static void add(struct curl_slist **list, const struct str *line)
{
    struct curl_slist *longer = curl_slist_append(*list, str_get(line));

    if (!longer)
        abort();
    *list = longer;
}

static void add_header(struct curl_slist **list, const char *name, const char *value)
{
    if (!value)
        return;
    cleanup_str struct str line = STR_INIT;
    str_printf(&line, "%s: %s", name, value);
    add(list, &line);
}

static struct curl_slist *headers_of(const struct http_peer *peer,
                                     const struct http_request *request)
{
    struct curl_slist *list = NULL;

    add_header(&list, TOKEN_HEADER, peer->token);
    add_header(&list, "Accept", request->accept);
    add_header(&list, "If-Match", request->if_match);
    add_header(&list, "If-Range", request->range ? request->if_range : NULL);
    if (request->range) {
        cleanup_str struct str line = STR_INIT;
        str_printf(&line, "Range: bytes=%" PRIu64 "-", request->first);
        if (request->last != HTTP_UNKNOWN)
            str_printf(&line, "%" PRIu64, request->last);
        add(&list, &line);
    }
    return list;
}

static bool is_cut(const struct http *http, bool has_body)
{
    return has_body && http->answer->length == HTTP_UNKNOWN && !http->ended_well &&
           !http_answer_header(http->easy, "Transfer-Encoding");
}

/* Where to connect to; the list has to live as long as the request. */
static struct curl_slist *set_way(struct http *http, const struct http_peer *peer)
{
    struct curl_slist *list = NULL;
    cleanup_str struct str line = STR_INIT;

    if (peer->socket) {
        curl_easy_setopt(http->easy, CURLOPT_ABSTRACT_UNIX_SOCKET, peer->socket);
        return NULL;
    }
    if (peer->via) {
        const char *colon = strrchr(peer->via, ':');
        str_printf(&line, "::%s%s", peer->via, colon && !strchr(colon, ']') ? "" : ":443");
    } else {
        return NULL;
    }
    add(&list, &line);
    curl_easy_setopt(http->easy, CURLOPT_CONNECT_TO, list);
    return list;
}

static void set_request(struct http *http, const struct http_request *request, const char *url)
{
    CURL *easy = http->easy;

    curl_easy_reset(easy); /* connections are kept */
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NOBODY, (long)request->head);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "vmexport");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)BUFFER);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)SILENT_SECONDS);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, http->why);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, http);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, watch);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
}

/* ---- what came of it ---- */

static enum http_result broken(struct http *http, CURLcode code)
{
    const char *why = http->why[0] ? http->why : curl_easy_strerror(code);

    if (http->stopped)
        return HTTP_STOPPED;
    if (code == CURLE_ABORTED_BY_CALLBACK) {
        err_set(http->err, ERR_SYSTEM, "interrupted");
        return HTTP_INTERRUPTED;
    }
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
        err_set(http->err, ERR_FORBIDDEN,
                "the server's TLS certificate is not trusted: %s; it is verified by what the "
                "export's links give (--insecure trusts whoever answers)",
                why);
        return HTTP_UNTRUSTED;
    }
    err_set(http->err, ERR_PEER, "%s", why);
    return HTTP_BROKEN;
}

/* What a status means for who asked; the rest is to be tried again. */
static const struct {
    int status;
    enum err_class class;
    const char *text;
} STATUS[] = {
    {400, ERR_INPUT, "the server does not understand the request (400)"},
    {401, ERR_FORBIDDEN,
     "the server did not accept the token (401): it is not that of this export, or was changed"},
    {403, ERR_FORBIDDEN, "the server denied access (403)"},
    {404, ERR_NOT_FOUND, "the server has nothing at this link (404)"},
    {412, ERR_PRECONDITION, "the disk is another by now (412)"},
    {416, ERR_PRECONDITION, "the disk is another by now (416)"},
};

static enum http_result refused(struct http *http)
{
    int status = http->answer->status;

    err_set(http->err, ERR_PEER, "the server answered with status %d", status);
    for (size_t i = 0; i < sizeof STATUS / sizeof STATUS[0]; i++) {
        if (STATUS[i].status == status)
            err_set(http->err, STATUS[i].class, "%s", STATUS[i].text);
    }
    return HTTP_REFUSED;
}

/* The token goes with a redirection, so that it may only lead to another path of the same server. */
static bool same_server(const char *a, const char *b)
{
    CURLU *one = curl_url(), *two = curl_url();
    char *first = NULL, *second = NULL, *first_port = NULL, *second_port = NULL;
    bool same = one && two && !curl_url_set(one, CURLUPART_URL, a, 0) &&
                !curl_url_set(two, CURLUPART_URL, b, 0) &&
                !curl_url_get(one, CURLUPART_HOST, &first, 0) &&
                !curl_url_get(two, CURLUPART_HOST, &second, 0) &&
                !curl_url_get(one, CURLUPART_PORT, &first_port, CURLU_DEFAULT_PORT) &&
                !curl_url_get(two, CURLUPART_PORT, &second_port, CURLU_DEFAULT_PORT) &&
                strcasecmp(first, second) == 0 && strcmp(first_port, second_port) == 0;

    curl_free(first);
    curl_free(second);
    curl_free(first_port);
    curl_free(second_port);
    curl_url_cleanup(one);
    curl_url_cleanup(two);
    return same;
}

/* One exchange. `*location` becomes where it leads to, which the caller frees, or NULL. */
static enum http_result exchange(struct http *http, const struct http_request *request,
                                 const char *url, char **location)
{
    http->told = http->stopped = http->ended_well = false;
    http->why[0] = '\0';
    *http->answer = (struct http_answer){0};
    set_request(http, request, url);
    http_trust(http->easy, http->peer, &http->ended_well);
    struct curl_slist *headers = headers_of(http->peer, request);
    curl_easy_setopt(http->easy, CURLOPT_HTTPHEADER, headers);
    struct curl_slist *way = set_way(http, http->peer);
    CURLcode code = curl_easy_perform(http->easy);
    if (code == CURLE_OK && !tell(http))
        code = CURLE_WRITE_ERROR;
    char *to = NULL;
    curl_easy_getinfo(http->easy, CURLINFO_REDIRECT_URL, &to);
    *location = to ? strdup(to) : NULL;
    curl_slist_free_all(headers);
    curl_slist_free_all(way);
    if (code != CURLE_OK && !(http->told && !is_success(http->answer)))
        return broken(http, code);
    if (!is_success(http->answer))
        return refused(http);
    if (!is_cut(http, !request->head))
        return HTTP_DONE;
    err_set(http->err, ERR_PEER, "the connection was cut in the middle of the answer");
    return HTTP_BROKEN;
}

enum http_result http_get(struct http *http, const struct http_peer *peer,
                          const struct http_request *request, const struct http_sink *sink,
                          struct http_answer *answer, struct err *err)
{
    http->peer = peer;
    http->sink = sink;
    http->answer = answer;
    http->err = err;
    cleanup_free char *url = strdup(request->url);
    for (int i = 0;; i++) {
        char *location = NULL;
        enum http_result result = exchange(http, request, url, &location);
        if (result != HTTP_REFUSED || !location) {
            free(location);
            return result;
        }
        bool follow = i < REDIRECTIONS_MAX && same_server(url, location);
        if (!follow)
            err_set(err, ERR_FORBIDDEN,
                    "the server sends us on to %s: not followed, as the token goes to the "
                    "export's server only",
                    location);
        free(url);
        url = location;
        if (!follow)
            return HTTP_REFUSED;
    }
}

/* ---- small answers ---- */

struct text {
    struct str *body;
    size_t max;
};

static int take_text(void *ctx, const void *data, size_t len, struct err *err)
{
    struct text *text = ctx;

    if (text->body->len + len > text->max)
        return err_set(err, ERR_LIMIT, "the server's answer is longer than %zu bytes", text->max);
    str_append(text->body, data, len);
    return 0;
}

enum http_result http_text(struct http *http, const struct http_peer *peer,
                           const struct http_request *request, size_t max, struct str *body,
                           struct http_answer *answer, struct err *err)
{
    struct text text = {body, max};
    struct http_sink sink = {.body = take_text, .ctx = &text};

    return http_get(http, peer, request, &sink, answer, err);
}
