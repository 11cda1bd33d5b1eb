/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The length of a run of zeros is not in its frame. Its codes are walked to find it; the proof that
 * the run is zeros, as many as the frame says, is that it is byte for byte what the writer makes of
 * them.
 */
#include "frames.h"
#include "gunzip_private.h"

#include <string.h>

enum step { STEP_HEADER, STEP_FRAME, STEP_RUN, STEP_ZEROS, STEP_AFTER };

enum {
    HEADER_FIXED = 20, /* bytes of the header that are always the same; the size follows */
    /* Bits of a run of zeros before its first match: codes and one literal (format.c). */
    ZEROS_LEAD = 107,
    MATCH = 258,
};

void frames_init(struct frames *f, uint64_t from)
{
    memset(f, 0, sizeof(*f));
    f->at = f->offset = from;
    f->size = FORMAT_SIZE_UNKNOWN;
    f->ends_page = true;
}

static int damaged(const struct frames *f, const char *what, struct err *err)
{
    return gunzip_damaged(err, f->at, what);
}

static uint64_t get_le(const uint8_t *in, int bytes)
{
    uint64_t value = 0;

    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)in[i] << (8 * i);
    return value;
}

/* Gathers the first `want` bytes of something in `head`; false when more must come. */
static bool gather(struct frames *f, size_t want, const uint8_t **data, size_t *len)
{
    size_t part = f->head_len < want ? want - f->head_len : 0;

    part = part < *len ? part : *len;
    memcpy(f->head + f->head_len, *data, part);
    f->head_len += part;
    *data += part;
    *len -= part;
    return f->head_len >= want;
}

/* Ours is known by all that is fixed in it, other versions of it are not ours. */
static int step_header(struct frames *f, const uint8_t **data, size_t *len, struct err *err)
{
    bool whole = gather(f, FORMAT_HEADER, data, len);
    uint8_t ours[FORMAT_HEADER];
    uint64_t size;

    format_header(ours, 0);
    if (memcmp(f->head, ours, f->head_len < HEADER_FIXED ? f->head_len : HEADER_FIXED) != 0)
        return FRAMES_FOREIGN;
    if (!whole)
        return FRAMES_MORE;
    size = get_le(f->head + HEADER_FIXED, 8);
    if (size != FORMAT_SIZE_UNKNOWN) {
        if (size > INT64_MAX || f->at > INT64_MAX)
            return damaged(f, "its header has a size that nothing can have", err);
        f->size = f->at + size;
    }
    f->head_len = 0;
    f->step = STEP_FRAME;
    return FRAMES_MORE;
}

/* How much content a piece of so many pages has. */
static int set_bytes(struct frames *f, size_t pages, struct err *err)
{
    uint64_t left = f->size - f->at;

    f->offset = f->at;
    f->bytes = pages * FORMAT_PAGE;
    f->bytes_min = f->bytes - FORMAT_PAGE + 1;
    if (!f->ends_page)
        return damaged(f, "something follows a block that ends within a page", err);
    if (f->size == FORMAT_SIZE_UNKNOWN)
        return 0;
    if (f->bytes >= left + FORMAT_PAGE)
        return damaged(f, "there is more than its header says", err);
    f->bytes = f->bytes < left ? f->bytes : (size_t)left;
    f->bytes_min = f->bytes;
    return 0;
}

static int begin_data(struct frames *f, uint64_t value, struct err *err)
{
    size_t pages = (size_t)(value >> 25);

    f->run = f->run_left = (size_t)(value >> 1 & 0xffffff);
    if (!pages || pages > FORMAT_BLOCK / FORMAT_PAGE || !f->run || f->run > FRAMES_RUN_MAX)
        return damaged(f, "a frame says that its block is longer than any, or empty", err);
    if (set_bytes(f, pages, err) < 0)
        return -1;
    f->at += f->bytes;
    f->ends_page = f->bytes % FORMAT_PAGE == 0;
    f->step = STEP_RUN;
    return FRAMES_DATA;
}

static int begin_zeros(struct frames *f, uint64_t value, struct err *err)
{
    uint64_t pages = value >> 1;

    if (!pages || pages > FORMAT_ZERO_RUN_MAX / FORMAT_PAGE)
        return damaged(f, "a frame says that its zeros are more than ever, or none", err);
    if (set_bytes(f, (size_t)pages, err) < 0)
        return -1;
    memcpy(f->zeros, f->head, FORMAT_FRAME);
    f->zeros_len = FORMAT_FRAME;
    f->zeros_bit = FORMAT_FRAME * 8 + ZEROS_LEAD;
    f->zeros_matches = f->zeros_literals = 0;
    f->step = STEP_ZEROS;
    return FRAMES_MORE;
}

static int take_end(struct frames *f, struct err *err)
{
    uint8_t end[FORMAT_END];

    f->crc = (uint32_t)get_le(f->head + FORMAT_END - 8, 4);
    f->isize = (uint32_t)get_le(f->head + FORMAT_END - 4, 4);
    format_end(end, f->crc, f->isize);
    if (memcmp(end, f->head, sizeof(end)) != 0)
        return damaged(f, "there is no frame where one must be", err);
    if (f->size != FORMAT_SIZE_UNKNOWN && f->at != f->size)
        return damaged(f, "there is less than its header says", err);
    f->step = STEP_AFTER;
    return FRAMES_END;
}

static int step_frame(struct frames *f, const uint8_t **data, size_t *len, struct err *err)
{
    uint64_t value = 0;
    bool is_end;

    if (!gather(f, 1, data, len))
        return FRAMES_MORE;
    is_end = f->head[0] == 1; /* a final block: the lowest bit, that no frame has */
    if (!gather(f, is_end ? FORMAT_END : FORMAT_FRAME, data, len))
        return FRAMES_MORE;
    f->head_len = 0;
    if (is_end)
        return take_end(f, err);
    for (int i = 0; i < 8; i++) {
        const uint8_t *block = f->head + 5 * i;

        if (block[0] & 7 || get_le(block + 1, 4) != 0xffff0000)
            return damaged(f, "there is no frame where one must be", err);
        value |= (uint64_t)(block[0] >> 3) << (5 * i);
    }
    return value & 1 ? begin_zeros(f, value, err) : begin_data(f, value, err);
}

static int step_run(struct frames *f, const uint8_t **data, size_t *len, struct err *err)
{
    (void)err;
    f->span = *data;
    f->span_len = *len < f->run_left ? *len : f->run_left;
    f->run_left -= f->span_len;
    *data += f->span_len;
    *len -= f->span_len;
    if (!f->run_left)
        f->step = STEP_FRAME;
    return FRAMES_SPAN;
}

/* ---- zeros ---- */

static unsigned bits_at(const struct frames *f, size_t bit, unsigned count)
{
    unsigned two = f->zeros[bit / 8] | (unsigned)f->zeros[(bit + count - 1) / 8] << 8;

    if (bit / 8 == (bit + count - 1) / 8)
        two &= 0xff;
    return two >> bit % 8 & ((1U << count) - 1);
}

/* Eight bytes of nothing but matches at once. */
static void skip_matches(struct frames *f)
{
    for (uint64_t word;; f->zeros_bit += 64, f->zeros_matches += 32) {
        size_t byte = f->zeros_bit / 8;

        if (byte + 1 + sizeof(word) > f->zeros_len || f->zeros[byte] >> f->zeros_bit % 8)
            return;
        memcpy(&word, f->zeros + byte + 1, sizeof(word));
        if (word)
            return;
    }
}

/*
 * Walks the codes that came; returns the length of the piece once the end of its block is found, else 0.
 * Counts what there is; whether it is where it must be is for the comparison to say.
 */
static size_t walk_zeros(struct frames *f)
{
    enum { CODE_MATCH, CODE_LITERAL, CODE_OTHER, CODE_END };

    skip_matches(f);
    while (f->zeros_bit + 2 <= f->zeros_len * 8) {
        unsigned code = bits_at(f, f->zeros_bit, 2);

        if (code == CODE_END) /* then three bits, the byte's rest, and the length of nothing */
            return (f->zeros_bit + 2 + 3 + 7) / 8 + 4;
        f->zeros_matches += code == CODE_MATCH;
        f->zeros_literals += code != CODE_MATCH;
        f->zeros_bit += 2;
    }
    return 0;
}

/* Whether the piece of `len` bytes is that of so many zeros. */
static bool is_zero_run(struct frames *f, size_t bytes, size_t len)
{
    if (f->expected_bytes != bytes) {
        f->expected_len = format_zero_run(f->expected, bytes);
        f->expected_bytes = bytes;
    }
    return len == f->expected_len && memcmp(f->zeros, f->expected, len) == 0;
}

static int end_zeros(struct frames *f, size_t len, struct err *err)
{
    size_t bytes = 1 + f->zeros_matches * MATCH + f->zeros_literals;

    if (bytes < f->bytes_min || bytes > f->bytes || !is_zero_run(f, bytes, len))
        return damaged(f, "zeros are not those that their frame says", err);
    f->bytes = f->bytes_min = bytes;
    f->at += bytes;
    f->ends_page = bytes % FORMAT_PAGE == 0;
    f->step = STEP_FRAME;
    return FRAMES_ZEROS;
}

static int step_zeros(struct frames *f, const uint8_t **data, size_t *len, struct err *err)
{
    size_t before = f->zeros_len, room = FORMAT_ZERO_RUN_ROOM(f->bytes) - before;
    size_t part = *len < room ? *len : room, end;

    memcpy(f->zeros + before, *data, part);
    f->zeros_len += part;
    end = walk_zeros(f);
    if (end && end <= f->zeros_len) {
        *data += end - before;
        *len -= end - before;
        return end_zeros(f, end, err);
    }
    if (part == room)
        return damaged(f, "zeros are not those that their frame says", err);
    *data += part;
    *len -= part;
    return FRAMES_MORE;
}

static int step_after(struct frames *f, const uint8_t **data, size_t *len, struct err *err)
{
    (void)data;
    (void)len;
    return damaged(f, "something follows its end", err);
}

int frames_next(struct frames *f, const uint8_t **data, size_t *len, struct err *err)
{
    static int (*const steps[])(struct frames *, const uint8_t **, size_t *, struct err *) = {
        [STEP_HEADER] = step_header, [STEP_FRAME] = step_frame, [STEP_RUN] = step_run,
        [STEP_ZEROS] = step_zeros,   [STEP_AFTER] = step_after,
    };
    int event = FRAMES_MORE;

    while (*len && event == FRAMES_MORE)
        event = steps[f->step](f, data, len, err);
    return event;
}
