/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long to wait after a failure: longer each time, never the same for two clients, and short
 * again after a quiet time. As client-go does it for watches. Not thread-safe.
 */
#pragma once

#include <stdint.h>

struct backoff {
    unsigned first_ms, max_ms; /* doubles from the first up to the longest */
    unsigned quiet_ms;         /* without a failure for so long, the next is the first again */
    unsigned next_ms;          /* 0: the first */
    uint64_t last;             /* when the last wait was asked for, by clock_ms */
};

/* The milliseconds to wait for a failure at `now`: with up to as much again on top by chance. */
unsigned backoff_next(struct backoff *backoff, uint64_t now);

/* It went well: the next failure is the first. */
void backoff_reset(struct backoff *backoff);

/* A number below `limit` by chance; not for secrets. */
unsigned backoff_random(unsigned limit);
