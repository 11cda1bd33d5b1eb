/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch_private.h"
#include "interrupt.h"
#include "say.h"

#include <inttypes.h>
#include <string.h>

static const char *const WHAT[] = {
    [FETCH_PLAIN] = "plain",
    [FETCH_UNPACK] = "unpacked",
    [FETCH_KEEP] = "gzip",
    [FETCH_ARCHIVE] = "archive",
};

static void nothing_yet(struct fetch_run *run)
{
    run->state = (struct output_state){.size = HTTP_UNKNOWN};
    strncpy(run->state.what, WHAT[run->fetch->mode], sizeof run->state.what - 1);
    run->size_came = false;
    atomic_store(&run->fetch->progress->position, 0);
}

int fetch_again(struct fetch_run *run, const char *why, struct err *err)
{
    if (run->again++ > run->retry.max)
        return err_set(err, ERR_PRECONDITION, "%s, again and again: is the disk in use?", why);
    /* Of several connections only they know how far they were. */
    bool had = run->state.position > 0 || atomic_load(&run->fetch->progress->position) > 0;
    nothing_yet(run);
    run->changed = false;
    if (output_begin(run->fetch->output, NULL, err))
        return err_wrap(err, "%s", why);
    if (had)
        say("%s: starting again", why);
    return 0;
}

/* ---- the size that the server says ---- */

static int no_body(void *ctx, const void *data, size_t len, struct err *err)
{
    (void)ctx, (void)data, (void)len, (void)err;
    return 0;
}

/* HTTP_UNKNOWN when it doesn't say: then there is nothing to compare with. */
static uint64_t size_of_disk(struct fetch_run *run)
{
    const struct source *source = run->fetch->source;
    if (run->fetch->mode == FETCH_PLAIN || !source->size_url)
        return HTTP_UNKNOWN;
    struct http_request request = {.url = source->size_url, .head = true};
    struct http_sink sink = {.body = no_body};
    struct http_answer answer;
    struct err err;
    enum http_result result = HTTP_BROKEN;
    for (int i = 0; i < 3 && result == HTTP_BROKEN; i++)
        result = http_get(run->http, &source->peer, &request, &sink, &answer, &err);
    return result == HTTP_DONE ? answer.length : HTTP_UNKNOWN;
}

/* A server that takes a read error for the end sends a valid gzip of half a disk. */
static int verify_size(struct fetch_run *run, struct fetch_result *result, struct err *err)
{
    uint64_t size = run->state.position, expected = run->expected;
    if (expected != HTTP_UNKNOWN && expected != size)
        expected = size_of_disk(run); /* replaced since we asked? */
    result->size_verified = expected != HTTP_UNKNOWN || run->size_came;
    if (expected != HTTP_UNKNOWN && expected != size)
        return err_set(err, ERR_PRECONDITION,
                       "the server sent %" PRIu64 " bytes of a disk of %" PRIu64
                       ": it lost the rest, and nothing is kept of what it sent",
                       size, expected);
    return 0;
}

/* ---- the whole ---- */

/* Of the same kind: whether it still is the same disk, the server will say. A gzip only if its size
 * tells in the end whether the server went on where it was asked to. */
static bool can_use(const struct fetch_run *run, const struct output_state *earlier)
{
    bool checked = run->fetch->mode == FETCH_PLAIN || earlier->size != HTTP_UNKNOWN ||
                   run->expected != HTTP_UNKNOWN;
    return strcmp(earlier->what, WHAT[run->fetch->mode]) == 0 && earlier->etag[0] && checked;
}

/* With what an earlier run left, if there is something. */
static int begin(struct fetch_run *run, struct err *err)
{
    struct output_state earlier;
    bool use = output_earlier(run->fetch->output, &earlier) && can_use(run, &earlier);
    nothing_yet(run);
    if (use)
        run->state = earlier;
    if (output_begin(run->fetch->output, use ? &earlier : NULL, err))
        return -1;
    if (use) {
        char size[PROGRESS_SIZE];
        say("going on after the %s that an earlier run left",
            progress_bytes(earlier.position, size));
        atomic_store(&run->fetch->progress->position, earlier.position);
    }
    return 0;
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
        why->class == ERR_PRECONDITION || output_in_order(run->fetch->output))
        return false;
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
    int rc = begin(&run, err);
    if (rc == 0)
        rc = fetch_all(&run, result, err);
    http_free(run.http);
    if (rc)
        *kept = keep(&run, err);
    return rc;
}
