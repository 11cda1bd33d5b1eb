/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An API server for the unit tests of lib/kube: a thread that answers each request with the next
 * entry of a table (the last one again and again) and keeps what it was asked. Real sockets, plain
 * HTTP; faults that a real server cannot be made to give.
 */
#pragma once

#include "support.h"

#include <arpa/inet.h>
#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <strings.h>
#include <sys/socket.h>

enum { CANNED_PIECES = 6, CANNED_CONNECTIONS = 8, CANNED_LOG = 64, CANNED_REQUEST_MAX = 65536 };

struct canned {
    const char *status;               /* "200 OK": an answer with its length, kept alive */
    const char *headers;              /* more of them, each with its line end */
    const char *body;                 /* of such an answer */
    size_t filler;                    /* bytes of 'x' after the body */
    const char *piece[CANNED_PIECES]; /* after that, or instead: as they are */
    unsigned pause_ms;                /* before the answer and before each piece */
    bool close;                       /* ends the connection after it */
};

struct canned_server {
    int listener, stop[2], port;
    pthread_t thread;
    const struct canned *table;
    size_t count;
    pthread_mutex_t lock; /* for what follows */
    size_t requests, connections;
    char *log[CANNED_LOG];
};

static inline void canned_send(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

        if (n <= 0)
            return; /* the client left: what it made of it is the test's business */
        data += n;
        len -= (size_t)n;
    }
}

/* Reads a whole request, with its body; false at the end of the connection. */
static inline bool canned_read(int fd, char *text)
{
    size_t len = 0, want = 0;

    for (;;) {
        ssize_t n = recv(fd, text + len, CANNED_REQUEST_MAX - 1 - len, 0);
        const char *end, *length;

        if (n <= 0)
            return false;
        len += (size_t)n;
        text[len] = '\0';
        end = strstr(text, "\r\n\r\n");
        if (!end)
            continue;
        length = strcasestr(text, "\r\nContent-Length: ");
        want = (size_t)(end - text) + 4;
        want += length && length < end ? strtoul(length + 18, NULL, 10) : 0;
        if (len >= want)
            return true;
    }
}

static inline void canned_send_status(int fd, const struct canned *answer)
{
    char head[1024], *filler = calloc(1, answer->filler + 1);
    size_t len = answer->body ? strlen(answer->body) : 0;

    assert(filler);
    memset(filler, 'x', answer->filler);
    snprintf(head, sizeof(head),
             "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n",
             answer->status, len + answer->filler, answer->headers ? answer->headers : "");
    canned_send(fd, head, strlen(head));
    canned_send(fd, answer->body, len);
    canned_send(fd, filler, answer->filler);
    free(filler);
}

/* Keeps what was asked and tells what to answer. */
static inline const struct canned *canned_take(struct canned_server *server, const char *text)
{
    size_t n;

    pthread_mutex_lock(&server->lock);
    n = server->requests++;
    if (n < CANNED_LOG)
        server->log[n] = strdup(text);
    pthread_mutex_unlock(&server->lock);
    return &server->table[n < server->count ? n : server->count - 1];
}

/* Answers; false when the connection is to be closed. */
static inline bool canned_answer(struct canned_server *server, int fd, const char *text)
{
    struct pollfd stop = {.fd = server->stop[0], .events = POLLIN};
    const struct canned *answer = canned_take(server, text);

    if (answer->status) {
        if (answer->pause_ms && poll(&stop, 1, (int)answer->pause_ms) > 0)
            return false;
        canned_send_status(fd, answer);
    }
    for (size_t i = 0; i < CANNED_PIECES && answer->piece[i]; i++) {
        if (answer->pause_ms && poll(&stop, 1, (int)answer->pause_ms) > 0)
            return false;
        canned_send(fd, answer->piece[i], strlen(answer->piece[i]));
    }
    return !answer->close;
}

static inline void *canned_run(void *arg)
{
    struct canned_server *server = arg;
    struct pollfd fds[CANNED_CONNECTIONS + 2] = {{.fd = server->stop[0], .events = POLLIN},
                                                 {.fd = server->listener, .events = POLLIN}};
    char *text = malloc(CANNED_REQUEST_MAX);

    for (size_t i = 2; i < COUNT(fds); i++)
        fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
    for (; poll(fds, COUNT(fds), -1) > 0 && !fds[0].revents;) {
        size_t free_slot = 2;

        for (size_t i = 2; i < COUNT(fds); i++) {
            if (fds[i].fd >= 0 && fds[i].revents &&
                (!canned_read(fds[i].fd, text) || !canned_answer(server, fds[i].fd, text))) {
                close(fds[i].fd);
                fds[i].fd = -1;
            }
            free_slot = fds[i].fd < 0 ? i : free_slot;
        }
        if (!fds[1].revents)
            continue;
        if (fds[free_slot].fd >= 0)
            close(fds[free_slot].fd);
        fds[free_slot].fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        pthread_mutex_lock(&server->lock);
        server->connections++;
        pthread_mutex_unlock(&server->lock);
    }
    for (size_t i = 2; i < COUNT(fds); i++)
        if (fds[i].fd >= 0)
            close(fds[i].fd);
    free(text);
    return NULL;
}

static inline void canned_start(struct canned_server *server, const struct canned *table,
                                size_t count)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    *server = (struct canned_server){.table = table, .count = count};
    pthread_mutex_init(&server->lock, NULL);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(server->listener, 16), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pipe2(server->stop, O_CLOEXEC), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, canned_run, server), 0);
}

static inline void canned_stop(struct canned_server *server)
{
    close(server->stop[1]);
    pthread_join(server->thread, NULL);
    close(server->stop[0]);
    close(server->listener);
    for (size_t i = 0; i < CANNED_LOG; i++)
        free(server->log[i]);
    pthread_mutex_destroy(&server->lock);
}

/* The n-th request's text; valid until canned_stop. */
static inline const char *canned_request(struct canned_server *server, size_t n)
{
    const char *text;

    pthread_mutex_lock(&server->lock);
    text = n < CANNED_LOG && server->log[n] ? server->log[n] : "";
    pthread_mutex_unlock(&server->lock);
    return text;
}

static inline size_t canned_requests(struct canned_server *server)
{
    size_t count;

    pthread_mutex_lock(&server->lock);
    count = server->requests;
    pthread_mutex_unlock(&server->lock);
    return count;
}

static inline size_t canned_connections(struct canned_server *server)
{
    size_t count;

    pthread_mutex_lock(&server->lock);
    count = server->connections;
    pthread_mutex_unlock(&server->lock);
    return count;
}
