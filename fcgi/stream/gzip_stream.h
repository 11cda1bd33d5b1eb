/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One gzip stream on its way to a client: blocks go to the pool, come back in any order, and leave
 * in order. Memory is a fixed number of blocks; when the client is slow, the stream waits and so
 * does its reading. A stream belongs to one thread.
 */
#pragma once

#include "base/err.h"
#include "response.h"

#include <stdint.h>
#include <sys/types.h>

struct gzip_stream;

/* Where a stream's content comes from. */
enum gzip_source {
    GZIP_FILE,  /* gzip_stream_file and gzip_stream_zeros */
    GZIP_BYTES, /* gzip_stream_write */
};

/*
 * Chooses the codec, starts the pool with one thread a processor (cgroup limits counted;
 * VMEXPORT_THREADS sets another number), and lowers `threads`, the number of streams at a time, to
 * what half of the memory limit has room for. Once a process.
 */
int gzip_stream_start(unsigned *threads, struct err *err);

/*
 * Begins a stream: headers have been sent, the gzip header goes out at once. `logical_size` is that
 * of the content, or FORMAT_SIZE_UNKNOWN. `what` names the source in messages and lives as long as
 * the stream. Ended by gzip_stream_close; NULL on failure.
 */
struct gzip_stream *gzip_stream_open(struct response *res, enum gzip_source source,
                                     uint64_t logical_size, const char *what, struct err *err);

/* Appends a block of a file, at most FORMAT_BLOCK bytes. The file is read later, by the pool. */
int gzip_stream_file(struct gzip_stream *stream, int fd, off_t offset, size_t len, struct err *err);

/* Appends zeros; nothing is read. */
int gzip_stream_zeros(struct gzip_stream *stream, uint64_t len, struct err *err);

/* Appends bytes, gathered into blocks. */
int gzip_stream_write(struct gzip_stream *stream, const void *data, size_t len, struct err *err);

/* Sends what is under way: all that was appended has been read then. */
int gzip_stream_drain(struct gzip_stream *stream, struct err *err);

/* Sends what is under way and the end of the stream. Without it the client sees a broken stream. */
int gzip_stream_finish(struct gzip_stream *stream, struct err *err);

/* Waits for the pool and releases the stream. Sends nothing. */
void gzip_stream_close(struct gzip_stream *stream);
