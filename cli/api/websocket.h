/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frames of a WebSocket (RFC 6455 §5), as a client reads and writes them, without any I/O: the
 * opening handshake is lib/kube/upgrade.h's. No extension is known.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    WEBSOCKET_HEADER_MAX = 14,     /* of a frame that a client writes */
    WEBSOCKET_CONTROL_MAX = 125,   /* bytes in a control frame (§5.5) */
    WEBSOCKET_FRAME_MAX = 1 << 24, /* bytes in a frame that is read; a message may have many */
};

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

/* Why a connection is closed (§7.4.1). */
enum websocket_code {
    WEBSOCKET_CODE_NORMAL = 1000,
    WEBSOCKET_CODE_GOING_AWAY = 1001,
    WEBSOCKET_CODE_PROTOCOL = 1002,
    WEBSOCKET_CODE_NONE = 1005, /* never on the wire: none was given */
    WEBSOCKET_CODE_TOO_BIG = 1009,
};

/* ---- reading ---- */

/* Start from {0}. */
struct websocket_parser {
    uint8_t header[10];
    size_t have; /* of the header */
    bool in_payload;
    uint64_t left; /* of the payload */
    enum websocket_opcode opcode;
    bool final;
    enum websocket_opcode message; /* under way: WEBSOCKET_TEXT or _BINARY; else 0 */
    bool begun;                    /* a part of it was told */
    bool closed;
    uint8_t control[WEBSOCKET_CONTROL_MAX + 1];
    size_t control_len;
    enum websocket_code failure; /* what to close with after an error */
};

enum websocket_kind {
    WEBSOCKET_NOTHING, /* all was taken, more is needed */
    WEBSOCKET_PART,    /* of a message */
    WEBSOCKET_PINGED,  /* to be answered with a pong of the same bytes */
    WEBSOCKET_PONGED,
    WEBSOCKET_CLOSED, /* whatever comes after is no longer read */
};

struct websocket_event {
    enum websocket_kind kind;
    const uint8_t
        *data; /* a part: of the input; else of the parser. A NUL follows a close's text */
    size_t len;
    bool first, last;           /* of the message's parts */
    enum websocket_opcode type; /* of the message */
    enum websocket_code code;   /* of a close; WEBSOCKET_CODE_NONE: it has none */
};

/*
 * Takes bytes up to the next event and returns how many. Control frames are told whole, messages in
 * whatever parts they come: nothing of them is kept. -1, ERR_PEER: the server does not keep to the
 * RFC; nothing can be read any more.
 */
ssize_t websocket_parse(struct websocket_parser *parser, const uint8_t *data, size_t len,
                        struct websocket_event *event, struct err *err);

/* ---- writing ---- */

/*
 * Makes a whole frame around a payload in place: masks it, with a key of its own (§5.3), and writes the
 * header into the WEBSOCKET_HEADER_MAX bytes that are free before it. Returns the header's length: the
 * frame begins that far before the payload. ERR_SYSTEM, negative: no random numbers.
 */
ssize_t websocket_wrap(enum websocket_opcode opcode, uint8_t *payload, size_t len, struct err *err);
