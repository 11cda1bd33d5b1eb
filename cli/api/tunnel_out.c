/* SPDX-License-Identifier: Apache-2.0 */
/* From the user to the server: one frame after the other. */
#include "api/tunnel_private.h"
#include "base/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* What the user has written, if anything: the length of the payload, 0 for nothing. */
static size_t read_user(struct tunnel *tunnel, uint8_t *payload)
{
    ssize_t n = tunnel->leaving ? -1 : recv(tunnel->user, payload + 1, TUNNEL_PIECE, 0);

    if (n > 0) {
        payload[0] = CHANNEL_DATA;
        return (size_t)n + 1;
    }
    if (!tunnel->leaving && (n == 0 || (errno != EAGAIN && errno != EINTR)))
        tunnel_leave(tunnel, WEBSOCKET_CODE_NORMAL);
    return 0;
}

static size_t put_close(struct tunnel *tunnel, uint8_t *payload)
{
    tunnel->closing = false;
    tunnel->closed = true;
    payload[0] = (uint8_t)(tunnel->code >> 8);
    payload[1] = (uint8_t)tunnel->code;
    return 2;
}

/* Puts the next frame into `out`; false when there is none. */
static bool put_frame(struct tunnel *tunnel)
{
    enum websocket_opcode opcode = WEBSOCKET_BINARY;
    uint8_t *payload = tunnel->out + WEBSOCKET_HEADER_MAX;
    size_t len = 0;
    ssize_t header;
    struct err err;

    if (tunnel->closed)
        return false;
    if (tunnel->pong_due) {
        opcode = WEBSOCKET_PONG;
        len = tunnel->pong_len;
        memcpy(payload, tunnel->pong, len);
        tunnel->pong_due = false;
    } else if (clock_ms() >= tunnel->ping_at) {
        opcode = WEBSOCKET_PING;
        tunnel->ping_at = clock_ms() + tunnel->ping_ms;
    } else {
        if (!tunnel->closing)
            len = read_user(tunnel, payload);
        if (tunnel->closing) {
            opcode = WEBSOCKET_CLOSE;
            len = put_close(tunnel, payload);
        }
        if (!len)
            return false;
    }
    header = websocket_wrap(opcode, payload, len, &err);
    if (header < 0) {
        tunnel_fail(tunnel, WEBSOCKET_CODE_GOING_AWAY, &err);
        return false;
    }
    tunnel->out_at = WEBSOCKET_HEADER_MAX - (size_t)header;
    tunnel->out_end = WEBSOCKET_HEADER_MAX + len;
    return true;
}

bool tunnel_carry_out(struct tunnel *tunnel)
{
    struct err err;
    size_t moved;

    if (tunnel->out_at == tunnel->out_end && !put_frame(tunnel))
        return false;
    if (kube_upgrade_send(tunnel->upgrade, tunnel->out + tunnel->out_at,
                          tunnel->out_end - tunnel->out_at, &moved, &err) < 0) {
        /* What the server sent before it left is still to be read; then its end is, too. */
        tunnel->closed = true;
        tunnel->out_at = tunnel->out_end;
        return false;
    }
    tunnel->out_at += moved;
    return moved > 0;
}
