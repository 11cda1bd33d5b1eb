/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte is the size of the pieces in which the rest, what a server sends to a port-forward,
 * comes: the connection's bytes and what is told must be the same as in one piece. */
#include "api/channel.h"
#include "fuzz.h"

enum { PORT = 0x3131 }; /* "11" */

/* False when the connection is over. */
static bool take(struct channel_reader *reader, const struct websocket_event *event,
                 struct str *bytes, struct str *told)
{
    const uint8_t *data;
    size_t len;
    struct err err;

    MUST(event->len == 0 || event->data);
    if (event->kind == WEBSOCKET_PINGED || event->kind == WEBSOCKET_PONGED) {
        MUST(event->len <= WEBSOCKET_CONTROL_MAX);
        str_printf(told, "%d ", event->kind);
        str_append(told, event->data, event->len);
    }
    if (event->kind == WEBSOCKET_CLOSED)
        str_printf(told, "%u %s", event->code, event->len ? (const char *)event->data : "");
    if (event->kind != WEBSOCKET_PART)
        return true;
    if (channel_read(reader, event, &data, &len, &err) < 0) {
        MUST(err.class == ERR_PEER);
        str_puts(told, err.msg);
        return false;
    }
    MUST(len <= event->len);
    if (len)
        str_append(bytes, data, len);
    return true;
}

static void feed(const uint8_t *data, size_t size, size_t piece, struct str *bytes,
                 struct str *told)
{
    struct websocket_parser parser = {0};
    struct channel_reader reader = {.port = PORT};

    for (size_t at = 0; at < size;) {
        size_t len = piece < size - at ? piece : size - at;
        struct websocket_event event;
        struct err err;
        ssize_t taken = websocket_parse(&parser, data + at, len, &event, &err);

        if (taken < 0) {
            MUST(err.class == ERR_PEER && parser.failure);
            str_puts(told, err.msg);
            return;
        }
        MUST((size_t)taken <= len && taken > 0);
        at += (size_t)taken;
        if (!take(&reader, &event, bytes, told))
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_str struct str whole = STR_INIT, pieces = STR_INIT, told = STR_INIT, again = STR_INIT;

    if (!size)
        return 0;
    feed(data + 1, size - 1, size, &whole, &told);
    feed(data + 1, size - 1, data[0] + 1, &pieces, &again);
    MUST(whole.len == pieces.len && told.len == again.len);
    MUST(memcmp(str_get(&whole), str_get(&pieces), whole.len) == 0);
    MUST(memcmp(str_get(&told), str_get(&again), told.len) == 0);
    return 0;
}
