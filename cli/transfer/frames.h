/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads our gzip framing (export/format.h) as it comes: bytes in, pieces out. A pure parser of fixed
 * size that trusts nothing: what it tells is what any other reader of gzip would get, but for the
 * deflate runs of data, which it only cuts out, and the trailer, which it only reads.
 */
#pragma once

#include "base/err.h"
#include "export/format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a data piece's run, at most. */
enum { FRAMES_RUN_MAX = FORMAT_BLOCK + (64 << 10) };

enum frames_event {
    FRAMES_MORE,    /* all that came is taken */
    FRAMES_FOREIGN, /* not our framing: head[0, head_len) was taken, the rest is left; the end here */
    FRAMES_DATA,    /* a piece of data begins: offset, bytes, bytes_min, run */
    FRAMES_SPAN,    /* a part of its run: span, span_len; run_left is 0 after the last */
    FRAMES_ZEROS,   /* a piece of zeros came, whole: offset, bytes */
    FRAMES_END,     /* crc, isize */
};

struct frames {
    /* What the last event is about. */
    uint64_t size;   /* where the content ends by the header; FORMAT_SIZE_UNKNOWN */
    uint64_t offset; /* in the whole content */
    size_t bytes;
    size_t bytes_min; /* where the last piece ends within its page is not always known */
    size_t run, run_left;
    const uint8_t *span; /* within what was fed */
    size_t span_len;
    uint32_t crc, isize;
    uint8_t head[FORMAT_FRAME];
    size_t head_len;

    /* Its own. */
    int step;
    uint64_t at;    /* the content up to the next piece */
    bool ends_page; /* false: the last piece ended within a page, so nothing may follow */
    size_t zeros_len, zeros_bit, zeros_matches, zeros_literals;
    uint8_t zeros[FORMAT_ZERO_RUN_ROOM(FORMAT_ZERO_RUN_MAX)];
    size_t expected_bytes, expected_len;
    uint8_t expected[FORMAT_ZERO_RUN_ROOM(FORMAT_ZERO_RUN_MAX)];
};

/* `from` is where in the whole content the stream begins. */
void frames_init(struct frames *frames, uint64_t from);

/* The next event (enum frames_event); `data` and `len` are moved on. Call until FRAMES_MORE.
 * ERR_PRECONDITION: the stream is damaged, or lies about itself. */
int frames_next(struct frames *frames, const uint8_t **data, size_t *len, struct err *err);
