/* SPDX-License-Identifier: Apache-2.0 */
#include "gzip_header.h"

#include <stdbool.h>
#include <zlib.h>

/* In the order of RFC 1952 §2.3. */
enum field { MAGIC, FLAGS, UNUSED, EXTRA_LENGTH, EXTRA, NAME, COMMENT, CHECKSUM, END };

enum { FLAG_CHECKSUM = 2, FLAG_EXTRA = 4, FLAG_NAME = 8, FLAG_COMMENT = 16, FLAGS_RESERVED = 0xe0 };

static const struct {
    uint8_t flag;  /* that says that it is there; 0: always */
    uint8_t bytes; /* 0: as many as the field before said */
    bool is_text;  /* ends with a zero byte */
} fields[] = {
    [MAGIC] = {0, 3, false},
    [FLAGS] = {0, 1, false},
    [UNUSED] = {0, 6, false}, /* time, extra flags, system */
    [EXTRA_LENGTH] = {FLAG_EXTRA, 2, false},
    [EXTRA] = {FLAG_EXTRA, 0, false},
    [NAME] = {FLAG_NAME, 1, true},
    [COMMENT] = {FLAG_COMMENT, 1, true},
    [CHECKSUM] = {FLAG_CHECKSUM, 2, false},
};

void gzip_header_init(struct gzip_header *h)
{
    *h = (struct gzip_header){.field = MAGIC, .left = fields[MAGIC].bytes};
}

/* The first byte of the three is the first one. */
static int check_magic(const struct gzip_header *h, uint8_t byte, struct err *err)
{
    static const uint8_t magic[] = {0x1f, 0x8b, 8};

    if (byte == magic[sizeof(magic) - h->left])
        return 0;
    return err_set(err, ERR_PRECONDITION, "what came is no gzip stream");
}

static int end_field(struct gzip_header *h, uint8_t byte, struct err *err)
{
    if (h->field == FLAGS)
        h->flags = byte;
    if (h->flags & FLAGS_RESERVED)
        return err_set(err, ERR_PRECONDITION,
                       "the gzip stream is damaged: its header has flags that do not exist");
    for (h->field++; h->field != END; h->field++) {
        if (fields[h->field].flag && !(h->flags & fields[h->field].flag))
            continue;
        h->left = fields[h->field].bytes ? fields[h->field].bytes : h->value;
        if (h->left)
            return 0;
    }
    return 1;
}

int gzip_header_take(struct gzip_header *h, uint8_t byte, struct err *err)
{
    uint16_t sum = (uint16_t)h->crc; /* of what comes before the field CHECKSUM */

    if (h->field == MAGIC && check_magic(h, byte, err) < 0)
        return -1;
    h->value = (uint16_t)(h->value >> 8 | byte << 8);
    if (h->field != CHECKSUM)
        h->crc = (uint32_t)crc32(h->crc, &byte, 1);
    if (fields[h->field].is_text ? byte != 0 : --h->left != 0)
        return 0;
    if (h->field == CHECKSUM && h->value != sum)
        return err_set(err, ERR_PRECONDITION,
                       "the gzip stream is damaged: its header has another CRC than it says");
    return end_field(h, byte, err);
}
