/* SPDX-License-Identifier: Apache-2.0 */
#include "range.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* Takes a decimal number; a larger one than fits is taken as the largest. */
static bool take_number(const char **p, uint64_t *out)
{
    const char *start = *p;
    uint64_t n = 0;

    for (; **p >= '0' && **p <= '9'; (*p)++) {
        uint64_t digit = (uint64_t)(**p - '0');

        n = n > (UINT64_MAX - digit) / 10 ? UINT64_MAX : n * 10 + digit;
    }
    *out = n;
    return *p > start;
}

/* One range-spec: "a-b", "a-" or "-n". False on bad syntax; `len` 0 when it lies beyond the end. */
static bool take_range(const char **p, uint64_t size, struct range *range)
{
    uint64_t first, last;

    *range = (struct range){0, 0};
    if (**p == '-') {
        (*p)++;
        if (!take_number(p, &last))
            return false;
        range->len = last < size ? last : size;
        range->start = size - range->len;
        return true;
    }
    if (!take_number(p, &first) || **p != '-')
        return false;
    (*p)++;
    if (!take_number(p, &last))
        last = UINT64_MAX;
    if (last < first)
        return false;
    if (first < size) {
        range->start = first;
        range->len = (last < size - 1 ? last : size - 1) - first + 1;
    }
    return true;
}

enum range_result range_parse(const char *header, uint64_t size, struct range_set *set)
{
    static const char unit[] = "bytes=";
    uint64_t total = 0;
    const char *p = header;
    bool any = false;

    set->count = 0;
    if (!p)
        return RANGE_NONE;
    if (strncasecmp(p, unit, sizeof(unit) - 1) != 0 || size == 0)
        return RANGE_IGNORE;
    p += sizeof(unit) - 1;
    for (;;) {
        struct range range;

        p += strspn(p, " \t,"); /* empty list elements are allowed (RFC 9110 §5.6.1) */
        if (!*p)
            break;
        if (!take_range(&p, size, &range))
            return RANGE_IGNORE;
        p += strspn(p, " \t");
        if (*p && *p != ',')
            return RANGE_IGNORE;
        any = true;
        if (!range.len)
            continue;
        if (set->count == RANGE_MAX || range.len > size - total)
            return RANGE_IGNORE; /* together longer than the whole: the whole is cheaper */
        set->range[set->count++] = range;
        total += range.len;
    }
    if (set->count)
        return RANGE_SATISFIABLE;
    return any ? RANGE_UNSATISFIABLE : RANGE_IGNORE;
}
