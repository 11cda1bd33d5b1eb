/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte for codec and size, then the block is told in pairs of bytes: what to append, how much.
 * What: bits 0-1 zeros, one byte again and again, the input itself, noise; bits 2-3 the unit.
 */
#include "../unit/judge.h"
#include "fuzz.h"
#include "stream/block.h"

static void repeat(uint8_t *out, size_t len, const uint8_t *what, size_t size)
{
    for (size_t at = 0; at < len; at += size)
        memcpy(out + at, what, size < len - at ? size : len - at);
}

static size_t append(uint8_t *block, size_t at, const uint8_t *data, size_t size)
{
    static const size_t units[] = {1, 64, FORMAT_PAGE, 8 * FORMAT_PAGE};
    static uint8_t noise[1 << 16]; /* longer than deflate looks back */
    size_t len = (data[1] % 32 + 1) * units[data[0] >> 2 & 3];

    for (uint32_t i = 0, n = 1; !noise[0] && i < sizeof(noise); i++, n = n * 1664525 + 1013904223)
        noise[sizeof(noise) - 1 - i] = (uint8_t)(n >> 24);
    len = len < FORMAT_BLOCK - at ? len : FORMAT_BLOCK - at;
    if (data[0] & 2)
        repeat(block + at, len, data[0] & 1 ? noise : data, data[0] & 1 ? sizeof(noise) : size);
    else
        memset(block + at, data[0] & 1 ? data[0] : 0, len);
    return at + len;
}

static struct codec *codec_of(uint8_t which)
{
    static struct codec *codecs[2];
    struct err err;

    setenv("VMEXPORT_GZIP_CODEC", which & 1 ? "isal" : "zlib", 1);
    MUST(codec_choose(&err) == 0);
    if (!codecs[which & 1])
        MUST((codecs[which & 1] = codec_new(&err)) != NULL);
    return codecs[which & 1];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t input[FORMAT_BLOCK], out[BLOCK_ROOM + 1];
    static struct str content, letters; /* kept: to allocate them takes longer than the rest */
    size_t len = 0, most = size && data[0] & 2 ? FORMAT_BLOCK : FORMAT_BLOCK / 8;
    struct block block;

    for (size_t i = 1; i + 1 < size && len < most; i += 2)
        len = append(input, len, data + i, size - i);
    if (!len)
        return 0;
    str_clear(&content);
    out[BLOCK_ROOM] = 0xa5;
    block_encode(codec_of(data[0]), input, len, out, &block);
    MUST(out[BLOCK_ROOM] == 0xa5);
    MUST(block.crc == (uint32_t)crc32(0, input, (uInt)len));
    MUST(judge_pieces(out, block.len, &content, &letters));
    MUST(block.lead + content.len + block.trail == len);
    MUST(!content.len || memcmp(content.data, input + block.lead, content.len) == 0);
    memset(input + block.lead, 0, content.len); /* what is left must be zeros */
    MUST(judge_zeros(input, len));
    return 0;
}
