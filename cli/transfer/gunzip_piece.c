/* SPDX-License-Identifier: Apache-2.0 */
#include "gunzip_piece.h"

#include <errno.h>
#include <isa-l/crc.h>
#include <stdlib.h>

enum {
    ROOM_UNIT = 64 << 10,
    OUT_SLACK = 64, /* so that a run that is too long is seen */
};

int unpacker_init(struct unpacker *unpacker, struct err *err)
{
    isal_inflate_init(&unpacker->inflate);
    unpacker->out = malloc(FORMAT_BLOCK + OUT_SLACK);
    return unpacker->out ? 0 : err_errno(err, ERR_SYSTEM, ENOMEM, "cannot unpack");
}

void unpacker_release(struct unpacker *unpacker)
{
    free(unpacker->out);
}

static void set(struct gunzip_piece *piece, const struct frames *frames, bool zeros)
{
    piece->zeros = zeros;
    piece->offset = frames->offset;
    piece->bytes = frames->bytes;
    piece->bytes_min = frames->bytes_min;
}

uint8_t *gunzip_piece_data(struct gunzip_piece *piece, const struct frames *frames, struct err *err)
{
    size_t len = FORMAT_FRAME + frames->run;

    set(piece, frames, false);
    if (piece->room < len) {
        free(piece->piece);
        piece->room = (len + ROOM_UNIT - 1) / ROOM_UNIT * ROOM_UNIT;
        piece->piece = malloc(piece->room);
    }
    if (!piece->piece) {
        piece->room = 0;
        err_errno(err, ERR_SYSTEM, ENOMEM, "cannot unpack");
        return NULL;
    }
    piece->len = len;
    format_data_frame(piece->piece, frames->run, frames->bytes);
    return piece->piece + FORMAT_FRAME;
}

void gunzip_piece_zeros(struct gunzip_piece *piece, const struct frames *frames)
{
    set(piece, frames, true);
}

void gunzip_piece_release(struct gunzip_piece *piece)
{
    free(piece->piece);
}

/*
 * A run stands for itself: it begins with a block, ends with one that is not final, on a byte
 * boundary, and refers to nothing before. So at its end the decoder must be between two blocks, with
 * no bit left over.
 */
int gunzip_piece_unpack(struct unpacker *unpacker, struct gunzip_piece *piece, struct err *err)
{
    struct inflate_state *s = &unpacker->inflate;
    bool between;
    size_t bytes;

    if (piece->zeros)
        return 0;
    isal_inflate_reset(s);
    s->next_in = piece->piece + FORMAT_FRAME;
    s->avail_in = (uint32_t)(piece->len - FORMAT_FRAME);
    s->next_out = unpacker->out;
    s->avail_out = FORMAT_BLOCK + OUT_SLACK;
    if (isal_inflate(s) != ISAL_DECOMP_OK)
        return gunzip_damaged(err, piece->offset, "a block cannot be unpacked");
    bytes = (size_t)(s->next_out - unpacker->out);
    between = s->block_state == ISAL_BLOCK_NEW_HDR || s->block_state == ISAL_BLOCK_HDR;
    if (!between || s->avail_in || s->read_in_length || s->tmp_in_size ||
        bytes < piece->bytes_min || bytes > piece->bytes)
        return gunzip_damaged(err, piece->offset, "a block is not as long as its frame says");
    piece->bytes = bytes;
    piece->crc = crc32_gzip_refl(0, unpacker->out, bytes);
    return 0;
}

uint32_t gunzip_piece_join(uint32_t crc, const struct gunzip_piece *piece, uint64_t bytes)
{
    return piece->zeros ? format_crc_zeros(crc, bytes) : format_crc_join(crc, piece->crc, bytes);
}

/* ---- keeping ---- */

static int keep(const struct gunzip_state *state, const void *data, size_t len, struct err *err)
{
    return state->options.keep(state->options.ctx, data, len, err);
}

/* The header of a stream that goes on is that of its beginning, which is there. Not before there is
 * something to follow it: a header alone is nothing to go on from. */
static int keep_header(const struct gunzip_state *state, struct err *err)
{
    uint8_t header[FORMAT_HEADER];

    if (atomic_load(&state->position))
        return 0;
    return keep(state, header, format_header(header, state->size), err);
}

/* What is before `have` is there already. Of data that is a whole piece, always. */
static int keep_piece(struct unpacker *unpacker, const struct gunzip_piece *piece,
                      const struct gunzip_state *state, struct err *err)
{
    uint64_t have = state->options.have, end = piece->offset + piece->bytes;
    bool over = piece->offset < have;

    if (end <= have)
        return 0;
    if (over && (!piece->zeros || have % FORMAT_PAGE))
        return gunzip_no_point(err, have);
    if (keep_header(state, err) < 0)
        return -1;
    if (!piece->zeros)
        return keep(state, piece->piece, piece->len, err);
    return keep(state, unpacker->out,
                format_zero_run(unpacker->out, over ? (size_t)(end - have) : piece->bytes), err);
}

int gunzip_piece_end(struct gunzip_state *state, struct err *err)
{
    uint8_t end[FORMAT_END];

    if (keep_header(state, err) < 0)
        return -1;
    return keep(state, end, format_end(end, state->crc, atomic_load(&state->position)), err);
}

int gunzip_piece_deliver(struct unpacker *unpacker, const struct gunzip_piece *piece,
                         struct gunzip_state *state, struct err *err)
{
    const struct gunzip_options *o = &state->options;

    if (o->keep)
        return keep_piece(unpacker, piece, state, err);
    if (piece->zeros)
        return o->zeros(o->ctx, piece->offset, piece->bytes, err);
    return o->write(o->ctx, piece->offset, unpacker->out, piece->bytes, err);
}
