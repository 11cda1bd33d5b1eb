/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/delays.h"

#include <stdlib.h>

enum { SIZE_FIRST = 64 };

static void set(struct delays *delays, size_t place, struct delay *delay)
{
    delays->heap[place] = delay;
    delay->place = place;
}

/* Puts `delay` where it belongs when `place` is free. */
static void sift(struct delays *delays, size_t place, struct delay *delay)
{
    struct delay **heap = delays->heap;

    while (place > 1 && delay->due < heap[place / 2]->due) {
        set(delays, place, heap[place / 2]);
        place /= 2;
    }
    for (;;) {
        size_t child = 2 * place;

        if (child + 1 <= delays->count && heap[child + 1]->due < heap[child]->due)
            child++;
        if (child > delays->count || delay->due <= heap[child]->due)
            break;
        set(delays, place, heap[child]);
        place = child;
    }
    set(delays, place, delay);
}

static void add(struct delays *delays, struct delay *delay)
{
    if (delays->count + 1 >= delays->size) {
        delays->size = delays->size ? 2 * delays->size : SIZE_FIRST;
        delays->heap = realloc(delays->heap, delays->size * sizeof(struct delay *));
        if (!delays->heap)
            abort();
    }
    delays->count++;
    sift(delays, delays->count, delay);
}

bool delays_put(struct delays *delays, struct delay *delay, uint64_t due)
{
    if (delay->place && delay->due <= due)
        return false;
    delay->due = due;
    if (delay->place)
        sift(delays, delay->place, delay);
    else
        add(delays, delay);
    return delay->place == 1;
}

void delays_remove(struct delays *delays, struct delay *delay)
{
    struct delay *last;

    if (!delay->place)
        return;
    last = delays->heap[delays->count--];
    if (last != delay)
        sift(delays, delay->place, last);
    delay->place = 0;
}

struct delay *delays_first(const struct delays *delays)
{
    return delays->count > 0 ? delays->heap[1] : NULL;
}

void delays_free(struct delays *delays)
{
    free(delays->heap);
    *delays = (struct delays){0};
}
