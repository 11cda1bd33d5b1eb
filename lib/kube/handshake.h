/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The opening handshake of a WebSocket, seen from the client (RFC 6455 §4), without any I/O. Private
 * to lib/kube/upgrade.c.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>

enum {
    HANDSHAKE_KEY_SIZE = 25,        /* 16 bytes as base64, with the NUL */
    HANDSHAKE_HEAD_MAX = 16 << 10,  /* of an answer */
    HANDSHAKE_BODY_MAX = 256 << 10, /* of a refusal: a Status has some hundred bytes */
};

/* Another one for each attempt. ERR_SYSTEM: the system has no random numbers. */
int handshake_key(char key[HANDSHAKE_KEY_SIZE], struct err *err);
/* Appends what Sec-WebSocket-Accept has to be for this key. */
void handshake_accept(const char *key, struct str *out);

struct handshake_answer {
    int code;
    size_t head;      /* its bytes, with the empty line */
    bool chunked;     /* the body */
    long long length; /* of the body; -1: to the end of the connection, or chunked */
};

/* Reads the head of an answer, as soon as there is all of it: 1; 0: more is needed; -1, ERR_PEER: this
 * is no answer of HTTP/1.1. */
int handshake_parse(const struct str *text, struct handshake_answer *answer, struct err *err);

/* Whether the answer, of code 101, is to this key, and this protocol was chosen. ERR_PEER. */
int handshake_check(const struct str *text, const struct handshake_answer *answer, const char *key,
                    const char *protocol, struct err *err);

/* The body that follows the head: true when it is whole. `body` is what there is of it by now. */
bool handshake_body(const struct str *text, const struct handshake_answer *answer,
                    struct str *body);
