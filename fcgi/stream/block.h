/* SPDX-License-Identifier: Apache-2.0 */
/* One block of at most 1 MiB: zeros found, the rest compressed, framed as format.h says. */
#pragma once

#include "codec.h"
#include "export/format.h"

enum {
    /* Fewer zero pages in a row are left to the compressor: a frame costs more than they do. */
    BLOCK_ZERO_PAGES_MIN = 8,
    /* Room for the worst block: all stored, or cut at every ninth page. */
    BLOCK_ROOM = FORMAT_BLOCK + (16 << 10),
};

/* What a block becomes. Zeros at its ends are only counted, so that they can join those of its
 * neighbours. */
struct block {
    size_t lead;  /* zeros at the start, in bytes; all of the block when it is nothing but zeros */
    size_t trail; /* zeros at the end */
    size_t len;   /* bytes at `out`: frames and runs of what is between */
    uint32_t crc; /* of the whole block */
};

/* Encodes 1 to FORMAT_BLOCK bytes; `out` has BLOCK_ROOM bytes. */
void block_encode(struct codec *codec, const uint8_t *data, size_t len, uint8_t *out,
                  struct block *block);
