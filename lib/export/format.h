/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pieces of our gzip stream. It is one ordinary gzip member (RFC 1952), and at the same time an
 * index of itself, for a reader that knows (the vmexport client inflates blocks in parallel and
 * never inflates zeros):
 *
 *     header   10 bytes, FEXTRA with subfield "VE": version, log2 of page and block, logical size
 *     pieces   a frame, then a deflate run that ends on a byte boundary and refers to nothing before
 *     end      an empty final stored block, CRC-32, size modulo 2^32
 *
 * A frame is eight empty stored blocks, 40 bytes that inflate to nothing. Each begins with a byte of
 * which deflate uses three bits and ignores five (RFC 1951 §3.2.4); those 8 x 5 bits are, least
 * significant first:
 *
 *     data     bit 0: 0, bits 1-24: bytes of the deflate run, bits 25-39: pages that it inflates to
 *     zeros    bit 0: 1, bits 1-39: pages of zeros, at most FORMAT_ZERO_RUN_MAX bytes
 *
 * The last piece may end within a page. Where a run is cut depends on the content only: pages that
 * are zero, the 1 MiB grid from the start of the disk. So the bytes are the same for any number of
 * threads, for a sparse and an allocated copy, and a stream that starts at block k is what an
 * export of the rest alone would be.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
    FORMAT_VERSION = 1,
    FORMAT_PAGE = 4096,
    FORMAT_BLOCK = 1 << 20,
    FORMAT_HEADER = 28, /* bytes of the gzip header */
    FORMAT_FRAME = 40,
    FORMAT_END = 13, /* bytes of the final block and the trailer */
    /* Zeros in one run, at most: so that a reader of a huge empty disk sees bytes flow. */
    FORMAT_ZERO_RUN_MAX = 64 << 20,
};

/* The size of a stream's content when it is not known beforehand. */
#define FORMAT_SIZE_UNKNOWN UINT64_MAX

/* Room for a frame and the deflate run of `bytes` zeros. */
#define FORMAT_ZERO_RUN_ROOM(bytes) (FORMAT_FRAME + 128 + (bytes) / 1032)

/* Each writes at `out` and returns the number of bytes. */

size_t format_header(uint8_t out[static FORMAT_HEADER], uint64_t logical_size);
size_t format_end(uint8_t out[static FORMAT_END], uint32_t crc, uint64_t logical_size);

/* The frame before a data run of `run` bytes that inflates to `bytes` bytes. */
size_t format_data_frame(uint8_t out[static FORMAT_FRAME], size_t run, size_t bytes);

/* Frame and deflate run of 1 to FORMAT_ZERO_RUN_MAX zeros; needs FORMAT_ZERO_RUN_ROOM. */
size_t format_zero_run(uint8_t *out, size_t bytes);

/* CRC-32 of what had `crc`, followed by `bytes` bytes that alone have `next`. */
uint32_t format_crc_join(uint32_t crc, uint32_t next, uint64_t bytes);

/* CRC-32 of what had `crc`, followed by `bytes` zeros. */
uint32_t format_crc_zeros(uint32_t crc, uint64_t bytes);
