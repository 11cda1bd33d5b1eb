/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gzip stream as it comes over the network: unpacked, or kept as it is and only checked.
 *
 * Our own streams (export/format.h) are unpacked piece by piece by several threads, and zeros not at
 * all; any other (several members too, RFC 1952 §2.2) by one thread as it comes. Either way CRC-32 and
 * size are verified, and what is verified and delivered without a gap has a position, from which a
 * broken download goes on.
 *
 * Used by one thread; the callbacks of a parallel one come from others.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUNZIP_SIZE_UNKNOWN UINT64_MAX

struct gunzip_options {
    /* Where in the content the stream begins: what offsets count from. A multiple of 1 MiB. */
    uint64_t from;
    unsigned threads; /* that unpack; at least 1 */
    void *ctx;

    /* To unpack: takes content at its offset in the whole. Not NULL unless `keep` is set. With
     * in_order one call after the other without gaps; else from several threads at once, in any
     * order. A failure ends the stream: gunzip_feed returns it. */
    int (*write)(void *ctx, uint64_t offset, const void *data, size_t len, struct err *err);
    int (*zeros)(void *ctx, uint64_t offset, uint64_t len, struct err *err);
    bool in_order;

    /* To keep: takes the stream itself, in order, cut where it may be gone on from: after each call
     * all up to gunzip_position() is kept and checked. */
    int (*keep)(void *ctx, const void *data, size_t len, struct err *err);

    /* A stream that was broken off before had been delivered (or kept) up to `have`, whose CRC-32 is
     * have_crc. What of it comes again is unpacked once more, and to keep: left out, so that what is
     * kept in all is one member, whose trailer is written anew. `have` is 0 or between `from` and
     * from + 1 MiB. */
    uint64_t have;
    uint32_t have_crc;
};

struct gunzip;

struct gunzip *gunzip_new(const struct gunzip_options *options, struct err *err);

/* Takes bytes of the stream; waits for room. ERR_PRECONDITION: this is no gzip, or its content is not
 * what its CRC or size says; else what a callback returned. After a failure only gunzip_stop and
 * gunzip_free. */
int gunzip_feed(struct gunzip *gunzip, const void *data, size_t len, struct err *err);

/* Waits until all that came is delivered: what gunzip_position and gunzip_crc then say is final.
 * For a stream that broke off, too. */
int gunzip_drain(struct gunzip *gunzip, struct err *err);

/* The same for one that the server ended well: ERR_PRECONDITION when that is not where the gzip
 * ends. */
int gunzip_finish(struct gunzip *gunzip, struct err *err);

/* After a failure: stops the threads, so that gunzip_position and gunzip_crc are final. */
void gunzip_stop(struct gunzip *gunzip);

/* Stops the threads. NULL is fine. */
void gunzip_free(struct gunzip *gunzip);

/* Up to where in the whole all is delivered (or, to keep, kept), without gaps. While threads are at
 * work it may lag; thread-safe. */
uint64_t gunzip_position(const struct gunzip *gunzip);
/* CRC-32 of the content up to gunzip_position: of all, if `have` was given or `from` is 0; else from
 * `from` on. After gunzip_drain or gunzip_finish. */
uint32_t gunzip_crc(const struct gunzip *gunzip);
/* Whether a stream that is kept can be gone on with: what was kept ends where the position is. */
bool gunzip_resumable(const struct gunzip *gunzip);
/* The size of the whole content that the stream's header gives; GUNZIP_SIZE_UNKNOWN. */
uint64_t gunzip_size(const struct gunzip *gunzip);
