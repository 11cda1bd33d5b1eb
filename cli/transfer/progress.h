/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a download is: on a terminal a line that is drawn anew (bytes, percent, rate, time left),
 * else a line each ten seconds; nothing when quiet. A thread of its own draws it; the counters may be
 * changed from any thread.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

struct progress {
    const char *what;       /* "disk0" */
    atomic_ullong position; /* of the content */
    atomic_ullong total;    /* 0: not known */
    atomic_ullong wire;     /* bytes received in all */
};

/* One at a time. `progress` must outlive it. */
void progress_start(struct progress *progress);
void progress_stop(void);

/* "8.0 GiB", "512 B": in `text`, which is returned. */
enum { PROGRESS_SIZE = 16 };
const char *progress_bytes(uint64_t bytes, char text[PROGRESS_SIZE]);
/* "0.7 s", "2 min 5 s". */
const char *progress_duration(double seconds, char text[PROGRESS_SIZE]);
