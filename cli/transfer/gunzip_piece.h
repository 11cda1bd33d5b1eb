/* SPDX-License-Identifier: Apache-2.0 */
/* A piece of our framing: unpacked, checked, and delivered or kept. */
#pragma once

#include "frames.h"
#include "gunzip_private.h"

#include <isa-l/igzip_lib.h>

struct gunzip_piece {
    bool zeros;
    uint64_t offset;         /* in the whole content */
    size_t bytes, bytes_min; /* as in struct frames; data that is unpacked has `bytes` */
    uint32_t crc;            /* of data that is unpacked */
    uint8_t *piece;          /* of data: its frame, then its run */
    size_t room, len;        /* of `piece` */
};

/* What a thread needs to unpack. */
struct unpacker {
    struct inflate_state inflate;
    uint8_t *out; /* content, or a run of zeros */
};

int unpacker_init(struct unpacker *unpacker, struct err *err);
void unpacker_release(struct unpacker *unpacker);

/* Makes it a piece of data, as frames_next tells it (FRAMES_DATA), or of zeros (FRAMES_ZEROS). Returns
 * room for the run of data; NULL when there is no memory. The memory stays with the piece. */
uint8_t *gunzip_piece_data(struct gunzip_piece *piece, const struct frames *frames,
                           struct err *err);
void gunzip_piece_zeros(struct gunzip_piece *piece, const struct frames *frames);
void gunzip_piece_release(struct gunzip_piece *piece);

/* Checks that data is what its frame says, and leaves it in unpacker->out. Nothing for zeros. */
int gunzip_piece_unpack(struct unpacker *unpacker, struct gunzip_piece *piece, struct err *err);
/* After that: writes or keeps it, as state->options says. To keep, one after the other. */
int gunzip_piece_deliver(struct unpacker *unpacker, const struct gunzip_piece *piece,
                         struct gunzip_state *state, struct err *err);
/* A stream that is kept: its end. */
int gunzip_piece_end(struct gunzip_state *state, struct err *err);

/* CRC-32 of what had `crc`, followed by the last `bytes` of the piece (of data, by all of it). */
uint32_t gunzip_piece_join(uint32_t crc, const struct gunzip_piece *piece, uint64_t bytes);
