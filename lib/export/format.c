/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run of zeros as deflate can say it best: one block with codes of its own, in which length 258
 * is the one-bit code 0 and distance 1 the one-bit code 0. Each 258 zeros are then two zero bits,
 * so the body of the run is literally zero bytes, one for 1032 zeros (RFC 1951 §3.2.7).
 */
#include "export/format.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <zlib.h>

static void put_le(uint8_t *out, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

size_t format_header(uint8_t out[static FORMAT_HEADER], uint64_t logical_size)
{
    static const uint8_t fixed[16] = {
        0x1f, 0x8b, 8,     /* gzip, deflate */
        4,                 /* FLG.FEXTRA */
        0,    0,    0,  0, /* no time, as it would differ each time */
        4,    255,         /* fastest algorithm, unknown system */
        16,   0,           /* length of the extra field */
        'V',  'E',  12, 0  /* subfield and its length */
    };

    memcpy(out, fixed, sizeof(fixed));
    out[16] = FORMAT_VERSION;
    out[17] = 12; /* log2(FORMAT_PAGE) */
    out[18] = 20; /* log2(FORMAT_BLOCK) */
    out[19] = 0;
    put_le(out + 20, logical_size, 8);
    return FORMAT_HEADER;
}

size_t format_end(uint8_t out[static FORMAT_END], uint32_t crc, uint64_t logical_size)
{
    static const uint8_t final_block[5] = {1, 0, 0, 0xff, 0xff};

    memcpy(out, final_block, sizeof(final_block));
    put_le(out + 5, crc, 4);
    put_le(out + 9, logical_size, 4);
    return FORMAT_END;
}

static size_t put_frame(uint8_t *out, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        out[5 * i] = (uint8_t)((value >> (5 * i) & 31) << 3);
        put_le(out + 5 * i + 1, 0xffff0000, 4);
    }
    return FORMAT_FRAME;
}

static uint64_t pages(size_t bytes)
{
    return (bytes + FORMAT_PAGE - 1) / FORMAT_PAGE;
}

size_t format_data_frame(uint8_t out[static FORMAT_FRAME], size_t run, size_t bytes)
{
    assert(run < 1 << 24 && pages(bytes) < 1 << 15);
    return put_frame(out, (uint64_t)run << 1 | pages(bytes) << 25);
}

/* Deflate packs bits from the least significant bit of each byte (RFC 1951 §3.1.1). `out` starts
 * zeroed. */
struct bits {
    uint8_t *out;
    size_t pos;
};

static void put_bits(struct bits *b, unsigned value, unsigned count)
{
    for (unsigned i = 0; i < count; i++, b->pos++)
        b->out[b->pos / 8] |= (uint8_t)((value >> i & 1) << (b->pos % 8));
}

/* The block header: literal 0 has code 10, end of block 11, length 258 0; distances 1 and 2 have 0
 * and 1. */
static void put_zero_codes(struct bits *b)
{
    /* Lengths of the code-length codes in the order of RFC 1951: 18 has one bit, 1 and 2 have two.
     */
    static const uint8_t code_length[18] = {[2] = 1, [15] = 2, [17] = 2};
    enum { ONE = 1, TWO = 3, REPEAT_ZERO = 0 }; /* codes 10, 11, 0, as they go out */

    put_bits(b, 0, 1);      /* not final */
    put_bits(b, 2, 2);      /* dynamic Huffman codes */
    put_bits(b, 29, 5);     /* 286 literal and length codes */
    put_bits(b, 1, 5);      /* 2 distance codes */
    put_bits(b, 18 - 4, 4); /* 18 code-length codes */
    for (int i = 0; i < 18; i++)
        put_bits(b, code_length[i], 3);
    put_bits(b, TWO, 2); /* literal 0 */
    put_bits(b, REPEAT_ZERO, 1);
    put_bits(b, 138 - 11, 7); /* 1..138 unused */
    put_bits(b, REPEAT_ZERO, 1);
    put_bits(b, 117 - 11, 7); /* 139..255 unused */
    put_bits(b, TWO, 2);      /* end of block */
    put_bits(b, REPEAT_ZERO, 1);
    put_bits(b, 28 - 11, 7); /* 257..284 unused */
    put_bits(b, ONE, 2);     /* length 258 */
    put_bits(b, ONE, 2);     /* distance 1 */
    put_bits(b, ONE, 2);     /* distance 2, which makes the code complete */
}

size_t format_zero_run(uint8_t *out, size_t bytes)
{
    enum { LITERAL_ZERO = 1, END_OF_BLOCK = 3 }; /* codes 10 and 11, as they go out */
    struct bits b = {out + FORMAT_FRAME, 0};
    size_t matches = (bytes - 1) / 258;

    assert(bytes >= 1 && bytes <= FORMAT_ZERO_RUN_MAX);
    memset(out, 0, FORMAT_ZERO_RUN_ROOM(bytes));
    put_frame(out, 1 | pages(bytes) << 1);
    put_zero_codes(&b);
    put_bits(&b, LITERAL_ZERO, 2); /* what the matches repeat */
    b.pos += 2 * matches;          /* two zero bits each */
    for (size_t i = 0; i < (bytes - 1) % 258; i++)
        put_bits(&b, LITERAL_ZERO, 2);
    put_bits(&b, END_OF_BLOCK, 2);
    put_bits(&b, 0, 3); /* an empty stored block, to end on a byte boundary */
    b.pos = (b.pos + 7) / 8 * 8;
    put_le(b.out + b.pos / 8, 0xffff0000, 4);
    return FORMAT_FRAME + b.pos / 8 + 4;
}

uint32_t format_crc_join(uint32_t crc, uint32_t next, uint64_t bytes)
{
    return (uint32_t)crc32_combine64(crc, next, (z_off64_t)bytes);
}

/* Joined with an empty CRC, one is only moved on by that many zeros; CRC-32 is inverted at both
 * ends. */
uint32_t format_crc_zeros(uint32_t crc, uint64_t bytes)
{
    return ~format_crc_join(~crc, 0, bytes);
}
