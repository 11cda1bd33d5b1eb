/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of gunzip share. */
#pragma once

#include "gunzip.h"

#include <stdatomic.h>

/* What was delivered. The position may be read by any thread at any time, the rest when nothing is
 * under way. */
struct gunzip_state {
    struct gunzip_options options;
    atomic_uint_least64_t position;
    uint32_t crc; /* what gunzip_crc tells */
    bool resumable;
    uint64_t size; /* that the header of our framing gives */
};

/* ERR_PRECONDITION. `at` is an offset in the whole content. Returns -1. */
static inline int gunzip_damaged(struct err *err, uint64_t at, const char *what)
{
    return err_set(err, ERR_PRECONDITION,
                   "the gzip stream is damaged, at offset %llu of its content: %s",
                   (unsigned long long)at, what);
}

/* The same: a stream that is kept has no point where an earlier one was kept up to. */
static inline int gunzip_no_point(struct err *err, uint64_t have)
{
    return err_set(err, ERR_PRECONDITION,
                   "the gzip stream has no block that begins at offset %llu of its content, up to "
                   "where the earlier one was kept",
                   (unsigned long long)have);
}
