/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch_private.h"
#include "interrupt.h"
#include "say.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SIZE_TRIES = 3, SIZE_PAUSE_MS = 300 };

static const char *const WHAT[] = {
    [FETCH_PLAIN] = "plain",
    [FETCH_UNPACK] = "unpacked",
    [FETCH_KEEP] = "gzip",
    [FETCH_ARCHIVE] = "archive",
};

/* Of two volumes the one is not gone on with from the other, whatever their servers say. */
static void name_it(const struct fetch_run *run, char what[OUTPUT_WHAT_MAX])
{
    snprintf(what, OUTPUT_WHAT_MAX, "%s %s", WHAT[run->fetch->mode], run->fetch->progress->what);
}

static void nothing_yet(struct fetch_run *run)
{
    run->state = (struct output_state){.size = HTTP_UNKNOWN};
    name_it(run, run->state.what);
    run->size_came = false;
    atomic_store(&run->fetch->progress->position, 0);
}

int fetch_again(struct fetch_run *run, const char *why, struct err *err)
{
    if (run->again++ > run->retry.max)
        return err_set(err, ERR_PRECONDITION, "%s, again and again", why);
    /* Of several connections only they know how far they were. */
    bool had = run->state.position > 0 || atomic_load(&run->fetch->progress->position) > 0;
    if (run->changed)
        run->retry.furthest = 0; /* which was another disk's */
    nothing_yet(run);
    run->changed = run->from_ignored = false;
    run->begun = true;
    if (output_begin(run->fetch->output, NULL, err))
        return err_wrap(err, "%s", why);
    if (had)
        say("%s: starting again", why);
    return 0;
}

int fetch_begin(struct fetch_run *run, uint64_t size, struct err *err)
{
    if (size != HTTP_UNKNOWN && output_expect(run->fetch->output, size, err))
        return -1;
    if (run->begun)
        return 0;
    run->begun = true;
    return output_begin(run->fetch->output, run->state.position ? &run->state : NULL, err);
}

/* ---- the size that the server says ---- */

/* HTTP_UNKNOWN when it doesn't say: then there is nothing to compare with. */
static uint64_t size_of_disk(struct fetch_run *run)
{
    const struct source *source = run->fetch->source;

    if (run->fetch->mode == FETCH_PLAIN || !source->size_url)
        return HTTP_UNKNOWN;
    struct http_request request = {.url = source->size_url, .head = true};
    struct http_sink sink = {0};
    struct http_answer answer;
    struct err err;
    enum http_result result = HTTP_BROKEN;
    for (unsigned i = 0; i < SIZE_TRIES && result != HTTP_DONE; i++) {
        if (i > 0 && !interrupt_sleep(SIZE_PAUSE_MS))
            break;
        result = http_get(run->http, &source->peer, &request, &sink, &answer, &err);
        if (result == HTTP_REFUSED && answer.status < 500)
            break;
    }
    return result == HTTP_DONE ? answer.length : HTTP_UNKNOWN;
}

/* A server that takes a read error for the end sends a valid gzip of half a disk. */
static int verify_size(struct fetch_run *run, struct fetch_result *result, struct err *err)
{
    uint64_t size = run->state.position, expected = run->expected;

    if (expected != HTTP_UNKNOWN && expected != size)
        expected = size_of_disk(run); /* replaced since we asked? */
    result->size_verified = expected != HTTP_UNKNOWN || run->size_came;
    if (size == 0 && run->fetch->mode != FETCH_ARCHIVE)
        return err_set(err, ERR_PRECONDITION, "the server sent a disk of 0 bytes");
    if (expected != HTTP_UNKNOWN && expected != size)
        return err_set(err, ERR_PRECONDITION,
                       "the server sent %" PRIu64 " bytes of a disk of %" PRIu64
                       ": nothing is kept of what it sent",
                       size, expected);
    if (!result->size_verified && run->fetch->source->size_url)
        say_warning("the server does not say how long the disk is: %" PRIu64
                    " bytes came, and nothing vouches for that being all",
                    size);
    return 0;
}

/* ---- the whole ---- */

/* Of the same kind: whether it still is the same disk, the server will say. A gzip only if its size
 * tells in the end whether the server went on where it was asked to. */
static bool can_use(const struct fetch_run *run, const struct output_state *earlier)
{
    bool checked = run->fetch->mode == FETCH_PLAIN || earlier->size != HTTP_UNKNOWN ||
                   run->expected != HTTP_UNKNOWN;
    char what[OUTPUT_WHAT_MAX];

    name_it(run, what);
    return strcmp(earlier->what, what) == 0 && earlier->etag[0] && checked;
}

/* With what an earlier run left, if there is something. */
static void begin(struct fetch_run *run)
{
    struct output_state earlier;
    char size[PROGRESS_SIZE];

    nothing_yet(run);
    if (!output_earlier(run->fetch->output, &earlier))
        return;
    progress_bytes(earlier.position, size);
    if (!can_use(run, &earlier)) {
        say("the %s that an earlier run left are no part of what is downloaded now: starting again",
            size);
        return;
    }
    say("going on after the %s that an earlier run left", size);
    run->state = earlier;
    atomic_store(&run->fetch->progress->position, earlier.position);
}

static int fetch_all(struct fetch_run *run, struct fetch_result *result, struct err *err)
{
    const struct fetch *fetch = run->fetch;

    if (run->expected != HTTP_UNKNOWN)
        atomic_store(&fetch->progress->total, run->expected);
    bool done = false;
    if (fetch->connections > 1 && fetch->mode == FETCH_PLAIN && fetch_ranges(run, &done, err))
        return -1;
    if (!done && fetch_stream(run, err))
        return -1;
    if (verify_size(run, result, err))
        return -1;
    *result = (struct fetch_result){.size = run->state.position,
                                    .bytes = run->state.bytes,
                                    .crc = run->state.crc,
                                    .crc_verified = run->crc_came,
                                    .size_verified = result->size_verified};
    return output_finish(fetch->output, run->state.bytes, err);
}

/* What is worth keeping: it can be gone on with, and nothing is wrong with it. */
static bool keep(struct fetch_run *run, const struct err *why)
{
    struct err err;

    if (run->state.etag[0] == '\0' || run->state.position == 0 || run->changed ||
        why->class == ERR_PRECONDITION || !output_keeps(run->fetch->output))
        return false;
    if (!run->begun)
        return true; /* what an earlier run left is as it was */
    if (output_keep(run->fetch->output, &run->state, &err) == 0)
        return true;
    say_warning("%s", err.msg);
    return false;
}

int fetch_run(const struct fetch *fetch, struct fetch_result *result, bool *kept, struct err *err)
{
    struct fetch_run run = {.fetch = fetch, .retry.max = fetch->retry};

    *result = (struct fetch_result){0};
    *kept = false;
    run.http = http_new();
    run.expected = size_of_disk(&run);
    begin(&run);
    int rc = fetch_all(&run, result, err);
    http_free(run.http);
    if (rc)
        *kept = keep(&run, err);
    return rc;
}
