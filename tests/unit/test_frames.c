/* SPDX-License-Identifier: Apache-2.0 */
#include "gzip_made.h"
#include "transfer/frames.h"

static struct frames frames;

/* What the parser tells of a stream that comes in steps: a letter for each piece, and the runs of
 * data. Returns what frames_next did at the end. */
static int parse(const struct str *stream, size_t step, struct str *told, struct str *runs,
                 struct err *err)
{
    static const char letters[] = {
        [FRAMES_FOREIGN] = '?', [FRAMES_DATA] = 'D', [FRAMES_ZEROS] = '0', [FRAMES_END] = '.'};
    int event = FRAMES_MORE;

    frames_init(&frames, 0);
    for (size_t at = 0, part; at < stream->len && event == FRAMES_MORE; at += part) {
        const uint8_t *p = (uint8_t *)stream->data + at;
        size_t left;

        part = left = step < stream->len - at ? step : stream->len - at;
        while ((event = frames_next(&frames, &p, &left, err)) > FRAMES_MORE) {
            if (event == FRAMES_SPAN)
                str_append(runs, frames.span, frames.span_len);
            else
                str_printf(told, "%c%llu+%zu ", letters[event], (unsigned long long)frames.offset,
                           event == FRAMES_DATA || event == FRAMES_ZEROS ? frames.bytes : 0);
            if (event == FRAMES_FOREIGN)
                return event;
        }
    }
    return event;
}

static void pieces_come_whatever_the_steps(void **state)
{
    enum { SIZE = 3 * MIB + 5000 };
    static const size_t steps[] = {1, 2, 7, 1000, 65536, SIZE};
    cleanup_str struct str stream = STR_INIT, first = STR_INIT, first_runs = STR_INIT;
    uint8_t *data = make_content(SIZE);
    struct err err;

    (void)state;
    make_framed(data, SIZE, 0, true, &stream);
    assert_int_equal(parse(&stream, stream.len, &first, &first_runs, &err), FRAMES_MORE);
    assert_non_null(strchr(first.data, '.'));
    assert_int_equal(frames.crc, crc32(0, data, SIZE));
    assert_int_equal(frames.isize, SIZE);
    assert_int_equal(frames.size, SIZE);
    for (size_t i = 0; i < COUNT(steps); i++) {
        cleanup_str struct str told = STR_INIT, runs = STR_INIT;

        assert_int_equal(parse(&stream, steps[i], &told, &runs, &err), FRAMES_MORE);
        assert_string_equal(told.data, first.data);
        assert_int_equal(runs.len, first_runs.len);
        assert_memory_equal(runs.data, first_runs.data, runs.len);
    }
    free(data);
}

/* The length of zeros is found in their run, with a size and without. */
static void zeros_of_all_lengths(void **state)
{
    (void)state;
    for (size_t bytes = 1; bytes <= FORMAT_ZERO_RUN_MAX; bytes += bytes < 9000 ? 1 : bytes / 2 + 7)
        for (int with_size = 0; with_size < 2; with_size++) {
            static uint8_t room[FORMAT_ZERO_RUN_ROOM(FORMAT_ZERO_RUN_MAX)];
            cleanup_str struct str stream = STR_INIT, told = STR_INIT, runs = STR_INIT;
            char wanted[64];
            struct err err;

            str_append(&stream, room, format_header(room, with_size ? bytes : FORMAT_SIZE_UNKNOWN));
            str_append(&stream, room, format_zero_run(room, bytes));
            str_append(&stream, room, format_end(room, 0, bytes));
            assert_int_equal(parse(&stream, bytes % 3 ? stream.len : 50, &told, &runs, &err),
                             FRAMES_MORE);
            snprintf(wanted, sizeof(wanted), "00+%zu .0+0 ", bytes);
            assert_string_equal(told.data, wanted);
        }
}

/* Each flipped bit of zeros is seen: in any other reader it would be something else. */
static void zeros_that_are_not(void **state)
{
    enum { BYTES = 9 * FORMAT_PAGE };
    uint8_t room[FORMAT_ZERO_RUN_ROOM(BYTES)];
    cleanup_str struct str stream = STR_INIT;
    size_t len;

    (void)state;
    str_append(&stream, room, format_header(room, BYTES));
    len = format_zero_run(room, BYTES);
    str_append(&stream, room, len);
    str_append(&stream, room, format_end(room, 0, BYTES));
    for (size_t bit = FORMAT_HEADER * 8; bit < (FORMAT_HEADER + len) * 8; bit++) {
        cleanup_str struct str told = STR_INIT, runs = STR_INIT;
        struct err err;
        int rc;

        stream.data[bit / 8] = (char)(stream.data[bit / 8] ^ 1 << bit % 8);
        rc = parse(&stream, stream.len, &told, &runs, &err);
        assert_true(rc < 0 || !strchr(str_get(&told), '.')); /* or more is waited for */
        stream.data[bit / 8] = (char)(stream.data[bit / 8] ^ 1 << bit % 8);
    }
}

/* ---- what a stream must not say ---- */

struct piece {
    bool zeros;
    size_t run, bytes; /* of the frame; zeros: `bytes` */
};

static void put_piece(struct str *stream, const struct piece *piece)
{
    static uint8_t room[FORMAT_ZERO_RUN_ROOM(FORMAT_ZERO_RUN_MAX)];

    if (piece->zeros) {
        str_append(stream, room, format_zero_run(room, piece->bytes));
        return;
    }
    str_append(stream, room, format_data_frame(room, piece->run, piece->bytes));
    memset(room, 0, sizeof(room));
    for (size_t left = piece->run; left;) {
        size_t part = left < sizeof(room) ? left : sizeof(room);

        str_append(stream, room, part);
        left -= part;
    }
}

static void what_makes_no_sense_is_refused(void **state)
{
    enum { PAGE = FORMAT_PAGE };
    static const uint64_t unknown = FORMAT_SIZE_UNKNOWN;
    static const struct {
        uint64_t size;
        struct piece pieces[3];
        bool fine;
    } rows[] = {
        {unknown, {{false, 5, PAGE}, {true, 0, PAGE}}, true},
        {unknown, {{false, 5, 0}}, false},
        {unknown, {{false, 0, PAGE}}, false},
        {unknown, {{false, 5, MIB}}, true},
        {unknown, {{false, 5, MIB + PAGE}}, false},
        {unknown, {{false, FRAMES_RUN_MAX, PAGE}}, true},
        {unknown, {{false, FRAMES_RUN_MAX + 1, PAGE}}, false},
        {unknown, {{true, 0, PAGE + 1}, {true, 0, PAGE}}, false}, /* after an end within a page */
        {2 * PAGE, {{false, 5, PAGE}, {true, 0, PAGE}}, true},
        {2 * PAGE, {{false, 5, PAGE}, {true, 0, PAGE - 1}}, false},
        {2 * PAGE, {{false, 5, PAGE}, {true, 0, 2 * PAGE}}, false},
        {2 * PAGE, {{false, 5, PAGE}}, false},
        {2 * PAGE, {{false, 5, 2 * PAGE}, {false, 5, PAGE}}, false},
        {2 * PAGE - 1, {{false, 5, 2 * PAGE}}, true},
        {2 * PAGE - 1, {{true, 0, 2 * PAGE - 1}}, true},
        {2 * PAGE - 1, {{true, 0, 2 * PAGE}}, false},
        {0, {{false, 0, 0}}, false},
        {unknown - 1, {{false, 5, PAGE}}, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_str struct str stream = STR_INIT, told = STR_INIT, runs = STR_INIT;
        uint8_t room[FORMAT_HEADER];
        struct err err;
        int rc;

        str_append(&stream, room, format_header(room, rows[i].size));
        for (size_t p = 0; p < COUNT(rows[i].pieces); p++)
            if (p == 0 || rows[i].pieces[p].bytes)
                put_piece(&stream, &rows[i].pieces[p]);
        str_append(&stream, room, format_end(room, 0, 0));
        rc = parse(&stream, stream.len, &told, &runs, &err);
        if (rc != (rows[i].fine ? FRAMES_MORE : -1))
            fail_msg("row %zu: %d", i, rc);
        if (rc < 0)
            assert_int_equal(err.class, ERR_PRECONDITION);
    }
}

/* Bytes in the place of a frame, after the end, and in the header's place. */
static void what_is_not_ours(void **state)
{
    cleanup_str struct str stream = STR_INIT, told = STR_INIT, runs = STR_INIT;
    uint8_t room[FORMAT_HEADER];
    struct err err;

    (void)state;
    str_append(&stream, room, format_header(room, 0));
    for (size_t at = 0; at < FORMAT_HEADER - 8; at++) {
        stream.data[at] ^= 1;
        assert_int_equal(parse(&stream, at % 2 ? 1 : 100, &told, &runs, &err), FRAMES_FOREIGN);
        assert_memory_equal(frames.head, stream.data, frames.head_len);
        assert_true(frames.head_len > at);
        stream.data[at] ^= 1;
    }
    str_append(&stream, room, format_end(room, 0, 0));
    assert_int_equal(parse(&stream, 1, &told, &runs, &err), FRAMES_MORE);
    str_putc(&stream, '\0');
    assert_int_equal(parse(&stream, 1, &told, &runs, &err), -1);
    stream.len = FORMAT_HEADER + FORMAT_END;
    for (size_t at = FORMAT_HEADER; at < FORMAT_HEADER + 5; at++) {
        stream.data[at] ^= 8;
        str_append(&stream, stream.data + at, 1); /* enough for a frame */
        for (size_t i = stream.len; i < 100; i++)
            str_putc(&stream, 'x');
        assert_int_equal(parse(&stream, 100, &told, &runs, &err), -1);
        assert_int_equal(err.class, ERR_PRECONDITION);
        stream.data[at] ^= 8;
        stream.len = FORMAT_HEADER + FORMAT_END;
    }
}

static int tear_down(void **state)
{
    (void)state;
    codec_free(the_codec());
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_come_whatever_the_steps),
        cmocka_unit_test(zeros_of_all_lengths),
        cmocka_unit_test(zeros_that_are_not),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(what_is_not_ours),
    };

    return cmocka_run_group_tests_name("frames", tests, NULL, tear_down);
}
