/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of other servers: without our framing. */
#include "gzip_made.h"

enum { SIZE = 7 * MIB + 123457, HELD_MAX = 4 << 20, TRAILER = 8 };

static uint8_t *content;

static uint8_t extra[300] = {'A', 'P', 2, 0, 1, 2};
static uint8_t name[] = "disk.img", comment[] = "a disk";
static gz_header full_header = {.extra = extra,
                                .extra_len = sizeof(extra),
                                .name = name,
                                .comment = comment,
                                .hcrc = 1,
                                .os = 3,
                                .time = 1700000000};

static const struct zlib_way zlib_ways[] = {
    {.level = 1, .flush_each = MIB},
    {.level = 6, .flush_each = MIB, .sync = true},
    {.level = 1, .flush_each = 4096},
    {.level = 0, .flush_each = MIB},
    {.level = 0},
    {.level = 1},
    {.level = 9, .strategy = Z_FIXED, .flush_each = 2 * MIB},
    {.level = 1, .strategy = Z_HUFFMAN_ONLY, .flush_each = MIB, .header = &full_header},
};

static void check(const struct str *stream, const uint8_t *data, size_t size, size_t step,
                  bool keep)
{
    struct gunzip_options o;
    struct sink sink;
    struct err err;

    sink_init(&sink, size);
    o = to_sink(&sink, 2, true, keep);
    assert_done(gunzip_all(&o, stream, step, &err), err);
    assert_true(sink_has(&sink, keep, data, size));
    sink_free(&sink);
}

static void all_ways_of_zlib(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(zlib_ways); i++) {
        cleanup_str struct str stream = STR_INIT;

        make_zlib(content, SIZE, &zlib_ways[i], &stream);
        for (int keep = 0; keep < 2; keep++) {
            check(&stream, content, SIZE, 0, keep);
            if (i < 3)
                check(&stream, content, SIZE, stream.len, keep);
        }
    }
}

/* Byte by byte, of each length and with what a header may have. */
static void contents_of_all_lengths(void **state)
{
    static const size_t sizes[] = {0, 1, 1000, 65535, 65536, 100000};

    (void)state;
    for (size_t i = 0; i < COUNT(sizes) * 4; i++) {
        struct zlib_way way = {.level = i & 1 ? 1 : 0, .flush_each = 5000};
        gz_header part = full_header;
        cleanup_str struct str stream = STR_INIT;
        uint8_t *data = make_content(sizes[i / 4]);

        if (i & 2)
            way.header = &part;
        part.hcrc = i & 1;
        part.extra = i & 4 ? extra : NULL;
        part.extra_len = i & 8 ? 0 : sizeof(extra);
        part.name = i & 8 ? name : NULL;
        make_zlib(data, sizes[i / 4], &way, &stream);
        check(&stream, data, sizes[i / 4], 1, false);
        check(&stream, data, sizes[i / 4], 1, true);
        free(data);
    }
}

/* Several members are one content, and zeros may follow. */
static void several_members(void **state)
{
    static const size_t cuts[] = {0, 1, 2, 300000, 2 * MIB, SIZE, SIZE};

    (void)state;
    for (int padding = 0; padding < 600; padding += 599)
        for (int keep = 0; keep < 2; keep++) {
            cleanup_str struct str stream = STR_INIT;
            static const char zeros[600];
            struct gunzip_options o;
            struct sink sink;
            struct err err;
            size_t len;

            for (size_t i = 0; i + 1 < COUNT(cuts); i++)
                make_zlib(content + cuts[i], cuts[i + 1] - cuts[i], &zlib_ways[i], &stream);
            len = stream.len;
            str_append(&stream, zeros, (size_t)padding);
            sink_init(&sink, SIZE);
            o = to_sink(&sink, 2, true, keep);
            assert_done(gunzip_all(&o, &stream, padding ? 1000 : 0, &err), err);
            if (!keep) {
                assert_true(sink_has(&sink, keep, content, SIZE));
            } else { /* what was there, but for the padding */
                assert_int_equal(sink.kept.len, len);
                assert_memory_equal(sink.kept.data, stream.data, len);
            }
            sink_free(&sink);
        }
}

/* Cut at a byte: what is delivered is a beginning. To keep: a point, to which all is kept. */
static void cut_anywhere_it_is_a_beginning(void **state)
{
    cleanup_str struct str stream = STR_INIT;
    uint32_t seed = 3;

    (void)state;
    make_zlib(content, SIZE, &zlib_ways[0], &stream);
    for (unsigned i = 0; i < 120; i++) {
        size_t cut = i < 40   ? i
                     : i < 60 ? stream.len - 1 - (i - 40)
                              : noise_next(&seed) % stream.len;
        bool keep = i & 1;
        struct gunzip_options o;
        struct sink sink;
        struct gunzip *g;
        struct err err;
        size_t position;

        sink_init(&sink, SIZE);
        o = to_sink(&sink, 1, true, keep);
        g = gunzip_new(&o, &err);
        assert_done(feed_steps(g, stream.data, cut, 0, &err), err);
        assert_done(gunzip_drain(g, &err), err);
        position = (size_t)gunzip_position(g);
        assert_int_equal(gunzip_crc(g), crc32(0, content, (uInt)position));
        assert_int_equal(gunzip_size(g), GUNZIP_SIZE_UNKNOWN);
        if (!keep)
            assert_memory_equal(sink.content, content, position);
        else if (gunzip_resumable(g))
            assert_true(position % MIB == 0 && !position == !sink.kept.len);
        assert_int_equal(gunzip_finish(g, &err), -1);
        assert_int_equal(err.class, ERR_PRECONDITION);
        gunzip_free(g);
        sink_free(&sink);
    }
}

/* Kept in parts, each from the last point on. */
static void kept_in_parts_it_is_one_member(void **state)
{
    uint32_t seed = 17;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        uint64_t position = 0;
        uint32_t crc = 0;
        struct sink sink;
        bool is_whole = false;

        sink_init(&sink, 0);
        for (unsigned tries = 0; !is_whole; tries++) {
            struct gunzip_options o = to_sink(&sink, 1, true, true);
            cleanup_str struct str stream = STR_INIT;
            struct gunzip *g;
            struct err err;
            size_t cut;

            o.from = o.have = position;
            o.have_crc = crc;
            make_zlib(content + position, SIZE - position, &zlib_ways[i], &stream);
            cut = noise_next(&seed) % stream.len;
            is_whole = tries == 12 || (tries && cut > stream.len / 4 * 3);
            g = gunzip_new(&o, &err);
            assert_done(feed_steps(g, stream.data, is_whole ? stream.len : cut, 0, &err), err);
            assert_done(is_whole ? gunzip_finish(g, &err) : gunzip_drain(g, &err), err);
            assert_true(is_whole || gunzip_resumable(g));
            position = gunzip_position(g);
            crc = gunzip_crc(g);
            assert_int_equal(crc, crc32(0, content, (uInt)position));
            gunzip_free(g);
        }
        assert_int_equal(position, SIZE);
        assert_true(sink_has(&sink, true, content, SIZE));
        sink_free(&sink);
    }
}

/* Without a point for long, what is held back would become too much: it is passed on, and may be gone
 * on with only from the next point. */
static void without_points_it_is_passed_on(void **state)
{
    enum { NOISE = 12 * MIB, POINT = 9 * MIB };
    uint8_t *noise = malloc(NOISE);
    cleanup_str struct str stream = STR_INIT;
    bool seen[2] = {false};
    struct zlib_way way = {.level = 1, .flush_each = POINT};
    struct gunzip_options o;
    struct sink sink;
    struct gunzip *g;
    struct err err;

    (void)state;
    fill_noise(noise, NOISE, 4);
    memset(noise + POINT, 'a', NOISE - POINT);
    make_zlib(noise, NOISE, &way, &stream);
    sink_init(&sink, 0);
    o = to_sink(&sink, 1, true, true);
    g = gunzip_new(&o, &err);
    for (size_t at = 0, part; at < stream.len; at += part) {
        uint64_t position;

        part = stream.len - at < 60000 ? stream.len - at : 60000;
        assert_done(gunzip_feed(g, stream.data + at, part, &err), err);
        position = gunzip_position(g);
        seen[gunzip_resumable(g)] |= position > 0;
        assert_true(at + part - sink.kept.len <= HELD_MAX + 60000 || position >= POINT);
        if (gunzip_resumable(g))
            assert_true(position == 0 || position == POINT);
        assert_int_equal(gunzip_crc(g), crc32(0, noise, (uInt)position));
    }
    assert_true(seen[0] && seen[1]);
    assert_done(gunzip_finish(g, &err), err);
    assert_true(sink_has(&sink, true, noise, NOISE));
    gunzip_free(g);
    sink_free(&sink);
    free(noise);
}

/* To keep: where the earlier stream was kept up to, no block begins (it has points elsewhere, or none),
 * or the stream ends before. Nothing is kept twice, and no gap is left. */
static void what_does_not_fit_what_is_there_is_refused(void **state)
{
    static const struct {
        size_t len, each;
        uint64_t have; /* beyond `from` */
    } rows[] = {{3 * MIB, MIB, MIB / 2}, {3 * MIB, MIB / 2, MIB / 2 + 1}, {3 * MIB, 0, MIB},
                {MIB / 2, 0, MIB},       {MIB / 2, 0, MIB / 2 + 1},       {MIB / 2, 4096, MIB}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct zlib_way way = {.level = 1, .flush_each = rows[i].each};
        cleanup_str struct str stream = STR_INIT;
        /* Known at the next point (which zlib may also make by chance), or else at the end. */
        bool early = rows[i].each && rows[i].len > rows[i].have;
        struct gunzip_options o;
        struct gunzip *g;
        struct sink sink;
        struct err err;
        int rc;

        make_zlib(content + MIB, rows[i].len, &way, &stream);
        sink_init(&sink, 0);
        o = to_sink(&sink, 1, true, true);
        o.from = MIB;
        o.have = MIB + rows[i].have;
        o.have_crc = (uint32_t)crc32(0, content, (uInt)o.have);
        g = gunzip_new(&o, &err);
        rc = feed_steps(g, stream.data, stream.len - TRAILER, 0, &err);
        assert_true(rc == -1 || !early);
        if (rc == 0)
            rc = gunzip_feed(g, stream.data + stream.len - TRAILER, TRAILER, &err);
        assert_int_equal(rc, -1);
        assert_int_equal(err.class, ERR_PRECONDITION);
        assert_non_null(strstr(err.msg, "no block that begins at offset"));
        assert_int_equal(sink.kept.len, 0);
        gunzip_free(g);
        sink_free(&sink);
    }
}

static void what_is_no_gzip_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"", 0},
        {"\x1f", 1},
        {"<html>", 6},
        {"\x1f\x8b\x07", 3},
        {"\x1f\x8b\x08\x20\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\0\0", 20},       /* a flag that is none */
        {"\x1f\x8b\x08\0\0\0\0\0\0\0\x03\0\0\0\0\0\1\0\0\0", 20},         /* a wrong size */
        {"\x1f\x8b\x08\0\0\0\0\0\0\0\x03\0\0\0\0\1\0\0\0\0", 20},         /* a wrong CRC */
        {"\x1f\x8b\x08\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\0\0x", 21},        /* something after it */
        {"\x1f\x8b\x08\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\0\0\0x", 22},      /* ... after zeros */
        {"\x1f\x8b\x08\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\0\0\x1f\x8b", 22}, /* half a member more */
        {"\x1f\x8b\x08\2\0\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\0\0", 22},     /* the header's CRC */
        {"\x1f\x8b\x08\0\0\0\0\0\0\0\x07\0", 12},                         /* no kind of block */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows) * 2; i++) {
        struct str stream = {.data = (char *)(uintptr_t)rows[i / 2].bytes, .len = rows[i / 2].len};
        struct gunzip_options o;
        struct sink sink;
        struct err err;

        sink_init(&sink, 0);
        o = to_sink(&sink, 1, true, i & 1);
        assert_int_equal(gunzip_all(&o, &stream, 1, &err), -1);
        assert_int_equal(err.class, ERR_PRECONDITION);
        sink_free(&sink);
    }
}

static void a_flipped_bit_never_gives_wrong_content(void **state)
{
    enum { SMALL = 200000 };
    uint8_t *data = make_content(SMALL);
    cleanup_str struct str stream = STR_INIT;
    uint32_t seed = 23;

    (void)state;
    make_zlib(data, SMALL, &zlib_ways[7], &stream);
    for (unsigned i = 0; i < 1200; i++) {
        size_t bit = i < 600 ? i * 5 : noise_next(&seed) % (stream.len * 8);
        struct gunzip_options o;
        struct sink sink;
        struct err err;

        sink_init(&sink, SMALL * 2);
        o = to_sink(&sink, 1, true, i & 1);
        stream.data[bit / 8] = (char)(stream.data[bit / 8] ^ 1 << bit % 8);
        if (gunzip_all(&o, &stream, 0, &err) == 0)
            assert_true(sink_has(&sink, i & 1, data, SMALL));
        else
            assert_int_equal(err.class, ERR_PRECONDITION);
        stream.data[bit / 8] = (char)(stream.data[bit / 8] ^ 1 << bit % 8);
        sink_free(&sink);
    }
    free(data);
}

static void a_failing_sink_ends_it(void **state)
{
    cleanup_str struct str stream = STR_INIT;

    (void)state;
    make_zlib(content, SIZE, &zlib_ways[0], &stream);
    for (unsigned i = 0; i < 8; i++) {
        struct gunzip_options o;
        struct sink sink;
        struct err err;

        sink_init(&sink, SIZE);
        o = to_sink(&sink, 1, true, i & 1);
        sink.fail_after = (int)i / 2;
        assert_int_equal(gunzip_all(&o, &stream, 0, &err), -1);
        assert_string_equal(err.msg, "the sink is full");
        sink_free(&sink);
    }
}

static int set_up(void **state)
{
    (void)state;
    content = make_content(SIZE);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(content);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_ways_of_zlib),
        cmocka_unit_test(contents_of_all_lengths),
        cmocka_unit_test(several_members),
        cmocka_unit_test(cut_anywhere_it_is_a_beginning),
        cmocka_unit_test(kept_in_parts_it_is_one_member),
        cmocka_unit_test(without_points_it_is_passed_on),
        cmocka_unit_test(what_does_not_fit_what_is_there_is_refused),
        cmocka_unit_test(what_is_no_gzip_is_refused),
        cmocka_unit_test(a_flipped_bit_never_gives_wrong_content),
        cmocka_unit_test(a_failing_sink_ends_it),
    };

    return cmocka_run_group_tests_name("gunzip_foreign", tests, set_up, tear_down);
}
