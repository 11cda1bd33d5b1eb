/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes the query string out of the web server's log. The query may carry the export's token, and
 * lighttpd's messages about a failed handler print the whole request: everything from a '?' to the
 * next blank, double quote or end of the line becomes "?-". What is left is one line at a time,
 * whatever the pieces in which it came.
 */
#pragma once

#include "base/str.h"

/* Longer lines are cut: a peer decides how long a request is, not how much memory is taken. */
enum { REDACT_LINE_MAX = 8192 };

struct redact {
    struct str line; /* what has come of the line under way */
};

#define REDACT_INIT \
    { \
        STR_INIT \
    }

/* Gets one redacted line with its line break. */
typedef void redact_fn(const char *line, size_t len, void *arg);

/* Takes the next piece of the log and hands on each line that it ends. */
void redact_feed(struct redact *redact, const char *data, size_t len, redact_fn *emit, void *arg);

/* The end of the log: hands on a last line without a line break, and frees what is held. */
void redact_end(struct redact *redact, redact_fn *emit, void *arg);
