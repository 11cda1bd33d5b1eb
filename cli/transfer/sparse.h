/* SPDX-License-Identifier: Apache-2.0 */
/* Zeros in data that is on its way to a file. Thread-safe. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SPARSE_PAGE = 4096, /* what file systems leave out at the least */
    SPARSE_ZEROS_SIZE = 64 << 10
};

/* Zeros to write or to hash where a hole cannot do. */
extern const uint8_t sparse_zeros[SPARSE_ZEROS_SIZE];

bool sparse_is_zero(const void *data, size_t len);

/*
 * How many bytes at the start of `data`, whose place in the file is `offset`, are alike: nothing but
 * pages of zeros (`*zeros` is set), or pages with something in them. Pages begin where the file's do;
 * what `data` has of the first and of the last one counts as a page. `len` is not 0.
 */
size_t sparse_run(const void *data, size_t len, uint64_t offset, bool *zeros);
