/* SPDX-License-Identifier: Apache-2.0 */
#include "backoff.h"

#include <stdlib.h>
#include <sys/random.h>

unsigned backoff_random(unsigned limit)
{
    uint64_t random = 0;

    while (getrandom(&random, sizeof(random), 0) != sizeof(random))
        ; /* interrupted by a signal */
    return limit ? (unsigned)(random % limit) : 0;
}

unsigned backoff_next(struct backoff *backoff, uint64_t now)
{
    unsigned wait;

    if (!backoff->next_ms || now - backoff->last >= backoff->quiet_ms)
        backoff->next_ms = backoff->first_ms;
    backoff->last = now;
    wait = backoff->next_ms + backoff_random(backoff->next_ms + 1);
    backoff->next_ms =
        backoff->next_ms < backoff->max_ms / 2 ? backoff->next_ms * 2 : backoff->max_ms;
    return wait;
}

void backoff_reset(struct backoff *backoff)
{
    backoff->next_ms = 0;
}
