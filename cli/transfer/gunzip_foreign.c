/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To unpack, ISA-L inflates, as nothing is faster; to keep, zlib does, as it alone says where blocks
 * end. CRC and size are those of each member's own content.
 */
#include "gunzip_foreign.h"
#include "export/format.h"
#include "gunzip_keep.h"
#include "gzip_header.h"

#include <errno.h>
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { OUT_SIZE = 256 << 10, TRAILER = 8 };

enum part { PART_HEADER, PART_BODY, PART_TRAILER, PART_BETWEEN, PART_PADDING };

struct gunzip_foreign {
    struct gunzip_state *state;
    struct gunzip_keep *keep; /* NULL: to unpack */
    enum part part;
    struct gzip_header header;
    struct inflate_state isal; /* to unpack */
    z_stream zlib;             /* to keep */
    bool zlib_begun;
    uint8_t trailer[TRAILER];
    size_t trailer_len;
    unsigned long long members; /* that ended */
    uint64_t begin, at; /* of the content: where the member began, and up to where it came */
    uint32_t crc;       /* of the member */
    uint8_t *out;
    size_t filled;
};

static int damaged(const struct gunzip_foreign *f, const char *what, struct err *err)
{
    return gunzip_damaged(err, f->at, what);
}

/* ---- unpacking ---- */

int gunzip_foreign_drain(struct gunzip_foreign *f, struct err *err)
{
    struct gunzip_state *state = f->state;
    size_t len = f->filled;
    uint64_t offset = f->at - len, have = atomic_load(&state->position);

    /* What is there already counts once. */
    size_t again = offset >= have ? 0 : have - offset < len ? (size_t)(have - offset) : len;

    if (f->keep || !len)
        return 0;
    f->filled = 0;
    if (state->options.write(state->options.ctx, offset, f->out, len, err) < 0)
        return -1;
    if (again == len)
        return 0;
    state->crc = crc32_gzip_refl(state->crc, f->out + again, len - again);
    atomic_store(&state->position, offset + len);
    return 0;
}

static int walk(struct gunzip_foreign *f, const uint8_t *data, size_t len, struct err *err);

/* The decoder may have taken whole bytes of what follows: the oldest is the lowest. */
static int give_back(struct gunzip_foreign *f, struct err *err)
{
    uint8_t bytes[sizeof(f->isal.read_in)];
    size_t len = (size_t)f->isal.read_in_length / 8;
    uint64_t rest = f->isal.read_in >> f->isal.read_in_length % 8;

    for (size_t i = 0; i < len; i++, rest >>= 8)
        bytes[i] = (uint8_t)rest;
    f->part = PART_TRAILER;
    return walk(f, bytes, len, err);
}

/* Unpacks into what room there is; whether that was enough is told by `full`. */
static int unpack_some(struct gunzip_foreign *f, bool *full, struct err *err)
{
    struct inflate_state *s = &f->isal;
    size_t room = OUT_SIZE - f->filled, made;
    uint32_t before = s->avail_in;

    s->next_out = f->out + f->filled;
    s->avail_out = (uint32_t)room;
    if (isal_inflate(s) != ISAL_DECOMP_OK)
        return damaged(f, "it cannot be unpacked", err);
    made = room - s->avail_out;
    if (!made && before && s->avail_in == before && s->block_state != ISAL_BLOCK_FINISH)
        return damaged(f, "it cannot be unpacked", err);
    f->crc = crc32_gzip_refl(f->crc, f->out + f->filled, made);
    f->at += made;
    f->filled += made;
    *full = made == room;
    return *full ? gunzip_foreign_drain(f, err) : 0;
}

static int unpack(struct gunzip_foreign *f, const uint8_t **data, size_t *len, struct err *err)
{
    struct inflate_state *s = &f->isal;
    size_t part = *len < OUT_SIZE ? *len : OUT_SIZE;
    bool full = true;

    s->next_in = (uint8_t *)(uintptr_t)*data;
    s->avail_in = (uint32_t)part;
    while (full && s->block_state != ISAL_BLOCK_FINISH)
        if (unpack_some(f, &full, err) < 0)
            return -1;
    *data += part - s->avail_in;
    *len -= part - s->avail_in;
    return s->block_state == ISAL_BLOCK_FINISH ? give_back(f, err) : 0;
}

/* ---- keeping ---- */

/* Whether inflate() stopped between two blocks, on a byte boundary (zlib.h, inflate). */
static bool at_point(const z_stream *z)
{
    enum { UNUSED_BITS = 7, LAST_BLOCK = 64, END_OF_BLOCK = 128 };

    return (z->data_type & (UNUSED_BITS | LAST_BLOCK | END_OF_BLOCK)) == END_OF_BLOCK;
}

static int keep(struct gunzip_foreign *f, const uint8_t **data, size_t *len, struct err *err)
{
    z_stream *z = &f->zlib;
    size_t part = *len < OUT_SIZE ? *len : OUT_SIZE, used, made;
    int rc;

    do {
        z->next_in = (uint8_t *)(uintptr_t)*data;
        z->avail_in = (uInt)part;
        z->next_out = f->out;
        z->avail_out = OUT_SIZE;
        rc = inflate(z, Z_BLOCK);
        if (rc != Z_OK && rc != Z_STREAM_END && (rc != Z_BUF_ERROR || part))
            return damaged(f, "it cannot be unpacked", err);
        used = part - z->avail_in;
        made = OUT_SIZE - z->avail_out;
        if (gunzip_keep_take(f->keep, *data, used, err) < 0)
            return -1;
        gunzip_keep_content(f->keep, f->out, made);
        f->crc = crc32_gzip_refl(f->crc, f->out, made);
        f->at += made;
        *data += used;
        *len -= used;
        part -= used;
        if (rc == Z_OK && at_point(z) && gunzip_keep_point(f->keep, err) < 0)
            return -1;
    } while (rc == Z_OK && (part || !z->avail_out));
    if (rc == Z_STREAM_END)
        f->part = PART_TRAILER;
    return 0;
}

/* ---- members ---- */

static int begin_body(struct gunzip_foreign *f, struct err *err)
{
    f->part = PART_BODY;
    f->begin = f->at;
    f->crc = 0;
    f->trailer_len = 0;
    isal_inflate_reset(&f->isal);
    if (!f->keep)
        return 0;
    inflateReset(&f->zlib);
    return f->members ? 0 : gunzip_keep_point(f->keep, err);
}

static int header(struct gunzip_foreign *f, const uint8_t **data, size_t *len, struct err *err)
{
    int rc = gzip_header_take(&f->header, **data, err);

    if (rc < 0 || (f->keep && gunzip_keep_take(f->keep, *data, 1, err) < 0))
        return -1;
    ++*data;
    --*len;
    return rc ? begin_body(f, err) : 0;
}

static int body(struct gunzip_foreign *f, const uint8_t **data, size_t *len, struct err *err)
{
    return f->keep ? keep(f, data, len, err) : unpack(f, data, len, err);
}

static int end_member(struct gunzip_foreign *f, struct err *err)
{
    uint8_t end[FORMAT_END];

    format_end(end, f->crc, f->at - f->begin);
    if (memcmp(end + FORMAT_END - TRAILER, f->trailer, TRAILER) != 0)
        return damaged(f, "its content is not what the CRC and the length at its end say", err);
    f->part = PART_BETWEEN;
    f->members++;
    if (!f->keep)
        return 0;
    return f->members == 1 ? gunzip_keep_member(f->keep, err)
                           : gunzip_keep_take(f->keep, f->trailer, TRAILER, err);
}

static int trailer(struct gunzip_foreign *f, const uint8_t **data, size_t *len, struct err *err)
{
    f->trailer[f->trailer_len++] = **data;
    ++*data;
    --*len;
    return f->trailer_len == TRAILER ? end_member(f, err) : 0;
}

static int between(struct gunzip_foreign *f, const uint8_t **data, size_t *len, struct err *err)
{
    (void)len;
    if (!**data) {
        f->part = PART_PADDING;
        return 0;
    }
    if (**data != 0x1f)
        return damaged(f, "something follows its end", err);
    f->part = PART_HEADER;
    gzip_header_init(&f->header);
    return f->keep ? gunzip_keep_another(f->keep, err) : 0;
}

static int padding(struct gunzip_foreign *f, const uint8_t **data, size_t *len, struct err *err)
{
    for (; *len; ++*data, --*len)
        if (**data)
            return damaged(f, "something follows its end", err);
    return 0;
}

static int walk(struct gunzip_foreign *f, const uint8_t *data, size_t len, struct err *err)
{
    static int (*const parts[])(struct gunzip_foreign *, const uint8_t **, size_t *,
                                struct err *) = {
        [PART_HEADER] = header,   [PART_BODY] = body,       [PART_TRAILER] = trailer,
        [PART_BETWEEN] = between, [PART_PADDING] = padding,
    };

    while (len)
        if (parts[f->part](f, &data, &len, err) < 0)
            return -1;
    return 0;
}

int gunzip_foreign_feed(struct gunzip_foreign *f, const uint8_t *data, size_t len, struct err *err)
{
    return walk(f, data, len, err);
}

int gunzip_foreign_finish(struct gunzip_foreign *f, struct err *err)
{
    if (f->part != PART_BETWEEN && f->part != PART_PADDING)
        return damaged(f, "it ends too early", err);
    return f->keep ? gunzip_keep_finish(f->keep, err) : gunzip_foreign_drain(f, err);
}

/* ---- life ---- */

struct gunzip_foreign *gunzip_foreign_new(struct gunzip_state *state, struct err *err)
{
    struct gunzip_foreign *f = calloc(1, sizeof(*f));

    if (f) {
        f->state = state;
        f->begin = f->at = state->options.from;
        gzip_header_init(&f->header);
        isal_inflate_init(&f->isal);
        f->out = malloc(OUT_SIZE);
        f->zlib_begun = inflateInit2(&f->zlib, -MAX_WBITS) == Z_OK;
    }
    if (!f || !f->out || !f->zlib_begun)
        err_errno(err, ERR_SYSTEM, ENOMEM, "cannot unpack");
    else if (!state->options.keep || (f->keep = gunzip_keep_new(state, err)))
        return f;
    gunzip_foreign_free(f);
    return NULL;
}

void gunzip_foreign_free(struct gunzip_foreign *f)
{
    if (!f)
        return;
    gunzip_keep_free(f->keep);
    if (f->zlib_begun)
        inflateEnd(&f->zlib);
    free(f->out);
    free(f);
}
