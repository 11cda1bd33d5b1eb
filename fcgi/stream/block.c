/* SPDX-License-Identifier: Apache-2.0 */
#include "block.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

/* A page equal to itself moved by 16 is all one 16-byte word; memcmp is the fastest reader there
 * is. */
static bool is_zero(const uint8_t *page, size_t len)
{
    static const uint8_t zeros[16];
    size_t head = len < sizeof(zeros) ? len : sizeof(zeros);

    return memcmp(page, zeros, head) == 0 && memcmp(page, page + head, len - head) == 0;
}

/* Bytes of zero pages from `at` on. */
static size_t zeros_at(const uint8_t *data, size_t at, size_t len)
{
    size_t pos = at;

    while (pos < len) {
        size_t page = len - pos < FORMAT_PAGE ? len - pos : FORMAT_PAGE;

        if (!is_zero(data + pos, page))
            break;
        pos += page;
    }
    return pos - at;
}

/*
 * The next run of zeros worth a frame, at or after `at`: its length, with `start` where it begins;
 * 0 and `start` = len when there is none. A block of nothing but zeros counts however short it is.
 */
static size_t find_zeros(const uint8_t *data, size_t at, size_t len, size_t *start)
{
    for (size_t pos = at; pos < len;) {
        size_t zeros = zeros_at(data, pos, len);

        if (zeros > (BLOCK_ZERO_PAGES_MIN - 1) * FORMAT_PAGE || zeros == len) {
            *start = pos;
            return zeros;
        }
        pos += zeros + FORMAT_PAGE; /* the page after the zeros is none, or the end */
    }
    *start = len;
    return 0;
}

static size_t encode_data(struct codec *codec, const uint8_t *data, size_t len, uint8_t *out)
{
    size_t run = codec_deflate(codec, data, len, out + FORMAT_FRAME);

    return format_data_frame(out, run, len) + run;
}

void block_encode(struct codec *codec, const uint8_t *data, size_t len, uint8_t *out,
                  struct block *block)
{
    size_t start, zeros, at = 0;

    assert(len >= 1 && len <= FORMAT_BLOCK);
    zeros = find_zeros(data, 0, len, &start);
    *block = (struct block){0};
    if (zeros && start == 0) {
        block->lead = at = zeros;
        if (zeros == len) {
            block->crc = format_crc_zeros(0, len);
            return;
        }
        zeros = find_zeros(data, at, len, &start);
    }
    block->crc = codec_crc(0, data, len);
    for (;;) {
        block->len += encode_data(codec, data + at, start - at, out + block->len);
        at = start + zeros;
        if (at == len)
            break;
        block->len += format_zero_run(out + block->len, zeros);
        zeros = find_zeros(data, at, len, &start);
    }
    block->trail = zeros;
    assert(block->len <= BLOCK_ROOM);
}
