/* SPDX-License-Identifier: Apache-2.0 */
/* Conditional requests (RFC 9110 §13). Dates are compared by the second, entity tags as text. */
#pragma once

#include "request.h"

#include <stdbool.h>
#include <time.h>

enum conditional {
    CONDITIONAL_PROCEED,
    CONDITIONAL_NOT_MODIFIED, /* 304 */
    CONDITIONAL_FAILED,       /* 412 */
};

/* What a representation is known by. */
struct validator {
    const char *etag; /* strong, with its quotes; NULL when there is none */
    time_t mtime;     /* of the last change; -1 when it is not known */
};

/* If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since, in the order of RFC 9110
 * §13.2.2. */
enum conditional conditional_check(const struct request *req, const struct validator *validator);

/* Whether a Range header counts: there is no If-Range, or it names this very representation. */
bool conditional_range_applies(const struct request *req, const struct validator *validator);
