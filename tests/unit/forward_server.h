/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An API server for the tests of port-forwarding: plain HTTP, a thread per connection. It serves a
 * Service, the list of its pods and the upgrade of a pod's portforward, behind which it plays the pod
 * in one of several ways. It keeps what it was asked for.
 */
#pragma once

#include "canned.h"

#include "api/channel.h"
#include "base/str.h"
#include "kube/handshake.h"

#include <stdatomic.h>

enum forward_part {
    FORWARD_ECHO,     /* what comes goes back */
    FORWARD_PIECES,   /* the same, in fragments of three bytes, the port split, pings in between */
    FORWARD_ERROR,    /* some data, then an error's text */
    FORWARD_HANG_UP,  /* some data, then a close with 1000 */
    FORWARD_GO_AWAY,  /* a close with 1011 and a text */
    FORWARD_CUT,      /* the connection ends in a frame */
    FORWARD_NONSENSE, /* a frame with a mask */
    FORWARD_STALL,    /* reads nothing until `go` */
    FORWARD_FLOOD,    /* sends and sends, FORWARD_FLOOD_BYTES, then a close */
    FORWARD_SILENT,   /* reads, says nothing, not even a close */
    FORWARD_PARTING,  /* answers a close with some more data before its own */
};

#define FORWARD_PING "are you there"

enum { FORWARD_THREADS = 32, FORWARD_FLOOD_BYTES = 32 << 20, FORWARD_MESSAGE = 32 << 10 };

struct forward_server {
    int listener, port;
    pthread_t acceptor, threads[FORWARD_THREADS];
    int fds[FORWARD_THREADS];
    size_t count;
    pthread_mutex_t lock; /* for what follows */
    const char *service;  /* bodies of answers; NULL: 404 */
    const char *pods;
    const char *refusal; /* a whole answer to the upgrade; NULL: it is granted */
    unsigned refusals;   /* how many times */
    unsigned holds;      /* of how many upgrades the answer waits until `go` */
    enum forward_part part;
    struct str log; /* the heads of all requests */
    atomic_size_t upgrades, held, sent, received, pongs, pings;
    atomic_uint close_code; /* of the client's last close */
    atomic_bool go;
};

struct forward_peer {
    struct forward_server *server;
    int fd;
};

static inline bool forward_recv(int fd, void *data, size_t len)
{
    return len == 0 || recv(fd, data, len, MSG_WAITALL) == (ssize_t)len;
}

/* A frame without a mask, of `first` byte, whose payload is a channel and data. */
static inline bool forward_frame(int fd, uint8_t first, int channel, const void *data, size_t len)
{
    static const uint8_t none;
    uint8_t head[12] = {first};
    size_t whole = len + (channel >= 0), at = 2;

    head[1] = (uint8_t)(whole < 126 ? whole : whole < 65536 ? 126 : 127);
    if (head[1] == 127)
        for (int shift = 56; shift >= 16; shift -= 8)
            head[at++] = (uint8_t)((uint64_t)whole >> shift);
    if (head[1] >= 126) {
        head[at++] = (uint8_t)(whole >> 8);
        head[at++] = (uint8_t)whole;
    }
    if (channel >= 0)
        head[at++] = (uint8_t)channel;
    return send(fd, head, at, MSG_NOSIGNAL) == (ssize_t)at &&
           send(fd, len ? data : &none, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* Reads a frame of the client's; its opcode, or -1 at the end. */
static inline int forward_read(int fd, uint8_t *data, size_t size, size_t *len)
{
    uint8_t head[2], wide[8], key[4];
    size_t extra;

    if (!forward_recv(fd, head, 2))
        return -1;
    assert(head[0] & 0x80 && head[1] & 0x80); /* whole, and with a mask (RFC 6455 §5.1) */
    *len = head[1] & 0x7f;
    extra = *len == 126 ? 2 : *len == 127 ? 8 : 0;
    if (!forward_recv(fd, wide, extra) || !forward_recv(fd, key, 4))
        return -1;
    for (size_t i = 0; i < extra; i++)
        *len = (i ? *len << 8 : 0) | wide[i];
    assert(*len <= size);
    if (!forward_recv(fd, data, *len))
        return -1;
    for (size_t i = 0; i < *len; i++)
        data[i] ^= key[i % 4];
    return head[0] & 0x0f;
}

/* ---- the parts ---- */

static inline void forward_echo_in_pieces(int fd, const uint8_t *data, size_t len)
{
    uint8_t first = 0x02;

    forward_frame(fd, first, CHANNEL_DATA, NULL, 0);
    for (size_t at = 0; at < len; at += 3) {
        forward_frame(fd, 0x00, -1, data + at, len - at < 3 ? len - at : 3);
        if (at % 300 == 0)
            forward_frame(fd, 0x89, -1, FORWARD_PING, strlen(FORWARD_PING));
    }
    forward_frame(fd, 0x80, -1, NULL, 0);
}

/* Takes frames until the client closes. */
static inline void forward_listen(struct forward_server *server, int fd, enum forward_part part)
{
    uint8_t *data = malloc(1 << 20);
    size_t len = 0;
    int opcode;

    while ((opcode = forward_read(fd, data, 1 << 20, &len)) > 0 && opcode != WEBSOCKET_CLOSE) {
        if (opcode == WEBSOCKET_PONG) { /* of the same bytes (RFC 6455 §5.5.3) */
            assert(len == strlen(FORWARD_PING) && !memcmp(data, FORWARD_PING, len));
            atomic_fetch_add(&server->pongs, 1);
        } else if (opcode == WEBSOCKET_PING) {
            assert(len <= WEBSOCKET_CONTROL_MAX);
            forward_frame(fd, 0x8a, -1, data, len);
            atomic_fetch_add(&server->pings, 1);
        }
        if (opcode != WEBSOCKET_BINARY)
            continue;
        assert(len > 1 && data[0] == CHANNEL_DATA);
        atomic_fetch_add(&server->received, len - 1);
        if (part == FORWARD_ECHO)
            forward_frame(fd, 0x82, -1, data, len);
        else if (part == FORWARD_PIECES)
            forward_echo_in_pieces(fd, data + 1, len - 1);
    }
    if (opcode == WEBSOCKET_CLOSE) {
        atomic_store(&server->close_code,
                     (unsigned)(data[0] << 8 | data[1])); /* before it is over */
        if (part == FORWARD_PARTING)
            forward_frame(fd, 0x82, CHANNEL_DATA, "farewell", 8);
        if (part != FORWARD_SILENT)
            forward_frame(fd, 0x88, -1, "\x03\xe8", 2);
    }
    free(data);
}

static inline void forward_flood(struct forward_server *server, int fd)
{
    uint8_t *data = malloc(FORWARD_MESSAGE);

    fill_noise(data, FORWARD_MESSAGE, 5);
    for (size_t sent = 0; sent < FORWARD_FLOOD_BYTES; sent += FORWARD_MESSAGE) {
        if (!forward_frame(fd, 0x82, CHANNEL_DATA, data, FORWARD_MESSAGE))
            break;
        atomic_fetch_add(&server->sent, FORWARD_MESSAGE);
    }
    forward_frame(fd, 0x88, -1, "\x03\xe8", 2);
    free(data);
}

static inline void forward_play(struct forward_server *server, int fd, enum forward_part part)
{
    if (part == FORWARD_PIECES) {
        forward_frame(fd, 0x82, CHANNEL_DATA, "\xfb", 1);
        forward_frame(fd, 0x82, CHANNEL_ERROR, "\xfb\x20", 2);
        forward_frame(fd, 0x02, CHANNEL_DATA, NULL, 0);
        forward_frame(fd, 0x80, -1, "\x20", 1);
    } else {
        forward_frame(fd, 0x82, CHANNEL_DATA, "\xfb\x20", 2);
        forward_frame(fd, 0x82, CHANNEL_ERROR, "\xfb\x20", 2);
    }
    if (part == FORWARD_ERROR || part == FORWARD_HANG_UP)
        forward_frame(fd, 0x82, CHANNEL_DATA, "some", 4);
    if (part == FORWARD_ERROR)
        forward_frame(fd, 0x82, CHANNEL_ERROR, "error forwarding port 8443: refused", 35);
    if (part == FORWARD_HANG_UP)
        forward_frame(fd, 0x88, -1, "\x03\xe8", 2);
    if (part == FORWARD_GO_AWAY)
        forward_frame(fd, 0x88, -1, "\x03\xf3no node", 9);
    if (part == FORWARD_NONSENSE)
        forward_frame(fd, 0x8f, -1, NULL, 0);
    if (part == FORWARD_FLOOD)
        forward_flood(server, fd);
    if (part == FORWARD_CUT) {
        canned_send(fd, "\x82\x10\0hal", 6);
        shutdown(fd, SHUT_WR);
    }
    while (part == FORWARD_STALL && !atomic_load(&server->go))
        usleep(1000);
    forward_listen(server, fd, part);
}

/* ---- requests ---- */

static inline void forward_answer(int fd, const char *body)
{
    static const char missing[] = "{\"kind\":\"Status\",\"code\":404,\"reason\":\"NotFound\","
                                  "\"message\":\"there is none\"}";
    char head[256];

    snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n",
             body ? "200 OK" : "404 Not Found", strlen(body ? body : missing));
    canned_send(fd, head, strlen(head));
    canned_send(fd, body ? body : missing, strlen(body ? body : missing));
}

static inline bool forward_upgrade(struct forward_server *server, int fd, const char *request)
{
    const char *key = strstr(request, "\r\nSec-WebSocket-Key: ");
    cleanup_str struct str head = STR_INIT;
    const char *refusal;
    char text[25] = "";
    bool hold;

    pthread_mutex_lock(&server->lock);
    refusal = server->refusals ? server->refusal : NULL;
    server->refusals -= refusal != NULL;
    hold = server->holds > 0;
    server->holds -= hold;
    pthread_mutex_unlock(&server->lock);
    atomic_fetch_add(&server->held, hold);
    while (hold && !atomic_load(&server->go))
        usleep(1000);
    if (refusal) {
        canned_send(fd, refusal, strlen(refusal));
        return false;
    }
    if (key)
        memcpy(text, key + 21, 24);
    str_puts(&head,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Protocol: " CHANNEL_PROTOCOL "\r\nSec-WebSocket-Accept: ");
    handshake_accept(text, &head);
    str_puts(&head, "\r\n\r\n");
    canned_send(fd, head.data, head.len);
    atomic_fetch_add(&server->upgrades, 1);
    return true;
}

static inline void *forward_serve(void *arg)
{
    struct forward_peer *peer = arg;
    struct forward_server *server = peer->server;
    char *text = malloc(CANNED_REQUEST_MAX);
    bool going = true;

    while (going && canned_read(peer->fd, text)) {
        const char *service, *pods;
        enum forward_part part;

        pthread_mutex_lock(&server->lock);
        str_puts(&server->log, text);
        service = server->service;
        pods = server->pods;
        part = server->part;
        pthread_mutex_unlock(&server->lock);
        if (strstr(text, "/portforward?")) {
            if (forward_upgrade(server, peer->fd, text))
                forward_play(server, peer->fd, part);
            going = false;
        } else {
            forward_answer(peer->fd, strstr(text, "/services/") ? service : pods);
        }
    }
    shutdown(peer->fd, SHUT_RDWR);
    free(text);
    free(peer);
    return NULL;
}

static inline void *forward_accept(void *arg)
{
    struct forward_server *server = arg;
    int fd;

    while ((fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct forward_peer *peer = malloc(sizeof(*peer));

        assert(server->count < FORWARD_THREADS && peer);
        *peer = (struct forward_peer){server, fd};
        server->fds[server->count] = fd;
        assert(!pthread_create(&server->threads[server->count++], NULL, forward_serve, peer));
    }
    return NULL;
}

/* `server` is set up but for the sockets. */
static inline void forward_start(struct forward_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    pthread_mutex_init(&server->lock, NULL);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(server->listener, 16), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->acceptor, NULL, forward_accept, server), 0);
}

static inline void forward_stop(struct forward_server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->acceptor, NULL);
    atomic_store(&server->go, true);
    for (size_t i = 0; i < server->count; i++) {
        shutdown(server->fds[i], SHUT_RDWR);
        pthread_join(server->threads[i], NULL);
        close(server->fds[i]);
    }
    close(server->listener);
    pthread_mutex_destroy(&server->lock);
    str_free(&server->log);
}
