/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a download goes.
 *
 * A file: to FILE.part beside it, which is only renamed to FILE when it is whole and on the disk; an
 * older FILE stays as it is until then. Links are followed first: the file that they lead to is
 * replaced, not the link. Pages of zeros become holes. What a run leaves behind, the next one goes
 * on with: FILE.part.json says what it is (struct output_state). A lock keeps two runs apart,
 * and a FILE.part or FILE.part.json that is none of ours is neither used nor removed.
 *
 * A block device: in place, zeros too. Standard output, FIFOs, character devices: in order.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OUTPUT_ETAG_MAX = 256, OUTPUT_WHAT_MAX = 512 };

/* What an unfinished part is a part of. */
struct output_state {
    char what[OUTPUT_WHAT_MAX]; /* the content as its asker names it: "raw", "gzip" */
    char etag[OUTPUT_ETAG_MAX]; /* of the server's resource */
    uint64_t size;              /* of the whole content; UINT64_MAX: not known */
    uint64_t position;          /* of the content: what is there without gaps */
    uint64_t bytes;             /* of the part file: the rest is cut off, what lacks is zeros */
    uint32_t crc;               /* of the content up to `position` */
};

struct output;

/* `path` "-" is standard output. Nothing is made, truncated or opened for writing yet but FIFOs and
 * devices. ERR_NOT_FOUND: no such folder; ERR_INPUT: it is a directory, or cannot be opened, or
 * something that is not ours has the name of its part or note; ERR_UNAVAILABLE: another run writes
 * it, or uses this name for its part; ERR_IO: standard output is closed. */
int output_open(const char *path, struct output **out, struct err *err);

/* What an earlier run left; false when there is nothing of use, also when somebody changed it since,
 * which output_open says. */
bool output_earlier(const struct output *output, struct output_state *state);

/* The size of all that will be written, as soon as it is known: before output_begin, so that nothing
 * is overwritten in vain; also again. ERR_INPUT: the device is smaller. Other kinds take any. */
int output_expect(struct output *output, uint64_t size, struct err *err);

/* Begins: with nothing (`state` NULL: an earlier part is thrown away; also in the middle, to start
 * again), or with what an earlier run left or this one has (cut to state->bytes). ERR_PRECONDITION
 * when it can't be taken back: in order, and something was written. */
int output_begin(struct output *output, const struct output_state *state, struct err *err);

/* Whether only in order: then each write begins where the one before ended (what it has of before
 * that is left out). Else any offset, from several threads at once. */
bool output_in_order(const struct output *output);
/* An in-order output: how much was written. */
uint64_t output_written(const struct output *output);

/* Zeros are found and left out where that is possible. A full disk, a reader that left: the error
 * names the output; whether what came is kept, the caller says. */
int output_write(struct output *output, uint64_t offset, const void *data, size_t len,
                 struct err *err);
int output_zeros(struct output *output, uint64_t offset, uint64_t len, struct err *err);

/* All `size` bytes are there: on the disk, under its name. ERR_PRECONDITION: somebody replaced or cut
 * what was written. */
int output_finish(struct output *output, uint64_t size, struct err *err);

/* Whether output_keep can do something for the next run: of a file. */
bool output_keeps(const struct output *output);

/* Keeps what is there for the next run, as `state` says, on the disk; nothing for other kinds or when
 * position is 0. May be called in between: output_close keeps that then. A run that is killed after
 * it has written more leaves nothing of use: the part is no longer as the note has it.
 * ERR_PRECONDITION: somebody replaced or cut what was written. */
int output_keep(struct output *output, const struct output_state *state, struct err *err);

/* Releases it. A part that was neither finished nor kept is removed. */
void output_close(struct output *output);

/* SHA-256 of the content as it is in the file now (holes are not read), as 64 hex digits. Of a file
 * or a device, before or after output_finish. */
int output_sha256(struct output *output, uint64_t size, char hex[65], struct err *err);

/* "the output FILE", for messages. */
const char *output_name(const struct output *output);
