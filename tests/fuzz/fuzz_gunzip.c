/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte: bits 0-2 in what steps the rest comes, bit 3 threads, bit 4 in order, bit 5 that
 * the last eight bytes become a trailer that fits, so that changed content is looked at, too. The
 * rest is a gzip stream. When zlib and we both unpack it, it must be to the same; what is kept must
 * be that, too.
 */
#include "../unit/judge.h"
#include "export/format.h"
#include "fuzz.h"
#include "transfer/gunzip.h"

#include <pthread.h>

enum { CONTENT_MAX = 8 << 20 };

struct place {
    uint8_t *content;
    uint64_t end;
    pthread_mutex_t lock;
    bool too_much;
    struct str kept;
};

static int put(void *ctx, uint64_t offset, const void *data, size_t len, struct err *err)
{
    struct place *place = ctx;

    MUST(len);
    if (offset > CONTENT_MAX || len > CONTENT_MAX - offset) {
        place->too_much = true;
        return err_set(err, ERR_LIMIT, "too much");
    }
    memcpy(place->content + offset, data, len);
    pthread_mutex_lock(&place->lock);
    if (place->end < offset + len)
        place->end = offset + len;
    pthread_mutex_unlock(&place->lock);
    return 0;
}

static int put_zeros(void *ctx, uint64_t offset, uint64_t len, struct err *err)
{
    static const uint8_t zeros[FORMAT_ZERO_RUN_MAX];

    MUST(len <= sizeof(zeros));
    return put(ctx, offset, zeros, (size_t)len, err);
}

static int keep(void *ctx, const void *data, size_t len, struct err *err)
{
    struct place *place = ctx;

    (void)err;
    MUST(len);
    str_append(&place->kept, data, len);
    return 0;
}

/* True when it was unpacked, or kept, to the end. */
static bool take(struct place *place, uint8_t how, bool keeps, const struct str *stream)
{
    static const size_t steps[] = {1, 3, 40, 300, 4096, 65536, 1 << 20, 1 << 24};
    struct gunzip_options options = {
        .threads = how & 8 ? 2 : 1, .ctx = place, .write = put, .in_order = how & 16};
    size_t step = steps[how & 7];
    struct gunzip *g;
    struct err err;
    int rc = 0;

    options.zeros = put_zeros;
    if (keeps)
        options.keep = keep;
    place->end = 0;
    place->too_much = false;
    str_clear(&place->kept);
    MUST((g = gunzip_new(&options, &err)) != NULL);
    for (size_t at = 0; at < stream->len && rc == 0; at += step)
        rc = gunzip_feed(g, stream->data + at, step < stream->len - at ? step : stream->len - at,
                         &err);
    rc = rc == 0 ? gunzip_finish(g, &err) : rc;
    if (rc == 0 && !keeps)
        MUST(gunzip_position(g) == place->end);
    if (rc == 0 && !keeps)
        MUST(gunzip_crc(g) == crc32_z(0, place->content, place->end));
    MUST(rc == 0 || place->too_much || err.class == ERR_PRECONDITION);
    gunzip_free(g);
    return rc == 0;
}

/* The content of all members by zlib; false when it is no gzip or too much. `used` is up to where
 * the last one goes. */
static bool by_zlib(const uint8_t *data, size_t size, struct str *content, size_t *used)
{
    static uint8_t room[1 << 16];
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)data, .avail_in = (uInt)size};
    int rc = inflateInit2(&z, 16 + MAX_WBITS);

    str_clear(content);
    while (rc == Z_OK && content->len <= CONTENT_MAX) {
        z.next_out = room;
        z.avail_out = sizeof(room);
        rc = inflate(&z, Z_NO_FLUSH);
        str_append(content, room, sizeof(room) - z.avail_out);
        if (rc == Z_STREAM_END && z.avail_in && *z.next_in)
            rc = inflateReset(&z);
    }
    *used = size - z.avail_in;
    inflateEnd(&z);
    return rc == Z_STREAM_END && content->len <= CONTENT_MAX;
}

/* The content of the one member, whatever its trailer says. */
static void mend(struct str *stream)
{
    static struct str content;
    uint8_t end[FORMAT_END];
    size_t used;

    if (stream->len < 8)
        return;
    by_zlib((const uint8_t *)stream->data, stream->len, &content, &used);
    format_end(end, (uint32_t)crc32_z(0, (const uint8_t *)str_get(&content), content.len),
               content.len);
    memcpy(stream->data + stream->len - 8, end + FORMAT_END - 8, 8);
}

static void compare(struct place *place, uint8_t how, const struct str *stream)
{
    static struct str content, again;
    size_t used;
    bool unpacked, kept, known;

    known = by_zlib((const uint8_t *)stream->data, stream->len, &content, &used);
    unpacked = take(place, how, false, stream);
    MUST(
        !unpacked || !known ||
        (place->end == content.len && memcmp(place->content, str_get(&content), content.len) == 0));
    kept = take(place, how, true, stream);
    if (!kept || !known)
        return;
    MUST(by_zlib((const uint8_t *)place->kept.data, place->kept.len, &again, &used));
    MUST(used == place->kept.len && again.len == content.len);
    MUST(memcmp(str_get(&again), str_get(&content), again.len) == 0);
    MUST(unpacked || place->too_much);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct place place = {.lock = PTHREAD_MUTEX_INITIALIZER};
    static struct str stream;

    if (!place.content)
        MUST((place.content = malloc(CONTENT_MAX)) != NULL);
    if (size < 2)
        return 0;
    str_clear(&stream);
    str_append(&stream, data + 1, size - 1);
    if (data[0] & 32)
        mend(&stream);
    compare(&place, data[0], &stream);
    return 0;
}
