/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When to try again: for as long as bytes keep coming. Progress is a byte of the content further than
 * ever before, so that a server that always breaks at the same place does not keep us for ever.
 */
#pragma once

#include "base/err.h"
#include "transfer/source.h"

struct retry {
    unsigned max;      /* tries in a row without progress */
    unsigned failed;   /* so far */
    uint64_t furthest; /* of this disk */
};

/*
 * After a failure with `position` bytes of the content there: says so, waits a little longer each time
 * and refreshes the source. 0: try again. -1: not, `err` then is the failure with what to do, or what
 * refresh said.
 */
int retry_after(struct retry *retry, enum http_result result, const struct http_answer *answer,
                uint64_t position, struct source *source, struct err *err);
