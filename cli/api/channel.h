/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the messages of a port-forward say in the protocol v4.channel.k8s.io (kubelet:
 * pkg/cri/streaming/portforward/websocket.go), without any I/O. A message's first byte is its channel:
 * 0 has the bytes of the connection, 1 what went wrong, as text. The first two bytes that come on each
 * are the port, the lower byte first.
 */
#pragma once

#include "api/websocket.h"

#define CHANNEL_PROTOCOL "v4.channel.k8s.io"

enum { CHANNEL_DATA, CHANNEL_ERROR, CHANNEL_COUNT, CHANNEL_TEXT_MAX = 800 };

/* Start from {.port = what was asked for}. */
struct channel_reader {
    unsigned port;
    unsigned channel; /* of the message under way */
    bool known;       /* whether its first byte has come */
    uint8_t prefix[CHANNEL_COUNT][2];
    size_t prefix_len[CHANNEL_COUNT];
    char text[CHANNEL_TEXT_MAX + 1]; /* what went wrong; the end of a long one is cut */
    size_t text_len;
};

/*
 * Takes a part of a message. `*data`, `*len` become the connection's bytes in it, which may be none.
 * ERR_PEER: the other end says what went wrong, in its words, or does not keep to the protocol.
 */
int channel_read(struct channel_reader *reader, const struct websocket_event *part,
                 const uint8_t **data, size_t *len, struct err *err);
