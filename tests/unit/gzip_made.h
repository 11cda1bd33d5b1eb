/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of gunzip share: content, streams of it by our encoder and by zlib, and a place where
 * all that is delivered goes. */
#pragma once

#include "base/str.h"
#include "export/format.h"
#include "judge.h"
#include "stream/block.h"
#include "support.h"
#include "transfer/gunzip.h"

#include <pthread.h>

enum { MIB = FORMAT_BLOCK };

/* ---- content ---- */

/* Text, noise, zeros of all lengths, islands; zeros across the 1 MiB grid, and at both ends. */
static inline uint8_t *make_content(size_t len)
{
    uint8_t *data = calloc(1, len + 1);
    uint32_t seed = 7;

    assert_non_null(data);
    for (size_t at = len < MIB ? 0 : 2 * FORMAT_PAGE; at < len;) {
        size_t part = noise_next(&seed) % (len / 6 + 2);

        part = part < len - at ? part : len - at;
        if (noise_next(&seed) % 3 == 0)
            fill_noise(data + at, part / 8, seed);
        else
            fill_text(data + at, part, seed);
        at += part + noise_next(&seed) % (len / 4 + 1);
    }
    return data;
}

/* ---- streams ---- */

static inline void put_zeros(struct str *out, uint64_t *zeros)
{
    static uint8_t run[FORMAT_ZERO_RUN_ROOM(FORMAT_ZERO_RUN_MAX)];

    while (*zeros) {
        size_t part = *zeros < FORMAT_ZERO_RUN_MAX ? (size_t)*zeros : FORMAT_ZERO_RUN_MAX;

        str_append(out, run, format_zero_run(run, part));
        *zeros -= part;
    }
}

static inline struct codec *the_codec(void)
{
    static struct codec *codec;
    struct err err;

    if (!codec) {
        assert_int_equal(codec_choose(&err), 0);
        codec = codec_new(&err);
        assert_non_null(codec);
    }
    return codec;
}

/* As fcgi/stream/gzip_stream.c makes it of data[from, len). */
static inline void make_framed(const uint8_t *data, size_t len, size_t from, bool with_size,
                               struct str *out)
{
    static uint8_t room[BLOCK_ROOM];
    uint64_t zeros = 0;
    uint32_t crc = 0;

    str_clear(out);
    str_append(out, room, format_header(room, with_size ? len - from : FORMAT_SIZE_UNKNOWN));
    for (size_t at = from, part; at < len; at += part) {
        struct block block;

        part = len - at < MIB ? len - at : MIB;
        block_encode(the_codec(), data + at, part, room, &block);
        crc = format_crc_join(crc, block.crc, part);
        zeros += block.lead;
        if (!block.len)
            continue;
        put_zeros(out, &zeros);
        str_append(out, room, block.len);
        zeros = block.trail;
    }
    put_zeros(out, &zeros);
    str_append(out, room, format_end(room, crc, len - from));
}

/* How zlib makes a member. */
struct zlib_way {
    int level, strategy;
    size_t flush_each; /* Z_FULL_FLUSH (or Z_SYNC_FLUSH) after so many bytes; 0: never */
    bool sync;
    gz_header *header;
};

static inline void make_zlib(const uint8_t *data, size_t len, const struct zlib_way *way,
                             struct str *out)
{
    static uint8_t room[1 << 16];
    z_stream z = {0};

    assert_int_equal(deflateInit2(&z, way->level, Z_DEFLATED, 16 + MAX_WBITS, 8, way->strategy),
                     Z_OK);
    if (way->header)
        deflateSetHeader(&z, way->header);
    for (size_t at = 0, part; at <= len; at += part) {
        bool last;

        part = way->flush_each && way->flush_each < len - at ? way->flush_each : len - at;
        last = at + part == len;
        z.next_in = (uint8_t *)(uintptr_t)data + at;
        z.avail_in = (uInt)part;
        do {
            z.next_out = room;
            z.avail_out = sizeof(room);
            deflate(&z, last ? Z_FINISH : way->sync ? Z_SYNC_FLUSH : Z_FULL_FLUSH);
            str_append(out, room, sizeof(room) - z.avail_out);
        } while (z.avail_out == 0);
        if (last)
            break;
    }
    deflateEnd(&z);
}

/* ---- where it goes ---- */

struct sink {
    pthread_mutex_t lock;
    uint8_t *content; /* of `size` bytes; what is delivered beyond fails the test */
    size_t size;
    bool in_order;
    uint64_t next; /* in order: where the next one must begin */
    bool wrong;
    uint64_t zeros; /* bytes that came as such */
    struct str kept;
    int fail_after; /* calls until one fails; -1: never */
};

static inline void sink_init(struct sink *sink, size_t size)
{
    *sink = (struct sink){.size = size, .fail_after = -1, .content = malloc(size + 1)};
    assert_non_null(sink->content);
    memset(sink->content, 0xa5, size + 1);
    pthread_mutex_init(&sink->lock, NULL);
}

static inline void sink_free(struct sink *sink)
{
    pthread_mutex_destroy(&sink->lock);
    str_free(&sink->kept);
    free(sink->content);
}

static inline int sink_take(struct sink *sink, uint64_t offset, const void *data, size_t len,
                            struct err *err)
{
    int rc = 0;

    pthread_mutex_lock(&sink->lock);
    if (sink->fail_after >= 0 && sink->fail_after-- == 0)
        rc = err_set(err, ERR_IO, "the sink is full");
    if (!len || offset > sink->size || len > sink->size - offset ||
        (sink->in_order && offset != sink->next))
        sink->wrong = true;
    else if (data)
        memcpy(sink->content + offset, data, len);
    else
        memset(sink->content + offset, 0, len);
    sink->zeros += data ? 0 : len;
    sink->next = offset + len;
    pthread_mutex_unlock(&sink->lock);
    return rc;
}

static inline int sink_write(void *ctx, uint64_t offset, const void *data, size_t len,
                             struct err *err)
{
    return sink_take(ctx, offset, data, len, err);
}

static inline int sink_zeros(void *ctx, uint64_t offset, uint64_t len, struct err *err)
{
    return sink_take(ctx, offset, NULL, (size_t)len, err);
}

static inline int sink_keep(void *ctx, const void *data, size_t len, struct err *err)
{
    struct sink *sink = ctx;

    if (sink->fail_after >= 0 && sink->fail_after-- == 0)
        return err_set(err, ERR_IO, "the sink is full");
    str_append(&sink->kept, data, len);
    return 0;
}

/* Options towards a sink. */
static inline struct gunzip_options to_sink(struct sink *sink, unsigned threads, bool in_order,
                                            bool keep)
{
    struct gunzip_options options = {
        .threads = threads, .ctx = sink, .in_order = in_order, .write = sink_write};

    options.zeros = sink_zeros;
    options.keep = keep ? sink_keep : NULL;
    sink->in_order = in_order;
    return options;
}

/* In pieces of `step` bytes, of all sizes for 0. */
static inline int feed_steps(struct gunzip *g, const void *data, size_t len, size_t step,
                             struct err *err)
{
    const char *p = data;
    uint32_t seed = (uint32_t)len + 1;

    for (size_t part; len; p += part, len -= part) {
        part = step ? step : noise_next(&seed) % 70000 + 1;
        part = part < len ? part : len;
        if (gunzip_feed(g, p, part, err) < 0)
            return -1;
    }
    return 0;
}

/* Takes a whole stream; 0, or -1 and `err`. */
static inline int gunzip_all(const struct gunzip_options *options, const struct str *stream,
                             size_t step, struct err *err)
{
    struct gunzip *g = gunzip_new(options, err);
    int rc = -1;

    assert_non_null(g);
    if (feed_steps(g, stream->data, stream->len, step, err) == 0)
        rc = gunzip_finish(g, err);
    gunzip_free(g);
    return rc;
}

#define assert_done(call, err) \
    do { \
        if ((call) < 0) \
            fail_msg("%s", (err).msg); \
    } while (0)

/* That `sink` has what it must have: content, or a stream of it. */
static inline bool sink_has(const struct sink *sink, bool keep, const uint8_t *content, size_t len)
{
    cleanup_str struct str unpacked = STR_INIT;

    if (!keep)
        return !sink->wrong && memcmp(sink->content, content, len) == 0;
    return judge_gunzip((const uint8_t *)sink->kept.data, sink->kept.len, &unpacked) &&
           unpacked.len == len && (!len || memcmp(unpacked.data, content, len) == 0);
}
