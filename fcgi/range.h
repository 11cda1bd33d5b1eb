/* SPDX-License-Identifier: Apache-2.0 */
/* The Range header (RFC 9110 §14). */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* More ranges than this are an attack or a mistake: the header is ignored (RFC 9110 §14.2 allows
 * it). */
enum { RANGE_MAX = 200 };

struct range {
    uint64_t start;
    uint64_t len; /* never 0 */
};

struct range_set {
    struct range range[RANGE_MAX];
    size_t count;
};

enum range_result {
    RANGE_NONE,          /* no header */
    RANGE_IGNORE,        /* another unit, bad syntax, too many or too much: the whole is served */
    RANGE_SATISFIABLE,   /* `set` holds at least one range */
    RANGE_UNSATISFIABLE, /* 416 */
};

/* `header` may be NULL. Ranges that begin beyond `size` are dropped, ends are clamped. */
enum range_result range_parse(const char *header, uint64_t size, struct range_set *set);
