/* SPDX-License-Identifier: Apache-2.0 */
/* The header of a gzip member (RFC 1952 §2.3), byte by byte. Nothing of it is of use here but where it
 * ends. */
#pragma once

#include "base/err.h"

#include <stdint.h>

struct gzip_header {
    int field;
    uint8_t flags;
    uint32_t left; /* bytes of the field; of a text: 1 until its end */
    uint32_t crc;
    uint16_t value; /* of the last two bytes, little-endian */
};

void gzip_header_init(struct gzip_header *header);

/* 1 when that was the last byte of the header, else 0. ERR_PRECONDITION: it is none. */
int gzip_header_take(struct gzip_header *header, uint8_t byte, struct err *err);
