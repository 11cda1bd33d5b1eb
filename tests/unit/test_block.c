/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layout is a string of one letter a page: '.' zeros, 't' text, 'n' noise, 'x' zeros but for the
 * last byte. "8." is eight times '.'.
 */
#include "judge.h"
#include "stream/block.h"
#include "support.h"

enum { CANARY = 64 };

static struct codec *codec;
static uint8_t *data, *out;

static void fill_page(char kind, uint8_t *page, size_t number)
{
    memset(page, 0, FORMAT_PAGE);
    if (kind == 't')
        fill_text(page, FORMAT_PAGE, (uint32_t)number + 1);
    else if (kind == 'n')
        fill_noise(page, FORMAT_PAGE, (uint32_t)number + 1);
    else if (kind == 'x')
        page[FORMAT_PAGE - 1] = 1;
}

/* Fills `data`; returns the bytes. */
static size_t lay_out(const char *layout)
{
    size_t pages = 0;

    while (*layout) {
        char *kind;
        unsigned long times = strtoul(layout, &kind, 10);

        for (times = times ? times : 1; times; times--, pages++) {
            assert_true(pages < FORMAT_BLOCK / FORMAT_PAGE);
            fill_page(*kind, data + pages * FORMAT_PAGE, pages);
        }
        layout = kind + 1;
    }
    return pages * FORMAT_PAGE;
}

/* Encodes and checks that lead, pieces and trail are the input again. */
static void encode(size_t len, struct block *block, struct str *kinds)
{
    cleanup_str struct str content = STR_INIT;
    uint8_t *input = malloc(len); /* of just that size, so that ASan sees a read beyond it */

    assert_non_null(input);
    memcpy(input, data, len);
    memset(out, 0xa5, BLOCK_ROOM + CANARY);
    block_encode(codec, input, len, out, block);
    assert_memory_equal(input, data, len);
    free(input);
    assert_true(block->len <= BLOCK_ROOM);
    for (size_t i = 0; i < CANARY; i++)
        assert_int_equal(out[BLOCK_ROOM + i], 0xa5);
    assert_true(judge_pieces(out, block->len, &content, kinds));
    assert_int_equal(block->lead + content.len + block->trail, len);
    for (size_t i = 0; i < block->lead; i++)
        assert_int_equal(data[i], 0);
    if (content.len)
        assert_memory_equal(content.data, data + block->lead, content.len);
    for (size_t i = 0; i < block->trail; i++)
        assert_int_equal(data[len - 1 - i], 0);
    assert_int_equal(block->crc, (uint32_t)crc32(0, data, (uInt)len));
}

static void layouts(void **state)
{
    static const struct {
        const char *layout;
        size_t lead, trail; /* pages */
        const char *kinds;
    } rows[] = {
        {"256.", 256, 0, ""},
        {".", 1, 0, ""},
        {"7.", 7, 0, ""},
        {"256t", 0, 0, "D"},
        {"t", 0, 0, "D"},
        {"x", 0, 0, "D"},
        /* 7, 8, 9 pages of zeros at the start, within, at the end */
        {"7.t", 0, 0, "D"},
        {"8.t", 8, 0, "D"},
        {"9.t", 9, 0, "D"},
        {"t7.", 0, 0, "D"},
        {"t8.", 0, 8, "D"},
        {"t9.", 0, 9, "D"},
        {"t7.t", 0, 0, "D"},
        {"t8.t", 0, 0, "D0D"},
        {"t9.t", 0, 0, "D0D"},
        {"255.t", 255, 0, "D"},
        {"t255.", 0, 255, "D"},
        {"8.t8.", 8, 8, "D"},
        {"8.t8.t8.", 8, 8, "D0D"},
        {"7.t8.t7.", 0, 0, "D0D"},
        /* islands */
        {"100.t100.n54.", 100, 54, "D0D"},
        {"t20.t20.t20.t", 0, 0, "D0D0D0D"},
        {"t7.t7.t7.t", 0, 0, "D"},
        {"8.x8.x8.x", 8, 0, "D0D0D"}, /* the last byte of a page is seen */
        {"256n", 0, 0, "D"},
        {"128n128t", 0, 0, "D"},
        {"n8.n", 0, 0, "D0D"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_str struct str kinds = STR_INIT;
        struct block block;

        encode(lay_out(rows[i].layout), &block, &kinds);
        if (strcmp(str_get(&kinds), rows[i].kinds) != 0 ||
            block.lead != rows[i].lead * FORMAT_PAGE || block.trail != rows[i].trail * FORMAT_PAGE)
            fail_msg("%s: lead %zu, %s, trail %zu", rows[i].layout, block.lead, str_get(&kinds),
                     block.trail);
    }
}

static void the_last_page_may_be_a_part(void **state)
{
    static const size_t cuts[] = {1, 15, 16, 17, 31, 4000, 4095};
    static const char *const names[] = {".", "2.", "8.", "9.", "t8.", "t7.", "8.t", "t", "t8.x"};

    (void)state;
    for (size_t n = 0; n < COUNT(names); n++)
        for (size_t i = 0; i < COUNT(cuts); i++) {
            cleanup_str struct str kinds = STR_INIT;
            struct block block;
            size_t len = lay_out(names[n]) - cuts[i];

            encode(len, &block, &kinds);
            if (strspn(names[n], "0123456789.") == strlen(names[n]))
                assert_int_equal(block.lead, len); /* zeros, however few */
        }
}

static void each_short_length(void **state)
{
    (void)state;
    for (size_t len = 1; len <= 300; len++)
        for (int kind = 0; kind < 3; kind++) {
            cleanup_str struct str kinds = STR_INIT;
            struct block block;

            memset(data, 0, len);
            data[kind == 1 ? len - 1 : 0] = kind != 0;
            encode(len, &block, &kinds);
            assert_int_equal(block.lead, kind ? 0 : len);
        }
}

/* The most frames and the most bytes: the room holds. */
static void the_worst_blocks_fit(void **state)
{
    static const char *const pages[] = {"n8.", "nn8.", "x8.", "8.n", "t8."};
    cleanup_str struct str kinds = STR_INIT;
    struct block block;

    (void)state;
    for (size_t i = 0; i < COUNT(pages); i++) {
        char layout[512] = "";

        for (int k = 0; k < 25; k++)
            strcat(layout, pages[i]);
        str_clear(&kinds);
        encode(lay_out(layout), &block, &kinds);
        assert_true(kinds.len >= 49);
    }
    str_clear(&kinds);
    encode(lay_out("256n"), &block, &kinds);
    assert_true(block.len > FORMAT_BLOCK);
    assert_true(block.len < FORMAT_BLOCK + 1024);
}

/* Noise whose histogram looks even in the samples, and what deflate may only just make longer. */
static void noise_with_a_pattern_fits(void **state)
{
    cleanup_str struct str kinds = STR_INIT;
    struct block block;

    (void)state;
    for (unsigned step = 2; step <= 64; step *= 2) {
        fill_noise(data, FORMAT_BLOCK, step);
        for (size_t i = 0; i < FORMAT_BLOCK; i += step)
            data[i] = 0;
        encode(FORMAT_BLOCK, &block, &kinds);
        fill_noise(data, FORMAT_BLOCK, step);
        for (size_t i = 0; i < FORMAT_BLOCK; i++)
            data[i] &= (uint8_t)(step - 1);
        encode(FORMAT_BLOCK, &block, &kinds);
    }
}

static void random_layouts(void **state)
{
    uint32_t seed = 7;

    (void)state;
    for (int i = 0; i < 150; i++) {
        cleanup_str struct str kinds = STR_INIT;
        char layout[512] = "";
        struct block block;
        unsigned pages = 1 + noise_next(&seed) % 100;

        while (pages) {
            unsigned run = 1 + noise_next(&seed) % 12;

            run = run < pages ? run : pages;
            snprintf(layout + strlen(layout), sizeof(layout) - strlen(layout), "%u%c", run,
                     "..tnx"[noise_next(&seed) % 5]);
            pages -= run;
        }
        encode(lay_out(layout) - noise_next(&seed) % FORMAT_PAGE, &block, &kinds);
    }
}

static int set_up(const char *name)
{
    struct err err;

    setenv("VMEXPORT_GZIP_CODEC", name, 1);
    if (codec_choose(&err) < 0 || !(codec = codec_new(&err))) {
        print_message("# %s\n", err.msg);
        return -1;
    }
    data = calloc(1, FORMAT_BLOCK);
    out = malloc(BLOCK_ROOM + CANARY);
    return data && out ? 0 : -1;
}

static int set_up_isal(void **state)
{
    (void)state;
    return set_up("isal");
}

static int set_up_zlib(void **state)
{
    (void)state;
    return set_up("zlib");
}

static int tear_down(void **state)
{
    (void)state;
    codec_free(codec);
    free(data);
    free(out);
    return 0;
}

#define WITH(codec_name, test) \
    { \
#test " (" #codec_name ")", test, set_up_##codec_name, tear_down, NULL \
    }
#define BOTH(test) WITH(isal, test), WITH(zlib, test)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        BOTH(layouts),
        BOTH(the_last_page_may_be_a_part),
        BOTH(each_short_length),
        BOTH(the_worst_blocks_fit),
        BOTH(noise_with_a_pattern_fits),
        BOTH(random_layouts),
    };

    return cmocka_run_group_tests_name("block", tests, NULL, NULL);
}
