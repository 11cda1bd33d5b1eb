/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of a tunnel share: tunnel.c, its thread and its end; tunnel_out.c and tunnel_in.c, the
 * two ways. */
#pragma once

#include "api/tunnel.h"

#include "api/channel.h"

#include <pthread.h>
#include <stdatomic.h>

enum { TUNNEL_PIECE = 64 << 10 }; /* bytes of a message that we send */

struct tunnel {
    struct kube_upgrade *upgrade;
    int user, stop;
    char *what;
    pthread_t thread;
    atomic_bool ended;

    /* from the server to the user */
    struct websocket_parser parser;
    struct channel_reader reader;
    uint8_t in[TUNNEL_PIECE];
    size_t in_at, in_len;
    const uint8_t *due; /* of `in`: the user's, not written yet */
    size_t due_len;

    /* from the user to the server: one frame */
    uint8_t out[WEBSOCKET_HEADER_MAX + 1 + TUNNEL_PIECE];
    size_t out_at, out_end;
    uint8_t pong[WEBSOCKET_CONTROL_MAX];
    size_t pong_len;
    bool pong_due;
    unsigned ping_ms;
    uint64_t ping_at;

    bool leaving;             /* nothing is read from the user any more */
    bool closing;             /* a close frame is to be sent */
    bool closed;              /* it is in `out`, or was, or cannot be: nothing follows */
    bool deaf;                /* the user takes nothing any more */
    bool over;                /* what is in `out` may be sent if that is possible at once */
    enum websocket_code code; /* to close with */
    uint64_t leave_by;
};

/* Nothing more is read from the user; the server is told, and then waited for. */
void tunnel_leave(struct tunnel *tunnel, enum websocket_code code);
/* Ends it, for a cause that the user has not given. */
void tunnel_fail(struct tunnel *tunnel, enum websocket_code code, const struct err *err);

/* Each carries on by one step; whether anything moved. */
bool tunnel_carry_out(struct tunnel *tunnel);
bool tunnel_carry_in(struct tunnel *tunnel);
