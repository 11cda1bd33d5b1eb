/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From bytes to a deflate run that ends on a byte boundary, is not final and refers to nothing
 * before it. The output is a pure function of the input and the codec, on any machine and in any
 * thread.
 */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* The state of one thread's compressor. */
struct codec;

/*
 * Picks the codec for this process: ISA-L level 1 where the processor has its fast paths, else zlib
 * level 1; VMEXPORT_GZIP_CODEC (isal or zlib) chooses one. ERR_INPUT for another word. Call once,
 * before the rest.
 */
int codec_choose(struct err *err);

/* A short word for entity tags: streams of two codecs differ. */
const char *codec_id(void);

/* NULL and `err` when memory is out. Used by one thread at a time; codec_free(NULL) is fine. */
struct codec *codec_new(struct err *err);
void codec_free(struct codec *codec);

/* Room that codec_deflate needs for `len` bytes: what they take uncompressed. */
size_t codec_room(size_t len);

/*
 * Compresses `len` bytes (at most FORMAT_BLOCK) to `out`, which has codec_room(len) bytes; returns
 * the length of the run. What doesn't shrink is stored, so this cannot fail.
 */
size_t codec_deflate(struct codec *codec, const uint8_t *data, size_t len, uint8_t *out);

/* CRC-32 (RFC 1952 §8) of `len` bytes, `crc` being that of what comes before (0 at the start). */
uint32_t codec_crc(uint32_t crc, const uint8_t *data, size_t len);
