/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ISA-L's level 1 is many times faster than anything else that writes deflate. One trap: its match
 * finder hashes a register that still holds the address of the stream, shifted right by 16, into
 * the hash slot of the first byte (igzip_icf_body_h1_gr_bt.asm, .write_first_byte), so its output
 * depends on where the stream object happens to lie. The cure is to place it where that hash is
 * always the same: at an address, aligned to 64 KiB, whose hash (the CPU's CRC-32C of its upper
 * bits, masked to the table) is 0. Among 2^15 neighbouring places there is one; address space is
 * reserved for 2^16 of them and given back.
 *
 * Incompressible data (encrypted or compressed files) is recognised by the flatness of its byte
 * histogram and stored without trying.
 */
#include "codec.h"
#include "export/format.h"

#include <assert.h>
#include <errno.h>
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>
#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

enum codec_kind { CODEC_ISAL, CODEC_ZLIB };

static const struct {
    const char *name;
    const char *id;
} kinds[] = {
    [CODEC_ISAL] = {"isal", "i1"},
    [CODEC_ZLIB] = {"zlib", "z1"},
};

enum {
    STORED_MAX = 65535, /* bytes in one stored block (RFC 1951 §3.2.4) */
    STORED_HEADER = 5,
    PLACE_ALIGN = 1 << 16,
    PLACE_TRIES = 1 << 16,
    PLACE_HASH_MASK = 0x7fff, /* ISA-L's level 1 hash table has 2^15 entries */
    WINDOW = 32 << 10,        /* the histogram's unit */
    SAMPLE = 64,
    SAMPLES = 16,
    /*
     * Sum of squared counts of 1024 bytes: 5116 for noise, give or take 90, and far more for anything
     * that deflate can shrink.
     */
    FLAT = 5570,
};

struct codec {
    struct isal_zstream *isal; /* placed, see above */
    size_t isal_size;
    uint8_t *level_buf;
    z_stream zlib;
};

static enum codec_kind kind = CODEC_ZLIB;

static bool cpu_has_fast_paths(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
#else
    return false;
#endif
}

int codec_choose(struct err *err)
{
    const char *wanted = getenv("VMEXPORT_GZIP_CODEC");

    kind = cpu_has_fast_paths() ? CODEC_ISAL : CODEC_ZLIB;
    if (!wanted)
        return 0;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].name, wanted) != 0)
            continue;
        if (i == CODEC_ISAL && kind != CODEC_ISAL)
            return err_set(err, ERR_INPUT,
                           "VMEXPORT_GZIP_CODEC=isal needs a processor with SSE 4.2 and PCLMUL");
        kind = (enum codec_kind)i;
        return 0;
    }
    return err_set(err, ERR_INPUT, "VMEXPORT_GZIP_CODEC is '%s': isal or zlib", wanted);
}

const char *codec_id(void)
{
    return kinds[kind].id;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t place_hash(uintptr_t address)
{
    return _mm_crc32_u32(0, (uint32_t)(address >> 16));
}
#else
static uint32_t place_hash(uintptr_t address)
{
    (void)address;
    return 0; /* ISA-L's portable code has no such trap, and is not chosen here */
}
#endif

/* Memory at a place whose hash is 0; NULL when none can be had. Given back by munmap. */
static void *place(size_t size)
{
    size_t reserve = (size_t)PLACE_TRIES * PLACE_ALIGN;
    char *base = mmap(NULL, reserve, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uintptr_t start = (uintptr_t)base, at, end = start + reserve;

    if (base == MAP_FAILED)
        return NULL;
    at = (start + PLACE_ALIGN - 1) & ~(uintptr_t)(PLACE_ALIGN - 1);
    while (at + size <= end && (place_hash(at) & PLACE_HASH_MASK) != 0)
        at += PLACE_ALIGN;
    if (at + size > end || mprotect((void *)at, size, PROT_READ | PROT_WRITE) < 0) {
        munmap(base, reserve);
        return NULL;
    }
    if (at > start)
        munmap(base, at - start);
    if (end > at + size)
        munmap((void *)(at + size), end - at - size);
    return (void *)at;
}

struct codec *codec_new(struct err *err)
{
    struct codec *codec = calloc(1, sizeof(*codec));

    if (!codec) {
        err_errno(err, ERR_SYSTEM, ENOMEM, "cannot set up the compressor");
        return NULL;
    }
    if (kind == CODEC_ISAL) {
        codec->isal_size = (sizeof(*codec->isal) + FORMAT_PAGE - 1) & ~(size_t)(FORMAT_PAGE - 1);
        codec->isal = place(codec->isal_size);
        codec->level_buf = malloc(ISAL_DEF_LVL1_MEDIUM);
        if (codec->isal && codec->level_buf)
            return codec;
    } else if (deflateInit2(&codec->zlib, 1, Z_DEFLATED, -MAX_WBITS, MAX_MEM_LEVEL,
                            Z_DEFAULT_STRATEGY) == Z_OK) {
        return codec;
    }
    err_errno(err, ERR_SYSTEM, ENOMEM, "cannot set up the compressor");
    codec_free(codec);
    return NULL;
}

void codec_free(struct codec *codec)
{
    if (!codec)
        return;
    if (codec->isal)
        munmap(codec->isal, codec->isal_size);
    free(codec->level_buf);
    deflateEnd(&codec->zlib); /* harmless on one that was never begun */
    free(codec);
}

size_t codec_room(size_t len)
{
    return len + (len / STORED_MAX + 1) * STORED_HEADER;
}

static size_t store(const uint8_t *data, size_t len, uint8_t *out)
{
    uint8_t *start = out;

    while (len) {
        size_t part = len < STORED_MAX ? len : STORED_MAX;

        out[0] = 0; /* not final, stored */
        out[1] = (uint8_t)part;
        out[2] = (uint8_t)(part >> 8);
        out[3] = (uint8_t)~out[1];
        out[4] = (uint8_t)~out[2];
        memcpy(out + STORED_HEADER, data, part);
        out += STORED_HEADER + part;
        data += part;
        len -= part;
    }
    return (size_t)(out - start);
}

static bool window_is_noise(const uint8_t *data, size_t len)
{
    uint16_t count[256] = {0};
    uint32_t squares = 0;

    for (size_t s = 0; s < SAMPLES; s++)
        for (size_t i = 0; i < SAMPLE; i++)
            count[data[s * (len / SAMPLES) + i]]++;
    for (size_t i = 0; i < 256; i++)
        squares += (uint32_t)count[i] * count[i];
    return squares < FLAT;
}

static bool is_noise(const uint8_t *data, size_t len)
{
    if (len < WINDOW)
        return false;
    for (size_t at = 0; at + WINDOW <= len; at += WINDOW)
        if (!window_is_noise(data + at, WINDOW))
            return false;
    return true;
}

/* Both return 0 when the run does not fit into `room`. */

static size_t deflate_isal(struct codec *codec, const uint8_t *data, size_t len, uint8_t *out,
                           size_t room)
{
    struct isal_zstream *s = codec->isal;

    isal_deflate_stateless_init(s);
    s->level = 1;
    s->level_buf = codec->level_buf;
    s->level_buf_size = ISAL_DEF_LVL1_MEDIUM;
    s->gzip_flag = IGZIP_DEFLATE;
    s->flush = FULL_FLUSH;
    s->end_of_stream = 0;
    s->next_in = (uint8_t *)(uintptr_t)data;
    s->avail_in = (uint32_t)len;
    s->next_out = out;
    s->avail_out = (uint32_t)room;
    return isal_deflate_stateless(s) == COMP_OK && s->avail_in == 0 ? s->total_out : 0;
}

static size_t deflate_zlib(struct codec *codec, const uint8_t *data, size_t len, uint8_t *out,
                           size_t room)
{
    z_stream *s = &codec->zlib;

    deflateReset(s);
    s->next_in = (uint8_t *)(uintptr_t)data;
    s->avail_in = (uInt)len;
    s->next_out = out;
    s->avail_out = (uInt)room;
    /* With room left over, the flush is complete (zlib.h, deflate). */
    return deflate(s, Z_FULL_FLUSH) == Z_OK && s->avail_in == 0 && s->avail_out > 0
               ? room - s->avail_out
               : 0;
}

size_t codec_deflate(struct codec *codec, const uint8_t *data, size_t len, uint8_t *out)
{
    size_t run = 0;

    assert(len <= FORMAT_BLOCK);
    if (!is_noise(data, len))
        run = kind == CODEC_ISAL ? deflate_isal(codec, data, len, out, codec_room(len))
                                 : deflate_zlib(codec, data, len, out, codec_room(len));
    return run ? run : store(data, len, out);
}

uint32_t codec_crc(uint32_t crc, const uint8_t *data, size_t len)
{
    if (kind == CODEC_ISAL)
        return crc32_gzip_refl(crc, data, len);
    return (uint32_t)crc32_z(crc, data, len);
}
