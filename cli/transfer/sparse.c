/* SPDX-License-Identifier: Apache-2.0 */
#include "transfer/sparse.h"

#include <string.h>

const uint8_t sparse_zeros[SPARSE_ZEROS_SIZE];

/* What equals itself moved by 16 bytes is all one 16-byte word; memcmp is the fastest reader there
 * is, and stops at once in a page of data. */
bool sparse_is_zero(const void *data, size_t len)
{
    const uint8_t *bytes = data;
    size_t head = len < 16 ? len : 16;

    return memcmp(bytes, sparse_zeros, head) == 0 && memcmp(bytes, bytes + head, len - head) == 0;
}

/* How much of its page the byte at `offset` begins, `len` at the most. */
static size_t rest_of_page(uint64_t offset, size_t len)
{
    size_t rest = SPARSE_PAGE - (size_t)(offset % SPARSE_PAGE);

    return rest < len ? rest : len;
}

size_t sparse_run(const void *data, size_t len, uint64_t offset, bool *zeros)
{
    const uint8_t *bytes = data;
    size_t run = rest_of_page(offset, len);

    *zeros = sparse_is_zero(bytes, run);
    while (run < len) {
        size_t page = rest_of_page(offset + run, len - run);

        if (sparse_is_zero(bytes + run, page) != *zeros)
            break;
        run += page;
    }
    return run;
}
