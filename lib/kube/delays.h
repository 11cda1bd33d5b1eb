/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times that are waited for: a heap, the earliest on top. It points to entries that are part of what
 * is delayed, and owns none of them. Zeroed structs are empty. Not thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct delay {
    uint64_t due;
    size_t place; /* in the heap, from 1; 0: not delayed */
};

struct delays {
    struct delay **heap; /* heap[1] to heap[count]: each due no later than 2n and 2n+1 */
    size_t count, size;
};

/* Delays until `due`, or until the earlier time that it is delayed to already. True when it came to
 * be the earliest of all. */
bool delays_put(struct delays *delays, struct delay *delay, uint64_t due);
void delays_remove(struct delays *delays, struct delay *delay);
/* The earliest; NULL when there is none. */
struct delay *delays_first(const struct delays *delays);
/* The heap only. */
void delays_free(struct delays *delays);
