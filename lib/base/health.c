/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libevent's HTTP server: one thread, no answer that takes long. Bounded: as many connections as
 * CONNECTIONS_MAX (then new ones wait in the kernel's queue), small headers, no body, and a few
 * seconds for each. libevent has no limit for the connections of its HTTP server; so what the loop
 * waits for is counted instead: each connection's socket and its timeout.
 */
#include "health.h"
#include "listener.h"
#include "log.h"
#include "metrics.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 64,
    HEADERS_MAX = 8192,
    IDLE_SECONDS = 10,
};

struct health {
    struct health_config config;
    struct event_base *base;
    struct evhttp *http;
    struct evconnlistener *listener; /* belongs to `http` */
    struct event *stop, *resume;
    int stop_fd;
    uint16_t port;
    pthread_t thread;
};

/* ---- answers ---- */

static void answer(struct evhttp_request *request, int status, const char *type,
                   const struct str *body)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    char length[24];

    evhttp_add_header(headers, "Content-Type", type);
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    evhttp_add_header(headers, "Cache-Control", "no-store");
    snprintf(length, sizeof(length), "%zu", body->len);
    evhttp_add_header(headers, "Content-Length", length);
    /* libevent would send a body to HEAD, too. */
    if (evhttp_request_get_command(request) != EVHTTP_REQ_HEAD)
        evbuffer_add(evhttp_request_get_output_buffer(request), str_get(body), body->len);
    evhttp_send_reply(request, status, NULL, NULL);
}

static void answer_text(struct evhttp_request *request, int status, const char *text)
{
    cleanup_str struct str body = STR_INIT;

    str_puts(&body, text);
    answer(request, status, "text/plain; charset=utf-8", &body);
}

static void answer_checks(struct evhttp_request *request, const char *name,
                          const struct health_check *checks)
{
    cleanup_str struct str body = STR_INIT;
    bool passed = true;

    str_puts(&body, "[+]ping ok\n");
    for (; checks && checks->name; checks++) {
        struct err err;

        if (checks->check(checks->ctx, &err) == 0) {
            str_printf(&body, "[+]%s ok\n", checks->name);
        } else {
            str_printf(&body, "[-]%s failed: %s\n", checks->name, err.msg);
            passed = false;
        }
    }
    str_printf(&body, "%s check %s\n", name, passed ? "passed" : "failed");
    answer(request, passed ? HTTP_OK : HTTP_SERVUNAVAIL, "text/plain; charset=utf-8", &body);
}

static void healthz(struct health *health, struct evhttp_request *request)
{
    answer_checks(request, "healthz", health->config.live);
}

static void readyz(struct health *health, struct evhttp_request *request)
{
    answer_checks(request, "readyz", health->config.ready);
}

static void metrics(struct health *health, struct evhttp_request *request)
{
    cleanup_str struct str body = STR_INIT;

    if (health->config.metrics)
        health->config.metrics(&body);
    answer(request, HTTP_OK, METRICS_CONTENT_TYPE, &body);
}

static const struct {
    const char *path;
    void (*answer)(struct health *health, struct evhttp_request *request);
} pages[] = {{"/healthz", healthz}, {"/readyz", readyz}, {"/metrics", metrics}};

static void on_request(struct evhttp_request *request, void *arg)
{
    enum evhttp_cmd_type method = evhttp_request_get_command(request);
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;

    if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
        evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "GET, HEAD");
        answer_text(request, HTTP_BADMETHOD, "only GET and HEAD are answered\n");
        return;
    }
    for (size_t i = 0; path && i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (strcmp(path, pages[i].path) == 0) {
            pages[i].answer(arg, request);
            return;
        }
    }
    answer_text(request, HTTP_NOTFOUND, "there are /healthz, /readyz and /metrics\n");
}

/* ---- the limit of connections ---- */

static bool full(const struct health *health)
{
    return event_base_get_num_events(health->base, EVENT_BASE_COUNT_ADDED) >= 2 * CONNECTIONS_MAX;
}

/* While it is full, looks ten times a second whether it still is. */
static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    static const struct timeval pause = {.tv_usec = 100 * 1000};
    struct health *health = arg;

    (void)fd;
    (void)what;
    if (full(health))
        event_add(health->resume, &pause);
    else
        evconnlistener_enable(health->listener);
}

/* Called by libevent for the bufferevent of each new connection. */
static struct bufferevent *on_connection(struct event_base *base, void *arg)
{
    struct health *health = arg;

    if (full(health)) {
        evconnlistener_disable(health->listener);
        on_resume(-1, 0, health);
    }
    return bufferevent_socket_new(base, -1, 0);
}

/* ---- the server ---- */

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    struct health *health = arg;

    (void)fd;
    (void)what;
    event_base_loopbreak(health->base);
}

static void *serve(void *arg)
{
    struct health *health = arg;
    sigset_t all;

    /* Signals are for others; SIGPIPE, of a client that left, is for nobody. */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    event_base_dispatch(health->base);
    return NULL;
}

/* libevent's own words, which would go to standard error as they are. */
static void log_libevent(int severity, const char *message)
{
    if (severity >= EVENT_LOG_WARN)
        log_warning("health endpoints: %s", message);
}

static void set_up(struct health *health, int fd)
{
    struct evhttp_bound_socket *bound;

    health->base = event_base_new();
    health->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!health->base || health->stop_fd < 0)
        abort();
    health->http = evhttp_new(health->base);
    health->stop = event_new(health->base, health->stop_fd, EV_READ | EV_PERSIST, on_stop, health);
    health->resume = evtimer_new(health->base, on_resume, health);
    if (!health->http || !health->stop || !health->resume || event_add(health->stop, NULL) < 0)
        abort();
    evhttp_set_allowed_methods(health->http, 0xffff); /* refused with 405 by on_request */
    evhttp_set_max_headers_size(health->http, HEADERS_MAX);
    evhttp_set_max_body_size(health->http, 0);
    evhttp_set_timeout(health->http, IDLE_SECONDS);
    evhttp_set_gencb(health->http, on_request, health);
    evhttp_set_bevcb(health->http, on_connection, health);
    bound = evhttp_accept_socket_with_handle(health->http, fd);
    if (!bound)
        abort();
    health->listener = evhttp_bound_socket_get_listener(bound);
}

static void tear_down(struct health *health)
{
    evhttp_free(health->http); /* and its connections and its listening socket */
    event_free(health->stop);
    event_free(health->resume);
    event_base_free(health->base);
    close(health->stop_fd);
    free(health);
}

struct health *health_start(const struct health_config *config, struct err *err)
{
    int fd = listener_open(config->address, err), rc;
    struct health *health;

    if (fd < 0)
        return NULL;
    health = calloc(1, sizeof(*health));
    if (!health)
        abort();
    health->config = *config;
    health->port = listener_port(fd);
    event_set_log_callback(log_libevent);
    set_up(health, fd);
    rc = pthread_create(&health->thread, NULL, serve, health);
    if (rc != 0) {
        err_errno(err, ERR_SYSTEM, rc, "cannot start the thread of the health endpoints");
        tear_down(health);
        return NULL;
    }
    return health;
}

uint16_t health_port(const struct health *health)
{
    return health->port;
}

void health_stop(struct health *health)
{
    if (!health)
        return;
    if (eventfd_write(health->stop_fd, 1) < 0)
        abort();
    pthread_join(health->thread, NULL);
    tear_down(health);
}
