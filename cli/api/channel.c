/* SPDX-License-Identifier: Apache-2.0 */
#include "api/channel.h"

#include <string.h>

static int take_channel(struct channel_reader *reader, const uint8_t **data, size_t *len,
                        struct err *err)
{
    if (reader->known || !*len)
        return 0;
    reader->channel = **data;
    if (reader->channel >= CHANNEL_COUNT)
        return err_set(err, ERR_PEER, "the server sends on channel %u, which there is none of",
                       reader->channel);
    reader->known = true;
    ++*data;
    --*len;
    return 0;
}

static int take_port(struct channel_reader *reader, const uint8_t **data, size_t *len,
                     struct err *err)
{
    uint8_t *prefix = reader->prefix[reader->channel];
    size_t *have = &reader->prefix_len[reader->channel];
    unsigned port;

    if (*have == 2)
        return 0;
    for (; *have < 2 && *len; ++*data, --*len)
        prefix[(*have)++] = **data;
    port = prefix[0] | (unsigned)prefix[1] << 8;
    if (*have == 2 && port != reader->port)
        return err_set(err, ERR_PEER, "port %u was asked for, the server gives port %u",
                       reader->port, port);
    return 0;
}

static void keep_text(struct channel_reader *reader, const uint8_t *data, size_t len)
{
    size_t room = CHANNEL_TEXT_MAX - reader->text_len;

    if (len > room)
        len = room;
    if (len)
        memcpy(reader->text + reader->text_len, data, len);
    reader->text_len += len;
    reader->text[reader->text_len] = '\0';
}

int channel_read(struct channel_reader *reader, const struct websocket_event *part,
                 const uint8_t **data, size_t *len, struct err *err)
{
    *data = part->data;
    *len = part->len;
    if (part->type != WEBSOCKET_BINARY)
        return err_set(err, ERR_PEER, "the server sends text where bytes were agreed on");
    if (part->first)
        reader->known = false;
    if (take_channel(reader, data, len, err) < 0 ||
        (reader->known && take_port(reader, data, len, err) < 0))
        return -1;
    if (!reader->known || reader->channel == CHANNEL_DATA)
        return 0;
    keep_text(reader, *data, *len);
    *len = 0;
    if (!part->last || !reader->text_len)
        return 0;
    return err_set(err, ERR_PEER, "%s", reader->text);
}
