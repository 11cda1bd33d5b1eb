/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of our own framing; others: test_gunzip_foreign.c. */
#include "gzip_made.h"

enum { SIZE = 7 * MIB + 123457 };

static uint8_t *content;
static struct str whole; /* its stream */

/* Each way to take a stream. */
static const struct way {
    unsigned threads;
    bool in_order, keep;
} ways[] = {{1, false, false}, {2, false, false}, {4, false, false}, {1, true, false},
            {3, true, false},  {1, false, true},  {2, true, true},   {9, false, true}};

static void all_ways_give_the_content(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(ways); i++) {
        struct sink sink;
        struct gunzip_options o;
        struct err err;

        sink_init(&sink, SIZE);
        o = to_sink(&sink, ways[i].threads, ways[i].in_order, ways[i].keep);
        assert_done(gunzip_all(&o, &whole, i % 2 ? 0 : 65536, &err), err);
        assert_true(sink_has(&sink, ways[i].keep, content, SIZE));
        if (ways[i].keep) { /* the very same bytes */
            assert_int_equal(sink.kept.len, whole.len);
            assert_memory_equal(sink.kept.data, whole.data, whole.len);
        } else {
            assert_true(sink.zeros > MIB);
        }
        sink_free(&sink);
    }
}

/* Small contents of each kind of end, byte by byte, with and without a size. */
static void contents_of_all_lengths(void **state)
{
    static const size_t sizes[] = {0,     1,     4095,     4096,         4097, 12288,
                                   40000, 50000, 9 * 4096, 9 * 4096 + 1, MIB,  MIB + 1};

    (void)state;
    for (size_t i = 0; i < COUNT(sizes) * 4; i++) {
        size_t size = sizes[i / 4];
        uint8_t *data = i & 2 ? make_content(size) : calloc(1, size + 1);
        cleanup_str struct str stream = STR_INIT;
        struct sink sink;
        struct err err;

        make_framed(data, size, 0, i & 1, &stream);
        for (int keep = 0; keep < 2; keep++) {
            struct gunzip_options o;

            sink_init(&sink, size);
            o = to_sink(&sink, 2, false, keep);
            assert_done(gunzip_all(&o, &stream, 1, &err), err);
            assert_true(sink_has(&sink, keep, data, size));
            sink_free(&sink);
        }
        free(data);
    }
}

/* What a download is that is broken off again and again. */
struct download {
    struct sink sink;
    uint64_t position;
    uint32_t crc;
    unsigned tries;
};

/* One try: the stream from the last MiB on, cut after `cut` bytes; true when it came whole. */
static bool try_once(struct download *d, const struct way *way, bool with_size, uint32_t cut)
{
    struct gunzip_options o = to_sink(&d->sink, way->threads, way->in_order, way->keep);
    cleanup_str struct str stream = STR_INIT;
    struct gunzip *g;
    struct err err;
    bool is_whole;

    o.from = d->position / MIB * MIB;
    o.have = d->position;
    o.have_crc = d->crc;
    if (!d->position)
        str_clear(&d->sink.kept);
    d->sink.next = o.from;
    make_framed(content, SIZE, o.from, with_size, &stream);
    is_whole = cut >= stream.len;
    g = gunzip_new(&o, &err);
    assert_non_null(g);
    assert_done(feed_steps(g, stream.data, is_whole ? stream.len : cut, 0, &err), err);
    assert_done(is_whole ? gunzip_finish(g, &err) : gunzip_drain(g, &err), err);
    assert_true(gunzip_position(g) >= d->position);
    if (cut > FORMAT_HEADER)
        assert_int_equal(gunzip_size(g), with_size ? SIZE : GUNZIP_SIZE_UNKNOWN);
    d->position = gunzip_position(g);
    d->crc = gunzip_crc(g);
    if (!is_whole)
        assert_true(gunzip_resumable(g));
    assert_int_equal(d->crc, crc32(0, content, (uInt)d->position));
    gunzip_free(g);
    return is_whole;
}

static void cut_at_random_bytes_it_goes_on(void **state)
{
    uint32_t seed = 99;

    (void)state;
    for (size_t i = 0; i < COUNT(ways); i++) {
        const struct way *way = &ways[i];
        struct download d = {.position = 0};
        bool is_whole = false;

        sink_init(&d.sink, SIZE);
        while (!is_whole && d.tries++ < 20)
            is_whole = try_once(&d, way, i & 1, noise_next(&seed) % (uint32_t)(whole.len / 4));
        if (!is_whole)
            assert_true(try_once(&d, way, i & 1, UINT32_MAX));
        assert_true(sink_has(&d.sink, way->keep, content, SIZE));
        sink_free(&d.sink);
    }
}

/* Cut at each byte of a small one: nothing is wrong, nothing looks whole. */
static void cut_at_every_byte_it_is_a_beginning(void **state)
{
    enum { SMALL = 14 * FORMAT_PAGE + 77 };
    cleanup_str struct str stream = STR_INIT;
    uint8_t *data = calloc(1, SMALL);

    (void)state;
    fill_text(data, 900, 1);
    fill_text(data + 12 * FORMAT_PAGE, 300, 2);
    make_framed(data, SMALL, 0, true, &stream);
    for (size_t cut = 0; cut < stream.len; cut++) {
        bool keep = cut % 2;
        struct sink sink;
        struct gunzip_options o;
        struct gunzip *g;
        struct err err;

        sink_init(&sink, SMALL);
        o = to_sink(&sink, 1, false, keep);
        g = gunzip_new(&o, &err);
        assert_done(gunzip_feed(g, stream.data, cut, &err), err);
        assert_done(gunzip_drain(g, &err), err);
        if (!keep)
            assert_memory_equal(sink.content, data, (size_t)gunzip_position(g));
        else
            assert_true(!gunzip_position(g) == !sink.kept.len);
        assert_int_equal(gunzip_crc(g), crc32(0, data, (uInt)gunzip_position(g)));
        assert_int_equal(gunzip_finish(g, &err), -1);
        assert_int_equal(err.class, ERR_PRECONDITION);
        gunzip_free(g);
        sink_free(&sink);
    }
    free(data);
}

/* To what its trailer says (RFC 1952 §2.3.1: ISIZE is the last four bytes, the lowest first). */
static void add_to_size(struct str *stream, uint32_t more)
{
    uint8_t *isize = (uint8_t *)stream->data + stream->len - 4;
    uint32_t size = 0;

    for (int i = 0; i < 4; i++)
        size |= (uint32_t)isize[i] << 8 * i;
    size += more;
    for (int i = 0; i < 4; i++)
        isize[i] = (uint8_t)(size >> 8 * i);
}

static void a_flipped_bit_never_gives_wrong_content(void **state)
{
    cleanup_str struct str stream = STR_INIT;
    enum { SMALL = 60 * FORMAT_PAGE };
    uint8_t *data = make_content(SMALL);
    uint32_t seed = 5;
    int refused = 0;

    (void)state;
    make_framed(data, SMALL, 0, true, &stream);
    for (unsigned i = 0; i < 1200; i++) {
        /* All of the beginning and the end, some of the rest. */
        size_t bit = i < 600    ? i
                     : i < 1000 ? stream.len * 8 - 1 - (i - 600)
                                : noise_next(&seed) % (stream.len * 8);
        bool keep = noise_next(&seed) & 1;
        struct sink sink;
        struct gunzip_options o;
        struct err err;

        sink_init(&sink, 2 * MIB); /* a wrong frame may say more than there is */
        o = to_sink(&sink, 1 + i % 3, i & 1, keep);
        stream.data[bit / 8] = (char)(stream.data[bit / 8] ^ 1 << bit % 8);
        if (gunzip_all(&o, &stream, 0, &err) == 0) {
            assert_true(sink_has(&sink, keep, data, SMALL));
        } else {
            assert_int_equal(err.class, ERR_PRECONDITION);
            refused++;
        }
        stream.data[bit / 8] = (char)(stream.data[bit / 8] ^ 1 << bit % 8);
        sink_free(&sink);
    }
    assert_true(refused > 1000); /* but for the header's time, names of systems and the like */
    free(data);
}

/* A stream of ours, whole, whose trailer says another size: its CRC is right, and so are its frames. */
static void a_trailer_of_another_size_is_refused(void **state)
{
    static const uint32_t lies[] = {1, 77, FORMAT_PAGE, MIB, 0x80000000, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < COUNT(lies) * COUNT(ways); i++) {
        const struct way *way = &ways[i / COUNT(lies)];
        uint64_t from = i % 2 ? 2 * MIB : 0;
        cleanup_str struct str stream = STR_INIT;
        struct gunzip_options o;
        struct sink sink;
        struct err err;

        make_framed(content, SIZE, from, i % 3, &stream);
        add_to_size(&stream, lies[i % COUNT(lies)]);
        sink_init(&sink, SIZE);
        o = to_sink(&sink, way->threads, way->in_order, way->keep);
        o.from = o.have = sink.next = from;
        o.have_crc = (uint32_t)crc32(0, content, (uInt)from);
        assert_int_equal(gunzip_all(&o, &stream, 0, &err), -1);
        assert_int_equal(err.class, ERR_PRECONDITION);
        sink_free(&sink);
    }
}

/* Whatever fails, in whatever thread: it is what the feeder gets, and all threads end. */
static void a_failing_sink_ends_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(ways) * 4; i++) {
        const struct way *way = &ways[i / 4];
        struct gunzip_options o;
        struct sink sink;
        struct err err;

        sink_init(&sink, SIZE);
        o = to_sink(&sink, way->threads, way->in_order, way->keep);
        sink.fail_after = (int)(i % 4) * 2;
        assert_int_equal(gunzip_all(&o, &whole, 0, &err), -1);
        assert_int_equal(err.class, ERR_IO);
        assert_string_equal(err.msg, "the sink is full");
        sink_free(&sink);
    }
}

/* Freed in the middle: no thread is left, nothing is waited for. */
static void it_can_be_left_at_any_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(ways); i++) {
        struct gunzip_options o;
        struct sink sink;
        struct gunzip *g;
        struct err err;

        sink_init(&sink, SIZE);
        o = to_sink(&sink, ways[i].threads, ways[i].in_order, ways[i].keep);
        g = gunzip_new(&o, &err);
        assert_done(gunzip_feed(g, whole.data, whole.len * (i + 1) / 9, &err), err);
        gunzip_free(g);
        sink_free(&sink);
    }
    gunzip_free(NULL);
}

/* A stream of what `data` is, by hand: a frame that says so many pages before a run of `text`. */
static void lie(struct str *out, const void *run, size_t len, size_t bytes, const void *data,
                size_t real)
{
    uint8_t room[FORMAT_FRAME];

    str_clear(out);
    str_append(out, room, format_header(room, FORMAT_SIZE_UNKNOWN));
    str_append(out, room, format_data_frame(room, len, bytes));
    str_append(out, run, len);
    str_append(out, room, format_end(room, (uint32_t)crc32(0, data, (uInt)real), real));
}

/* A run that any other reader would read otherwise is refused, though CRC and size are right. */
static void runs_that_do_not_end_where_they_say(void **state)
{
    static const struct {
        const char *run;
        size_t len, real;
    } rows[] = {
        {"\0\2\0\xfd\xff"
         "ab",
         7, 2}, /* as it must be */
        {"\1\2\0\xfd\xff"
         "ab",
         7, 2}, /* final */
        {"\0\7\0\xf8\xff"
         "ab",
         7, 2}, /* reaches over what follows */
        {"\0\2\0\xfd\xff"
         "abc",
         8, 2}, /* a byte more, of another block */
        {"\0\2\0\xfd\xff"
         "ab\0",
         8, 2}, /* half an empty block */
        {"\0\2\0\xfd\xff"
         "ab\0\0\0\xff\xff",
         12, 2},          /* a whole one: fine */
        {"\x02\0", 2, 0}, /* fixed codes, ends within a byte */
        {"\x02\x01\xfe\xff", 4, 0},
        {"\0\0\0\xff\xff", 5, 0}, /* nothing at all */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_str struct str stream = STR_INIT;
        bool fine = i == 0 || i == 5;
        struct gunzip_options o;
        struct sink sink;
        struct err err;

        lie(&stream, rows[i].run, rows[i].len, 2, "ab", rows[i].real);
        sink_init(&sink, FORMAT_PAGE);
        o = to_sink(&sink, 1, false, false);
        assert_int_equal(gunzip_all(&o, &stream, 0, &err), fine ? 0 : -1);
        if (fine)
            assert_memory_equal(sink.content, "ab", 2);
        else
            assert_int_equal(err.class, ERR_PRECONDITION);
        sink_free(&sink);
    }
}

/* To keep: what was kept up to must be where a block begins, or within zeros on a page. Before that is
 * told nothing is kept that would be there twice. */
static void what_does_not_fit_what_is_there_is_refused(void **state)
{
    cleanup_str struct str text = STR_INIT, zeros = STR_INIT;
    uint8_t *data = calloc(2, 2 * MIB);
    struct err err;

    (void)state;
    fill_text(data, 2 * MIB, 3);
    fill_text(data + 4 * MIB - FORMAT_PAGE, FORMAT_PAGE, 4);
    make_framed(data, 2 * MIB, MIB, true, &text);
    make_framed(data, 4 * MIB, 2 * MIB, true, &zeros);
    for (unsigned i = 0; i < 64; i++) {
        uint64_t have = MIB + i / 2 * (MIB / 16) + (i % 2) * 256;
        bool is_zeros = have > 2 * MIB, fits = is_zeros ? have % FORMAT_PAGE == 0 : have % MIB == 0;
        struct sink sink;
        struct gunzip_options o;

        sink_init(&sink, 0);
        o = to_sink(&sink, 2, false, true);
        o.from = is_zeros ? 2 * MIB : MIB;
        o.have = have;
        o.have_crc = (uint32_t)crc32(0, data, (uInt)have);
        assert_int_equal(gunzip_all(&o, is_zeros ? &zeros : &text, 0, &err), fits ? 0 : -1);
        if (!fits) {
            assert_int_equal(err.class, ERR_PRECONDITION);
            assert_non_null(strstr(err.msg, "no block that begins at offset"));
            assert_int_equal(sink.kept.len, 0);
        }
        sink_free(&sink);
    }
    free(data);
}

/* ---- huge zeros ---- */

/* One page of text, then zeros: the stream of what is from `from` on. */
static void make_huge(uint64_t size, uint64_t from, struct str *out)
{
    static uint8_t room[BLOCK_ROOM];
    uint64_t zeros = size - from;
    uint32_t crc = 0;

    str_append(out, room, format_header(room, size - from));
    if (!from) {
        size_t run = codec_deflate(the_codec(), content + 2 * FORMAT_PAGE, FORMAT_PAGE, room);
        uint8_t frame[FORMAT_FRAME];

        str_append(out, frame, format_data_frame(frame, run, FORMAT_PAGE));
        str_append(out, room, run);
        crc = (uint32_t)crc32(0, content + 2 * FORMAT_PAGE, FORMAT_PAGE);
        zeros -= FORMAT_PAGE;
    }
    crc = format_crc_zeros(crc, zeros);
    put_zeros(out, &zeros);
    str_append(out, room, format_end(room, crc, size - from));
}

static int count(void *ctx, uint64_t offset, const void *data, size_t len, struct err *err)
{
    (void)offset;
    (void)data;
    (void)err;
    *(uint64_t *)ctx += len;
    return 0;
}

static int count_zeros(void *ctx, uint64_t offset, uint64_t len, struct err *err)
{
    return count(ctx, offset, NULL, (size_t)len, err);
}

static void more_than_32_bits_can_say(void **state)
{
    const uint64_t size = (5ULL << 30) + 1;
    cleanup_str struct str stream = STR_INIT;
    uint64_t counted = 0;
    struct gunzip_options o = {.threads = 2, .ctx = &counted, .write = count, .in_order = true};
    struct err err;

    (void)state;
    o.zeros = count_zeros;
    make_huge(size, 0, &stream);
    assert_done(gunzip_all(&o, &stream, 0, &err), err);
    assert_int_equal(counted, size);
}

/* The bytes of a member's content; 0 when it is wrong. */
static uint64_t count_content(const struct str *member)
{
    static uint8_t room[1 << 18];
    z_stream z = {.next_in = (uint8_t *)member->data, .avail_in = (uInt)member->len};
    uint64_t bytes = 0;
    int rc = inflateInit2(&z, 16 + MAX_WBITS);

    for (; rc == Z_OK; bytes += sizeof(room) - z.avail_out) {
        z.next_out = room;
        z.avail_out = sizeof(room);
        rc = inflate(&z, Z_NO_FLUSH);
    }
    inflateEnd(&z);
    return rc == Z_STREAM_END && !z.avail_in ? bytes : 0;
}

/* Runs of zeros are cut from where the stream begins: going on, there is one over the end of what was
 * kept. Only the rest of it is. */
static void zeros_over_what_is_there(void **state)
{
    const uint64_t size = 300ULL << 20;
    cleanup_str struct str stream = STR_INIT, again = STR_INIT;
    struct gunzip_options o;
    struct sink sink;
    uint64_t counted = 0;
    struct gunzip *g;
    struct err err;

    (void)state;
    make_huge(size, 0, &stream);
    sink_init(&sink, 0);
    o = to_sink(&sink, 2, false, true);
    g = gunzip_new(&o, &err);
    assert_done(gunzip_feed(g, stream.data, stream.len / 2, &err), err);
    assert_done(gunzip_drain(g, &err), err);
    o.have = gunzip_position(g);
    o.have_crc = gunzip_crc(g);
    gunzip_free(g);
    o.from = o.have / MIB * MIB;
    assert_int_equal(o.have - o.from, FORMAT_PAGE);
    make_huge(size, o.from, &again);
    assert_done(gunzip_all(&o, &again, 0, &err), err);
    assert_int_equal(count_content(&sink.kept), size);
    /* Still our framing. */
    o = (struct gunzip_options){.threads = 1, .ctx = &counted, .write = count, .in_order = true};
    o.zeros = count_zeros;
    assert_done(gunzip_all(&o, &sink.kept, 0, &err), err);
    assert_int_equal(counted, size);
    sink_free(&sink);
}

static int set_up(void **state)
{
    (void)state;
    content = make_content(SIZE);
    make_framed(content, SIZE, 0, true, &whole);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    codec_free(the_codec());
    str_free(&whole);
    free(content);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_ways_give_the_content),
        cmocka_unit_test(contents_of_all_lengths),
        cmocka_unit_test(cut_at_random_bytes_it_goes_on),
        cmocka_unit_test(cut_at_every_byte_it_is_a_beginning),
        cmocka_unit_test(a_flipped_bit_never_gives_wrong_content),
        cmocka_unit_test(a_trailer_of_another_size_is_refused),
        cmocka_unit_test(a_failing_sink_ends_it),
        cmocka_unit_test(it_can_be_left_at_any_time),
        cmocka_unit_test(runs_that_do_not_end_where_they_say),
        cmocka_unit_test(what_does_not_fit_what_is_there_is_refused),
        cmocka_unit_test(more_than_32_bits_can_say),
        cmocka_unit_test(zeros_over_what_is_there),
    };

    return cmocka_run_group_tests_name("gunzip", tests, set_up, tear_down);
}
