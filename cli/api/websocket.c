/* SPDX-License-Identifier: Apache-2.0 */
#include "api/websocket.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

enum {
    FINAL = 0x80,
    RESERVED = 0x70,
    OPCODE = 0x0f,
    MASKED = 0x80,
    LENGTH = 0x7f,
    LENGTH_16 = 126, /* the length is in the next two bytes */
    LENGTH_64 = 127, /* ... in the next eight */
};

/* ---- reading ---- */

static int refuse(struct websocket_parser *parser, enum websocket_code code, struct err *err,
                  const char *what)
{
    parser->failure = code;
    return err_set(err, ERR_PEER, "the server breaks the rules of WebSocket: %s", what);
}

static size_t header_size(const struct websocket_parser *parser)
{
    unsigned length = parser->header[1] & LENGTH;

    if (parser->have < 2)
        return 2;
    return length == LENGTH_64 ? 10 : length == LENGTH_16 ? 4 : 2;
}

static uint64_t read_length(const struct websocket_parser *parser)
{
    uint64_t length = 0;

    if (parser->have == 2)
        return parser->header[1] & LENGTH;
    for (size_t i = 2; i < parser->have; i++)
        length = length << 8 | parser->header[i];
    return length;
}

static bool is_control(enum websocket_opcode opcode)
{
    return opcode >= WEBSOCKET_CLOSE;
}

static bool is_known(enum websocket_opcode opcode)
{
    return opcode <= WEBSOCKET_BINARY || (is_control(opcode) && opcode <= WEBSOCKET_PONG);
}

/* What a length must not be: longer written than it has to, or too large. */
static int check_length(struct websocket_parser *parser, struct err *err)
{
    uint64_t length = parser->left;

    if ((parser->have == 4 && length < LENGTH_16) || (parser->have == 10 && length <= UINT16_MAX))
        return refuse(parser, WEBSOCKET_CODE_PROTOCOL, err, "a length that is not the shortest");
    if (is_control(parser->opcode) && length > WEBSOCKET_CONTROL_MAX)
        return refuse(parser, WEBSOCKET_CODE_PROTOCOL, err, "a control frame that is too long");
    if (length > WEBSOCKET_FRAME_MAX)
        return refuse(parser, WEBSOCKET_CODE_TOO_BIG, err, "a frame of more than 16 MiB");
    return 0;
}

static int read_header(struct websocket_parser *parser, struct err *err)
{
    enum websocket_opcode opcode = (enum websocket_opcode)(parser->header[0] & OPCODE);

    parser->opcode = opcode;
    parser->final = parser->header[0] & FINAL;
    parser->left = read_length(parser);
    if (parser->header[0] & RESERVED)
        return refuse(parser, WEBSOCKET_CODE_PROTOCOL, err, "an extension that was not agreed on");
    if (parser->header[1] & MASKED)
        return refuse(parser, WEBSOCKET_CODE_PROTOCOL, err, "a frame with a mask");
    if (!is_known(opcode))
        return refuse(parser, WEBSOCKET_CODE_PROTOCOL, err, "a frame of an unknown kind");
    if (is_control(opcode) && !parser->final)
        return refuse(parser, WEBSOCKET_CODE_PROTOCOL, err, "a control frame in pieces");
    if (opcode == WEBSOCKET_CONTINUATION && !parser->message)
        return refuse(parser, WEBSOCKET_CODE_PROTOCOL, err, "a message that has no beginning");
    if (!is_control(opcode) && opcode != WEBSOCKET_CONTINUATION && parser->message)
        return refuse(parser, WEBSOCKET_CODE_PROTOCOL, err, "a message within another");
    return check_length(parser, err);
}

static void begin_payload(struct websocket_parser *parser)
{
    parser->in_payload = true;
    parser->have = 0;
    parser->control_len = 0;
    if (parser->opcode == WEBSOCKET_TEXT || parser->opcode == WEBSOCKET_BINARY) {
        parser->message = parser->opcode;
        parser->begun = false;
    }
}

/* Codes that may be on the wire (§7.4.2). */
static bool is_code(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static int read_close(struct websocket_parser *parser, struct websocket_event *event,
                      struct err *err)
{
    unsigned code = (unsigned)parser->control[0] << 8 | parser->control[1];
    const char *text = (const char *)parser->control + 2;

    event->kind = WEBSOCKET_CLOSED;
    event->code = WEBSOCKET_CODE_NONE;
    event->len = 0;
    parser->closed = true;
    parser->control[parser->control_len] = '\0';
    if (!parser->control_len)
        return 0;
    if (parser->control_len < 2 || !is_code(code))
        return refuse(parser, WEBSOCKET_CODE_PROTOCOL, err, "a close with an impossible code");
    event->code = (enum websocket_code)code;
    event->data = parser->control + 2;
    event->len = parser->control_len - 2;
    if (memchr(text, '\0', event->len) || !str_is_utf8(text))
        return refuse(parser, WEBSOCKET_CODE_PROTOCOL, err, "a close whose text is no UTF-8");
    return 0;
}

static int end_control(struct websocket_parser *parser, struct websocket_event *event,
                       struct err *err)
{
    event->data = parser->control;
    event->len = parser->control_len;
    if (parser->opcode == WEBSOCKET_CLOSE)
        return read_close(parser, event, err);
    event->kind = parser->opcode == WEBSOCKET_PING ? WEBSOCKET_PINGED : WEBSOCKET_PONGED;
    return 0;
}

/* Tells `len` bytes of the message; nothing when there are none and it does not end either. */
static void tell_part(struct websocket_parser *parser, const uint8_t *data, size_t len,
                      struct websocket_event *event)
{
    bool last = parser->final && !parser->left;

    if (!len && !last)
        return;
    *event = (struct websocket_event){
        .kind = WEBSOCKET_PART,
        .data = data,
        .len = len,
        .first = !parser->begun,
        .last = last,
        .type = parser->message,
    };
    parser->begun = true;
    if (last)
        parser->message = WEBSOCKET_CONTINUATION;
}

/* Takes what there is of the payload, which may be empty. */
static ssize_t read_payload(struct websocket_parser *parser, const uint8_t *data, size_t len,
                            struct websocket_event *event, struct err *err)
{
    size_t n = len < parser->left ? len : (size_t)parser->left;

    parser->left -= n;
    parser->in_payload = parser->left > 0;
    if (!is_control(parser->opcode)) {
        tell_part(parser, data, n, event);
        return (ssize_t)n;
    }
    if (n)
        memcpy(parser->control + parser->control_len, data, n);
    parser->control_len += n;
    if (!parser->left && end_control(parser, event, err) < 0)
        return -1;
    return (ssize_t)n;
}

ssize_t websocket_parse(struct websocket_parser *parser, const uint8_t *data, size_t len,
                        struct websocket_event *event, struct err *err)
{
    size_t at = 0;

    *event = (struct websocket_event){.kind = WEBSOCKET_NOTHING};
    if (parser->closed)
        return (ssize_t)len;
    while (at < len && event->kind == WEBSOCKET_NOTHING) {
        ssize_t taken;

        if (!parser->in_payload) {
            parser->header[parser->have++] = data[at++];
            if (parser->have < header_size(parser))
                continue;
            if (read_header(parser, err) < 0)
                return -1;
            begin_payload(parser);
        }
        taken = read_payload(parser, data + at, len - at, event, err);
        if (taken < 0)
            return -1;
        at += (size_t)taken;
    }
    return (ssize_t)at;
}

/* ---- writing ---- */

/* Eight bytes at a time; the frame's bytes begin wherever. */
static void apply_mask(const uint8_t key[4], uint8_t *data, size_t len)
{
    uint64_t wide;
    size_t at = 0;

    memcpy(&wide, key, 4);
    memcpy((uint8_t *)&wide + 4, key, 4);
    for (; len - at >= sizeof(wide); at += sizeof(wide)) {
        uint64_t word;

        memcpy(&word, data + at, sizeof(word));
        word ^= wide;
        memcpy(data + at, &word, sizeof(word));
    }
    for (; at < len; at++)
        data[at] ^= key[at % 4];
}

ssize_t websocket_wrap(enum websocket_opcode opcode, uint8_t *payload, size_t len, struct err *err)
{
    size_t wide = len < LENGTH_16 ? 0 : len <= UINT16_MAX ? 2 : 8;
    size_t size = 2 + wide + 4;
    uint8_t *header = payload - size, *key = payload - 4;

    if (getrandom(key, 4, 0) != 4)
        return err_errno(err, ERR_SYSTEM, errno, "no random numbers");
    header[0] = (uint8_t)(FINAL | opcode);
    header[1] = (uint8_t)(MASKED | (!wide ? len : wide == 2 ? LENGTH_16 : LENGTH_64));
    for (size_t i = 0; i < wide; i++)
        header[2 + i] = (uint8_t)((uint64_t)len >> (8 * (wide - 1 - i)));
    apply_mask(key, payload, len);
    return (ssize_t)size;
}
