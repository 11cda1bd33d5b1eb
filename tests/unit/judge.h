/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads what the product writes, without any of its code: deflate by zlib, frames by what format.h
 * says of them, FastCGI records by the specification. Each says by its result whether it is right.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

enum { JUDGE_PAGE = 4096, JUDGE_FRAME = 40 };

struct judge_frame {
    bool zeros;
    size_t run;   /* bytes of the deflate run; 0 for zeros */
    size_t pages; /* that it inflates to */
};

/* False when there is no frame at `p`. */
static inline bool judge_frame(const uint8_t *p, size_t len, struct judge_frame *frame)
{
    uint64_t value = 0;

    *frame = (struct judge_frame){0};
    if (len < JUDGE_FRAME)
        return false;
    for (unsigned i = 0; i < 8; i++, p += 5) {
        if ((p[0] & 7) || memcmp(p + 1, "\0\0\xff\xff", 4) != 0)
            return false;
        value |= (uint64_t)(p[0] >> 3) << (5 * i);
    }
    frame->zeros = value & 1;
    frame->run = frame->zeros ? 0 : (size_t)(value >> 1 & 0xffffff);
    frame->pages = frame->zeros ? (size_t)(value >> 1) : (size_t)(value >> 25);
    return true;
}

/*
 * Inflates one run and appends what it says; returns its length. `len` is the run's for data; a run
 * of zeros ends after its second block, wherever that is (`blocks` 2; else 0). 0 when it is no
 * deflate, is final, or ends within a byte.
 */
static inline size_t judge_run(const uint8_t *in, size_t len, unsigned blocks, struct str *out)
{
    static uint8_t buf[1 << 16];
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)in, .avail_in = (uInt)len};
    size_t used = 0;

    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return 0;
    for (bool more = true; more;) {
        bool between;

        z.next_out = buf;
        z.avail_out = sizeof(buf);
        more = inflate(&z, Z_BLOCK) == Z_OK;
        str_append(out, buf, sizeof(buf) - z.avail_out);
        between = more && (z.data_type & 128); /* two blocks: zlib.h, inflate */
        if ((between && blocks && --blocks == 0) || (between && !blocks && !z.avail_in)) {
            more = false;
            if (!(z.data_type & 0x47)) /* neither within a byte nor after a final block */
                used = len - z.avail_in;
        }
    }
    inflateEnd(&z);
    return used;
}

static inline bool judge_zeros(const void *data, size_t len)
{
    const char *p = data;

    return !len || (!p[0] && memcmp(p, p + 1, len - 1) == 0);
}

/* The next piece: its frame and run. Returns its length, 0 when it is wrong. */
static inline size_t judge_piece(const uint8_t *in, size_t len, struct judge_frame *frame,
                                 struct str *out)
{
    size_t before = out->len, run;

    if (!judge_frame(in, len, frame))
        return 0;
    in += JUDGE_FRAME;
    len -= JUDGE_FRAME;
    if (!frame->zeros && (frame->run > len || !frame->run))
        return 0;
    run = judge_run(in, frame->zeros ? len : frame->run, frame->zeros ? 2 : 0, out);
    if (!run || (!frame->zeros && run != frame->run))
        return 0;
    if ((out->len - before + JUDGE_PAGE - 1) / JUDGE_PAGE != frame->pages)
        return 0;
    if (frame->zeros && !judge_zeros(out->data + before, out->len - before))
        return 0;
    return JUDGE_FRAME + run;
}

/* Whether `in` is pieces and nothing else. Appends what they say, and to `letters` one each: D
 * for data, 0 for zeros. */
static inline bool judge_pieces(const uint8_t *in, size_t len, struct str *out, struct str *letters)
{
    while (len) {
        struct judge_frame frame;
        size_t piece = judge_piece(in, len, &frame, out);

        if (!piece)
            return false;
        str_putc(letters, frame.zeros ? '0' : 'D');
        in += piece;
        len -= piece;
    }
    return true;
}

/* Whether `in` is one gzip member and nothing else; appends its content. */
static inline bool judge_gunzip(const uint8_t *in, size_t len, struct str *out)
{
    static uint8_t buf[1 << 16];
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)in, .avail_in = (uInt)len};
    int rc = inflateInit2(&z, 16 + MAX_WBITS);

    while (rc == Z_OK) {
        z.next_out = buf;
        z.avail_out = sizeof(buf);
        rc = inflate(&z, Z_NO_FLUSH);
        str_append(out, buf, sizeof(buf) - z.avail_out);
    }
    inflateEnd(&z);
    return rc == Z_STREAM_END && z.avail_in == 0;
}

/* Whether `in` is whole FCGI_STDOUT records of the request `id`; appends their content. */
static inline bool judge_records(const uint8_t *in, size_t len, unsigned id, struct str *out)
{
    while (len) {
        size_t content;

        if (len < 8 || in[0] != 1 || in[1] != 6 || (unsigned)(in[2] << 8 | in[3]) != id ||
            in[6] != 0 || in[7] != 0)
            return false;
        content = (size_t)(in[4] << 8 | in[5]);
        if (!content || content > len - 8) /* an empty record would end the body */
            return false;
        str_append(out, in + 8, content);
        in += 8 + content;
        len -= 8 + content;
    }
    return true;
}
