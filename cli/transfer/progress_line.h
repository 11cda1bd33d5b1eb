/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a progress line, and the rate that is in it: of the last seconds, as users want to know
 * how fast it is now. A pure function of what was noted, and when. One thread at a time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { PROGRESS_SAMPLES = 26, PROGRESS_LINE_SIZE = 256 };

struct progress_rate {
    struct progress_sample {
        uint64_t ms, position;
    } samples[PROGRESS_SAMPLES]; /* a ring */
    size_t count, next;
};

/* Notes where a download is at a moment of clock_ms. One that went back begins anew. */
void progress_rate_add(struct progress_rate *rate, uint64_t ms, uint64_t position);
/* Bytes in a second over the last five seconds; 0 when nothing moved, or it is too early to say. */
double progress_rate_get(const struct progress_rate *rate);

/* "disk0  3.2 GiB of 8.0 GiB  40 %  812 MiB/s  6 s left"; without what is not known (`total` 0). */
const char *progress_line(const char *what, uint64_t position, uint64_t total, double rate,
                          char line[PROGRESS_LINE_SIZE]);
