/* SPDX-License-Identifier: Apache-2.0 */
/* From the server to the user. */
#include "api/tunnel_private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static void take_close(struct tunnel *tunnel, const struct websocket_event *event)
{
    struct err err;

    err_set(&err, ERR_PEER, "the server closed it with code %u%s%s", event->code,
            event->len ? ": " : "", event->len ? (const char *)event->data : "");
    if (event->code == WEBSOCKET_CODE_NORMAL || event->code == WEBSOCKET_CODE_NONE)
        tunnel_leave(tunnel, WEBSOCKET_CODE_NORMAL);
    tunnel_fail(tunnel, WEBSOCKET_CODE_NORMAL, &err);
}

static void take_event(struct tunnel *tunnel, const struct websocket_event *event)
{
    struct err err;

    switch (event->kind) {
    case WEBSOCKET_PART:
        if (channel_read(&tunnel->reader, event, &tunnel->due, &tunnel->due_len, &err) < 0) {
            tunnel->due_len = 0;
            tunnel_fail(tunnel, WEBSOCKET_CODE_NORMAL, &err);
        }
        break;
    case WEBSOCKET_PINGED:
        memcpy(tunnel->pong, event->data, event->len);
        tunnel->pong_len = event->len;
        tunnel->pong_due = true;
        break;
    case WEBSOCKET_CLOSED:
        take_close(tunnel, event);
        break;
    case WEBSOCKET_PONGED:
    case WEBSOCKET_NOTHING:
        break;
    }
}

static bool read_server(struct tunnel *tunnel)
{
    struct err err;

    tunnel->in_at = 0;
    if (kube_upgrade_recv(tunnel->upgrade, tunnel->in, sizeof(tunnel->in), &tunnel->in_len, &err) <
        0) {
        tunnel->closed = true;
        tunnel->in_len = 0;
        tunnel_fail(tunnel, WEBSOCKET_CODE_NORMAL, &err);
    }
    return tunnel->in_len > 0;
}

static bool write_user(struct tunnel *tunnel)
{
    ssize_t n = send(tunnel->user, tunnel->due, tunnel->due_len, MSG_NOSIGNAL);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n < 0) { /* the user has closed it */
        tunnel_leave(tunnel, WEBSOCKET_CODE_NORMAL);
        tunnel->deaf = true;
        tunnel->due_len = 0;
        return true;
    }
    tunnel->due += n;
    tunnel->due_len -= (size_t)n;
    return true;
}

bool tunnel_carry_in(struct tunnel *tunnel)
{
    struct websocket_event event;
    ssize_t taken;
    struct err err;

    if (tunnel->due_len)
        return write_user(tunnel);
    if (tunnel->in_at == tunnel->in_len)
        return read_server(tunnel);
    taken = websocket_parse(&tunnel->parser, tunnel->in + tunnel->in_at,
                            tunnel->in_len - tunnel->in_at, &event, &err);
    if (taken < 0) {
        tunnel_fail(tunnel, tunnel->parser.failure, &err);
        return false;
    }
    tunnel->in_at += (size_t)taken;
    take_event(tunnel, &event);
    return true;
}
