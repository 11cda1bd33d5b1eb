/* SPDX-License-Identifier: Apache-2.0 */
/* A byte that says in which pieces the log comes, then the log. */
#include "fuzz.h"
#include "redact.h"

static void collect(const char *line, size_t len, void *arg)
{
    MUST(len && line[len - 1] == '\n' && !memchr(line, '\n', len - 1));
    MUST(len <= REDACT_LINE_MAX * 2 + 2);
    str_append(arg, line, len);
}

static void redacted(const uint8_t *data, size_t size, size_t step, struct str *out)
{
    struct redact redact = REDACT_INIT;

    for (size_t at = 0; at < size; at += step)
        redact_feed(&redact, (const char *)data + at, step < size - at ? step : size - at, collect,
                    out);
    redact_end(&redact, collect, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_str struct str pieces = STR_INIT, whole = STR_INIT;
    const char *query, *end;

    if (size < 2)
        return 0;
    redacted(data + 1, size - 1, (size_t)data[0] + 1, &pieces);
    redacted(data + 1, size - 1, size, &whole);
    MUST(pieces.len == whole.len && memcmp(pieces.data, whole.data, whole.len) == 0);
    end = whole.data + whole.len;
    /* Nothing of a query is left: after each '?' there is the dash and what ends a query. */
    for (query = whole.data; (query = memchr(query, '?', (size_t)(end - query))); query++)
        MUST(query + 2 < end && query[1] == '-' && query[2] && strchr(" \t\"\n", query[2]));
    return 0;
}
