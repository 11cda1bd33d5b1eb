/* SPDX-License-Identifier: Apache-2.0 */
#include "export/format.h"
#include "judge.h"
#include "support.h"

enum { CANARY = 64 };

static const size_t lengths[] = {
    1,    2,    10,   257,  258,  259,  260,   516,   517,   518,     1031,    1032,    1033,
    4095, 4096, 4097, 8191, 8192, 8193, 65535, 65536, 65537, 1048575, 1048576, 1048577,
};

/* Writes a run of zeros into memory of just the room that it may take, and checks all of it. */
static void check_zero_run(size_t bytes)
{
    size_t room = FORMAT_ZERO_RUN_ROOM(bytes), len;
    uint8_t *out = malloc(room + CANARY);
    cleanup_str struct str content = STR_INIT;
    struct judge_frame frame;

    assert_non_null(out);
    memset(out, 0xa5, room + CANARY);
    len = format_zero_run(out, bytes);
    assert_true(len <= room);
    for (size_t i = room; i < room + CANARY; i++)
        assert_int_equal(out[i], 0xa5);
    assert_int_equal(judge_piece(out, len, &frame, &content), len);
    assert_true(frame.zeros);
    assert_int_equal(frame.pages, (bytes + FORMAT_PAGE - 1) / FORMAT_PAGE);
    assert_int_equal(content.len, bytes);
    free(out);
}

static void zero_runs_inflate_to_their_zeros(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(lengths); i++)
        check_zero_run(lengths[i]);
    for (size_t bytes = 1; bytes <= 1300; bytes++) /* each remainder of 258, each bit position */
        check_zero_run(bytes);
    check_zero_run(FORMAT_ZERO_RUN_MAX - 1);
    check_zero_run(FORMAT_ZERO_RUN_MAX);
}

static void zero_runs_are_small(void **state)
{
    static uint8_t out[FORMAT_ZERO_RUN_ROOM(FORMAT_ZERO_RUN_MAX)];

    (void)state;
    assert_true(format_zero_run(out, FORMAT_ZERO_RUN_MAX) < FORMAT_ZERO_RUN_MAX / 1024);
    assert_true(format_zero_run(out, FORMAT_PAGE) < 200);
}

static void frames_say_what_was_put_in(void **state)
{
    static const struct {
        size_t run, bytes;
    } rows[] = {
        {1, 1},         {5, 4096},       {4101, 4096},          {31, 4097},
        {32, 8192},     {123456, 65537}, {1 << 20, 1 << 20},    {(1 << 20) + 85, 1 << 20},
        {0xffffff, 31}, {1 << 23, 4096}, {0xabcdef, 127 << 20}, {1, 0x7fff * 4096},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t out[FORMAT_FRAME + CANARY];
        cleanup_str struct str content = STR_INIT;
        struct judge_frame frame;

        memset(out, 0xa5, sizeof(out));
        assert_int_equal(format_data_frame(out, rows[i].run, rows[i].bytes), FORMAT_FRAME);
        for (size_t k = FORMAT_FRAME; k < sizeof(out); k++)
            assert_int_equal(out[k], 0xa5);
        assert_true(judge_frame(out, FORMAT_FRAME, &frame));
        assert_false(frame.zeros);
        assert_int_equal(frame.run, rows[i].run);
        assert_int_equal(frame.pages, (rows[i].bytes + 4095) / 4096);
        /* To deflate it is eight empty blocks. */
        assert_int_equal(judge_run(out, FORMAT_FRAME, 0, &content), FORMAT_FRAME);
        assert_int_equal(content.len, 0);
    }
}

/* RFC 1952 §2.3 */
static void the_header_is_gzip_with_our_subfield(void **state)
{
    static const uint64_t sizes[] = {0, 1, 0x0123456789abcdef, FORMAT_SIZE_UNKNOWN};

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        uint8_t out[FORMAT_HEADER];
        uint64_t size = 0;

        assert_int_equal(format_header(out, sizes[i]), FORMAT_HEADER);
        assert_memory_equal(out, "\x1f\x8b\x08\x04\0\0\0\0", 8);
        assert_int_equal(out[10] | out[11] << 8, FORMAT_HEADER - 12); /* XLEN */
        assert_memory_equal(out + 12, "VE", 2);
        assert_int_equal(out[14] | out[15] << 8, FORMAT_HEADER - 16);
        assert_int_equal(out[16], 1);
        assert_int_equal(1 << out[17], FORMAT_PAGE);
        assert_int_equal(1 << out[18], FORMAT_BLOCK);
        for (int k = 7; k >= 0; k--)
            size = size << 8 | out[20 + k];
        assert_true(size == sizes[i]);
    }
}

/* Appends a run of stored data with its frame. */
static void put_stored(struct str *out, const char *data, size_t len)
{
    uint8_t frame[FORMAT_FRAME];
    uint8_t head[5] = {0, (uint8_t)len, (uint8_t)(len >> 8), (uint8_t)~len, (uint8_t)(~len >> 8)};

    str_append(out, frame, format_data_frame(frame, sizeof(head) + len, len));
    str_append(out, head, sizeof(head));
    str_append(out, data, len);
}

static void put_zeros(struct str *out, size_t len)
{
    uint8_t *run = malloc(FORMAT_ZERO_RUN_ROOM(len));

    assert_non_null(run);
    str_append(out, run, format_zero_run(run, len));
    free(run);
}

/* A stream made by hand of all pieces, through gzip's own reader with its check of sum and size. */
static void whole_streams_are_gzip(void **state)
{
    cleanup_str struct str stream = STR_INIT, content = STR_INIT, want = STR_INIT;
    uint8_t header[FORMAT_HEADER], end[FORMAT_END];
    uint32_t crc = 0;

    (void)state;
    str_append(&stream, header, format_header(header, FORMAT_SIZE_UNKNOWN));
    put_zeros(&stream, 3 * FORMAT_PAGE);
    put_stored(&stream, "hello", 5);
    put_zeros(&stream, 777);
    put_stored(&stream, "world", 5);
    for (size_t i = 0; i < 3 * FORMAT_PAGE; i++)
        str_putc(&want, '\0');
    str_puts(&want, "hello");
    for (size_t i = 0; i < 777; i++)
        str_putc(&want, '\0');
    str_puts(&want, "world");
    crc = format_crc_zeros(crc, 3 * FORMAT_PAGE);
    crc = format_crc_join(crc, (uint32_t)crc32(0, (const Bytef *)"hello", 5), 5);
    crc = format_crc_zeros(crc, 777);
    crc = format_crc_join(crc, (uint32_t)crc32(0, (const Bytef *)"world", 5), 5);
    assert_int_equal(format_end(end, crc, want.len), FORMAT_END);
    str_append(&stream, end, FORMAT_END);
    assert_true(judge_gunzip((uint8_t *)stream.data, stream.len, &content));
    assert_int_equal(content.len, want.len);
    assert_memory_equal(content.data, want.data, want.len);
    stream.data[stream.len - 6] ^= 1; /* the judge does look at the sum */
    str_clear(&content);
    assert_false(judge_gunzip((uint8_t *)stream.data, stream.len, &content));
}

static void an_empty_stream_is_gzip(void **state)
{
    cleanup_str struct str content = STR_INIT;
    uint8_t stream[FORMAT_HEADER + FORMAT_END];

    (void)state;
    format_header(stream, 0);
    format_end(stream + FORMAT_HEADER, 0, 0);
    assert_true(judge_gunzip(stream, sizeof(stream), &content));
    assert_int_equal(content.len, 0);
}

static void the_size_is_modulo_32_bits(void **state)
{
    uint8_t end[FORMAT_END];

    (void)state;
    format_end(end, 0x12345678, 0x9abcdef01);
    assert_memory_equal(end, "\x01\0\0\xff\xff\x78\x56\x34\x12\x01\xef\xcd\xab", FORMAT_END);
}

static void sums_are_those_of_the_bytes(void **state)
{
    uint8_t *data = calloc(2, FORMAT_BLOCK + 1);
    uint32_t head, tail;

    (void)state;
    assert_non_null(data);
    fill_noise(data, 5000, 1);
    head = (uint32_t)crc32(0, data, 5000);
    assert_int_equal(format_crc_join(0, head, 5000), head);
    assert_int_equal(format_crc_join(head, 0, 0), head);
    for (size_t i = 0; i < COUNT(lengths); i++) {
        assert_int_equal(format_crc_zeros(head, lengths[i]),
                         (uint32_t)crc32(head, data + 5000, (uInt)lengths[i]));
        assert_int_equal(format_crc_zeros(0, lengths[i]),
                         (uint32_t)crc32(0, data + 5000, (uInt)lengths[i]));
    }
    for (size_t cut = 0; cut <= 5000; cut += 500) {
        tail = (uint32_t)crc32(0, data + cut, (uInt)(5000 - cut));
        assert_int_equal(format_crc_join((uint32_t)crc32(0, data, (uInt)cut), tail, 5000 - cut),
                         head);
    }
    free(data);
}

/* Lengths that no test can go through byte by byte: they must at least be consistent. */
static void sums_of_huge_runs(void **state)
{
    uint64_t huge = 1ULL << 43;
    uint32_t crc = 0x89abcdef;

    (void)state;
    assert_int_equal(format_crc_zeros(crc, 0), crc);
    assert_int_equal(format_crc_zeros(format_crc_zeros(crc, huge), huge + 1),
                     format_crc_zeros(crc, 2 * huge + 1));
    assert_int_not_equal(format_crc_zeros(crc, huge), crc);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_runs_inflate_to_their_zeros),
        cmocka_unit_test(zero_runs_are_small),
        cmocka_unit_test(frames_say_what_was_put_in),
        cmocka_unit_test(the_header_is_gzip_with_our_subfield),
        cmocka_unit_test(whole_streams_are_gzip),
        cmocka_unit_test(an_empty_stream_is_gzip),
        cmocka_unit_test(the_size_is_modulo_32_bits),
        cmocka_unit_test(sums_are_those_of_the_bytes),
        cmocka_unit_test(sums_of_huge_runs),
    };

    return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
