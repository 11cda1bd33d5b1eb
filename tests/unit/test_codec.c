/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source is included, as the test of determinism must know where ISA-L's state lies: it makes
 * for each codec the very blocks that would come out differently if that place mattered.
 */
#include "stream/codec.c"

#include "judge.h"
#include "support.h"

enum { CANARY = 64, CODECS = 8, SMALL = 16 << 10 };

static uint8_t *data, *out, *again;

static void choose(const char *name)
{
    struct err err;

    setenv("VMEXPORT_GZIP_CODEC", name, 1);
    assert_int_equal(codec_choose(&err), 0);
}

static struct codec *new_codec(void)
{
    struct err err;
    struct codec *codec = codec_new(&err);

    if (!codec)
        fail_msg("%s", err.msg);
    return codec;
}

/* Compresses `len` bytes of `data` in just the promised room and checks the result. */
static size_t round_trip(struct codec *codec, size_t len)
{
    cleanup_str struct str content = STR_INIT;
    size_t room = codec_room(len), run;

    memset(out, 0xa5, room + CANARY);
    run = codec_deflate(codec, data, len, out);
    assert_true(run <= room);
    for (size_t i = 0; i < CANARY; i++)
        assert_int_equal(out[room + i], 0xa5);
    assert_int_equal(judge_run(out, run, 0, &content), run);
    assert_int_equal(content.len, len);
    assert_memory_equal(content.data, data, len);
    return run;
}

static const size_t sizes[] = {1,     2,       3,      15,     16,          17,    255,
                               4095,  4096,    32767,  32768,  32769,       65535, 65536,
                               65537, 131070,  131071, 500000, 98303,       98304, 98305,
                               1000,  1 << 19, 999999, 12345,  FORMAT_BLOCK};

static void check_round_trips(void)
{
    struct codec *codec = new_codec();

    for (size_t i = 0; i < COUNT(sizes); i++) {
        memset(data, 'a', sizes[i]);
        round_trip(codec, sizes[i]);
        fill_text(data, sizes[i], (uint32_t)i + 1);
        round_trip(codec, sizes[i]);
        fill_noise(data, sizes[i], (uint32_t)i + 1);
        round_trip(codec, sizes[i]);
        for (size_t k = 0; k < sizes[i]; k++) /* just not compressible, and not seen as noise */
            data[k] &= 0x7f;
        round_trip(codec, sizes[i]);
        fill_noise(data, sizes[i], (uint32_t)i + 1);
        fill_text(data, sizes[i] / 2, (uint32_t)i + 1);
        round_trip(codec, sizes[i]);
    }
    codec_free(codec);
}

static void isal_round_trips(void **state)
{
    (void)state;
    choose("isal");
    check_round_trips();
}

static void zlib_round_trips(void **state)
{
    (void)state;
    choose("zlib");
    check_round_trips();
}

static void noise_is_stored(void **state)
{
    static const char *const names[] = {"isal", "zlib"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct codec *codec;

        choose(names[i]);
        codec = new_codec();
        fill_noise(data, FORMAT_BLOCK, 1);
        assert_int_equal(round_trip(codec, FORMAT_BLOCK), codec_room(FORMAT_BLOCK));
        assert_int_equal(out[0], 0);               /* a stored block, not final */
        assert_true(is_noise(data, FORMAT_BLOCK)); /* without a try */
        fill_text(data, FORMAT_BLOCK, 1);
        assert_false(is_noise(data, FORMAT_BLOCK));
        assert_true(round_trip(codec, FORMAT_BLOCK) < FORMAT_BLOCK / 2);
        fill_noise(data, FORMAT_BLOCK / 2, 1); /* one half is enough to try */
        assert_true(round_trip(codec, FORMAT_BLOCK) < FORMAT_BLOCK * 3 / 4);
        codec_free(codec);
    }
}

/* What was compressed before leaves no trace. */
static void a_codec_has_no_memory(void **state)
{
    static const char *const names[] = {"isal", "zlib"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct codec *codec;
        size_t first, second;

        choose(names[i]);
        codec = new_codec();
        fill_text(data, SMALL, 1);
        first = codec_deflate(codec, data, SMALL, out);
        fill_text(data, FORMAT_BLOCK, 2);
        codec_deflate(codec, data, FORMAT_BLOCK, again);
        fill_text(data, SMALL, 1);
        second = codec_deflate(codec, data, SMALL, again);
        assert_int_equal(first, second);
        assert_memory_equal(out, again, first);
        codec_free(codec);
    }
}

/* ---- determinism (codec.c says what could spoil it) ---- */

/* CRC-32C of four bytes without inversion: the hash of ISA-L's match finder. */
static uint32_t crc32c(uint32_t value)
{
    for (int i = 0; i < 32; i++)
        value = value >> 1 ^ (value & 1 ? 0x82f63b78 : 0);
    return value;
}

/* Four bytes whose hash is that of the place, so that a match finder which took the place for the
 * first bytes would by chance be right, and another codec's wrong. */
static uint32_t bytes_that_hash_as(const struct codec *codec)
{
    uint32_t want = crc32c((uint32_t)((uintptr_t)codec->isal >> 16)) & PLACE_HASH_MASK;
    uint32_t bytes = 0x41414141;

    while ((crc32c(bytes) & PLACE_HASH_MASK) != want)
        bytes++;
    return bytes;
}

/* All codecs must say the same of the first `len` bytes of `data`. */
static void all_agree(struct codec **codecs, size_t len, const char *what)
{
    size_t run = codec_deflate(codecs[0], data, len, out);

    for (int i = 1; i < CODECS; i++)
        if (codec_deflate(codecs[i], data, len, again) != run || memcmp(out, again, run) != 0)
            fail_msg("%s: codecs at %p and %p differ", what, (void *)codecs[0]->isal,
                     (void *)codecs[i]->isal);
}

/* Sixteen blocks that begin with bytes made for the place of `codec` and have them again later: in
 * about every fifth the match finder would get that far. */
static void try_place(struct codec **codecs, const struct codec *codec)
{
    uint32_t bytes = bytes_that_hash_as(codec);

    for (uint32_t seed = 1; seed <= 16; seed++) {
        fill_noise(data, SMALL, seed);
        for (size_t i = 0; i < SMALL; i++)
            data[i] &= 0x3f;
        memcpy(data, &bytes, sizeof(bytes));
        memcpy(data + 5000, data, 200);
        all_agree(codecs, SMALL, "a block made for a place");
    }
}

static void the_place_does_not_matter(void **state)
{
    struct codec *codecs[CODECS];

    (void)state;
    choose("isal");
    for (int i = 0; i < CODECS; i++) {
        codecs[i] = new_codec();
        for (int k = 0; k < i; k++)
            assert_ptr_not_equal(codecs[i]->isal, codecs[k]->isal);
    }
    for (int i = 0; i < CODECS; i++)
        try_place(codecs, codecs[i]);
    for (uint32_t i = 0; i < 2000; i++) {
        fill_text(data, SMALL, i + 1);
        all_agree(codecs, SMALL, "a block of text");
    }
    for (int i = 0; i < CODECS; i++)
        codec_free(codecs[i]);
}

/* ---- the rest ---- */

static void the_choice(void **state)
{
    struct err err;

    (void)state;
    choose("zlib");
    assert_string_equal(codec_id(), "z1");
    choose("isal");
    assert_string_equal(codec_id(), "i1");
    unsetenv("VMEXPORT_GZIP_CODEC");
    assert_int_equal(codec_choose(&err), 0);
    assert_string_equal(codec_id(), "i1"); /* these tests need a processor that has the paths */
    setenv("VMEXPORT_GZIP_CODEC", "brotli", 1);
    assert_int_equal(codec_choose(&err), -1);
    assert_int_equal(err.class, ERR_INPUT);
    assert_non_null(strstr(err.msg, "brotli"));
    setenv("VMEXPORT_GZIP_CODEC", "", 1);
    assert_int_equal(codec_choose(&err), -1);
    codec_free(NULL);
}

static void sums_are_the_same(void **state)
{
    (void)state;
    fill_noise(data, FORMAT_BLOCK, 3);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        uint32_t want = (uint32_t)crc32(0, data, (uInt)sizes[i]);

        choose("isal");
        assert_int_equal(codec_crc(0, data, sizes[i]), want);
        assert_int_equal(codec_crc(codec_crc(0, data, 1), data + 1, sizes[i] - 1), want);
        choose("zlib");
        assert_int_equal(codec_crc(0, data, sizes[i]), want);
        assert_int_equal(codec_crc(codec_crc(0, data, 1), data + 1, sizes[i] - 1), want);
    }
    assert_int_equal(codec_crc(0x1234, data, 0), 0x1234);
}

static int set_up(void **state)
{
    (void)state;
    data = malloc(FORMAT_BLOCK);
    out = malloc(codec_room(FORMAT_BLOCK) + CANARY);
    again = malloc(codec_room(FORMAT_BLOCK) + CANARY);
    return data && out && again ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    free(data);
    free(out);
    free(again);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(isal_round_trips),          cmocka_unit_test(zlib_round_trips),
        cmocka_unit_test(noise_is_stored),           cmocka_unit_test(a_codec_has_no_memory),
        cmocka_unit_test(the_place_does_not_matter), cmocka_unit_test(the_choice),
        cmocka_unit_test(sums_are_the_same),
    };

    return cmocka_run_group_tests_name("codec", tests, set_up, tear_down);
}
