/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A download by one connection: requests one after the other, each going on where the one before broke
 * off.
 *
 * What is asked to go on is answered with the entity tag of what is there now. One that differs means
 * another disk, also from a server that ignores If-Range or If-Match. A server that has tags and
 * ignores ?from= is known by its stream's first bytes, and asked for the whole.
 */
#include "base/cgroup.h"
#include "base/str.h"
#include "fetch_private.h"
#include "interrupt.h"
#include "transfer/gunzip.h"

#include <inttypes.h>
#include <isa-l/crc.h>
#include <string.h>

/* More would only wait for the network and the disk. */
enum { THREADS_MAX = 4 };

/* Of a gzip (RFC 1952 §2.3.1). */
enum { GZIP_FIRST = 0x1f };

/* One request. */
struct attempt {
    struct fetch_run *run;
    struct gunzip *gunzip; /* NULL when it comes as it is, unseen */
    uint64_t at;           /* without: where the next byte belongs */
    uint64_t from;         /* where in the content the stream was asked to begin */
    size_t seen;           /* of its bytes, FETCH_BEGINNING at most */
    size_t alike;          /* of these, as run->beginning */
};

static uint32_t crc_add(uint32_t crc, const void *data, size_t len)
{
    return crc32_gzip_refl(crc, data, len);
}

/* ---- where the bytes go ---- */

/* A few bytes can unpack to any number of them. */
static int check_end(const struct fetch_run *run, uint64_t end, struct err *err)
{
    if (end <= run->expected)
        return 0;
    return err_set(err, ERR_PRECONDITION,
                   "the server sends more than the %" PRIu64 " bytes that the disk has",
                   run->expected);
}

static int unpacked(void *ctx, uint64_t offset, const void *data, size_t len, struct err *err)
{
    const struct fetch_run *run = ctx;

    return check_end(run, offset + len, err)
               ? -1
               : output_write(run->fetch->output, offset, data, len, err);
}

static int zeros(void *ctx, uint64_t offset, uint64_t len, struct err *err)
{
    const struct fetch_run *run = ctx;

    return check_end(run, offset + len, err) ? -1
                                             : output_zeros(run->fetch->output, offset, len, err);
}

static int kept(void *ctx, const void *data, size_t len, struct err *err)
{
    struct fetch_run *run = ctx;

    if (output_write(run->fetch->output, run->state.bytes, data, len, err))
        return -1;
    run->state.bytes += len;
    return 0;
}

/* What is there already may come again, from a server that does no ranges: it is the same. */
static int plain(struct attempt *attempt, const uint8_t *data, size_t len, struct err *err)
{
    struct output_state *state = &attempt->run->state;
    uint64_t skip = state->position - attempt->at;

    attempt->at += len;
    if (skip >= len)
        return 0;
    data += skip;
    len -= (size_t)skip;
    if (len > state->size - state->position)
        return err_set(err, ERR_PRECONDITION, "the server sent more than it was asked for");
    if (output_write(attempt->run->fetch->output, state->position, data, len, err))
        return -1;
    state->crc = crc_add(state->crc, data, len);
    state->position += len;
    state->bytes = state->position;
    return 0;
}

/* ---- a gzip ---- */

static const char *const from_beginning = "the server gives the gzip from its beginning only";

static int not_from_there(struct fetch_run *run, struct err *err)
{
    run->whole = run->from_ignored = true;
    return err_set(err, ERR_PRECONDITION, "%s", from_beginning);
}

/* Compares, or remembers, how the stream begins. */
static int look_at_beginning(struct attempt *attempt, const void *data, size_t len, struct err *err)
{
    struct fetch_run *run = attempt->run;
    size_t more = FETCH_BEGINNING - attempt->seen;

    more = len < more ? len : more;
    if (attempt->from == 0) {
        memcpy(run->beginning + attempt->seen, data, more);
        run->beginning_len = attempt->seen + more;
    } else if (attempt->alike == attempt->seen && attempt->seen + more <= run->beginning_len &&
               memcmp(run->beginning + attempt->seen, data, more) == 0) {
        attempt->alike += more;
    }
    attempt->seen += more;
    return attempt->alike == FETCH_BEGINNING ? not_from_there(run, err) : 0;
}

static int begin_gzip(struct attempt *attempt, struct err *err)
{
    struct fetch_run *run = attempt->run;
    bool keep = run->fetch->mode != FETCH_UNPACK;
    unsigned cpus = cgroup_cpus();
    struct gunzip_options options = {
        .from = attempt->from,
        .threads = cpus < THREADS_MAX ? cpus : THREADS_MAX,
        .ctx = run,
        .write = unpacked,
        .zeros = zeros,
        .in_order = output_in_order(run->fetch->output),
        .keep = keep ? kept : NULL,
        .have = run->state.position,
        .have_crc = run->state.crc,
    };

    if (fetch_begin(run, keep ? HTTP_UNKNOWN : run->expected, err))
        return -1;
    attempt->gunzip = gunzip_new(&options, err);
    return attempt->gunzip ? 0 : -1;
}

static int take(void *ctx, const void *data, size_t len, struct err *err)
{
    struct attempt *attempt = ctx;
    struct progress *progress = attempt->run->fetch->progress;

    atomic_fetch_add(&progress->wire, len);
    if (attempt->run->fetch->mode == FETCH_ARCHIVE && !attempt->seen &&
        *(const uint8_t *)data == GZIP_FIRST && begin_gzip(attempt, err))
        return -1;
    if (attempt->gunzip && look_at_beginning(attempt, data, len, err))
        return -1;
    if (attempt->gunzip ? gunzip_feed(attempt->gunzip, data, len, err)
                        : plain(attempt, data, len, err))
        return -1;
    if (attempt->gunzip && check_end(attempt->run, gunzip_position(attempt->gunzip), err))
        return -1; /* of one that is kept */
    atomic_store(&progress->position,
                 attempt->gunzip ? gunzip_position(attempt->gunzip) : attempt->run->state.position);
    return 0;
}

/* ---- an answer begins ---- */

static int is_another(struct fetch_run *run, struct err *err)
{
    run->changed = true;
    return err_set(err, ERR_PRECONDITION, "the disk is another by now");
}

static int begin_plain(struct attempt *attempt, const struct http_answer *answer, struct err *err)
{
    struct fetch_run *run = attempt->run;
    uint64_t size = answer->status == 206 ? answer->total : answer->length;

    attempt->at = answer->status == 206 ? answer->first : 0;
    if (answer->status == 206 && (answer->first != run->state.position || size == HTTP_UNKNOWN))
        return err_set(err, ERR_PRECONDITION,
                       "the server was asked for the bytes from %" PRIu64 " on and sent others",
                       run->state.position);
    if (run->state.position > 0 && run->state.size != HTTP_UNKNOWN && size != run->state.size)
        return is_another(run, err);
    run->state.size = size;
    run->size_came = size != HTTP_UNKNOWN;
    if (run->size_came)
        atomic_store(&run->fetch->progress->total, size);
    return fetch_begin(run, size, err);
}

static int begin(void *ctx, const struct http_answer *answer, struct err *err)
{
    struct attempt *attempt = ctx;
    struct fetch_run *run = attempt->run;

    if (run->state.position > 0 && strcmp(answer->etag, run->state.etag) != 0)
        return is_another(run, err);
    if (run->state.position == 0 && answer->status != 200)
        return err_set(err, ERR_PRECONDITION, "the server sent a part and was asked for all");
    if (run->fetch->mode != FETCH_ARCHIVE) /* which has no way to go on */
        memcpy(run->state.etag, answer->etag, sizeof answer->etag);
    bool gzip = run->fetch->mode == FETCH_UNPACK || run->fetch->mode == FETCH_KEEP;
    return gzip ? begin_gzip(attempt, err) : begin_plain(attempt, answer, err);
}

/* ---- and ends ---- */

/* Known at its end: of a short stream, or one of ours after an earlier run. */
static bool began_at_zero(const struct attempt *attempt)
{
    const struct fetch_run *run = attempt->run;
    uint64_t size = gunzip_size(attempt->gunzip);
    bool alike =
        attempt->seen > 0 && attempt->alike == attempt->seen && attempt->seen == run->beginning_len;
    bool other =
        size != GUNZIP_SIZE_UNKNOWN && run->state.size != HTTP_UNKNOWN && size != run->state.size;

    return attempt->from > 0 && (alike || other);
}

/* Takes what is certain of what came. */
static int settle(struct attempt *attempt, enum http_result result, struct err *err)
{
    struct output_state *state = &attempt->run->state;
    int rc = 0;

    attempt->run->crc_came = attempt->gunzip && result == HTTP_DONE;
    if (!attempt->gunzip)
        return 0;
    if (result == HTTP_DONE && began_at_zero(attempt))
        rc = not_from_there(attempt->run, err);
    else if (result == HTTP_DONE)
        rc = gunzip_finish(attempt->gunzip, err);
    else if (result != HTTP_STOPPED)
        rc = gunzip_drain(attempt->gunzip, err);
    gunzip_stop(attempt->gunzip);
    state->position = gunzip_position(attempt->gunzip);
    state->crc = gunzip_crc(attempt->gunzip);
    if (gunzip_size(attempt->gunzip) != GUNZIP_SIZE_UNKNOWN)
        state->size = gunzip_size(attempt->gunzip);
    if (attempt->run->fetch->mode == FETCH_UNPACK)
        state->bytes = state->position;
    else if (result != HTTP_DONE && !gunzip_resumable(attempt->gunzip))
        state->etag[0] = '\0';
    return rc;
}

/* A 206 may be shorter than what was asked for (RFC 9110 §15.3.7): the rest is asked for then. */
static bool is_short(const struct attempt *attempt)
{
    const struct output_state *state = &attempt->run->state;

    return !attempt->gunzip && state->size != HTTP_UNKNOWN && state->position < state->size;
}

static bool is_all(const struct attempt *attempt)
{
    const struct output_state *state = &attempt->run->state;

    return !attempt->gunzip && attempt->run->begun && state->position > 0 &&
           state->position == state->size;
}

static enum http_result try_once(struct fetch_run *run, struct http_answer *answer, struct err *err)
{
    bool go_on = run->state.position > 0;
    struct attempt attempt = {.run = run, .from = run->state.position / FETCH_GRID * FETCH_GRID};
    const struct source *source = run->fetch->source;
    cleanup_str struct str url = STR_INIT;
    struct http_request request = {.last = HTTP_UNKNOWN};

    str_puts(&url, source->url);
    if (go_on && run->fetch->mode == FETCH_PLAIN) {
        request.range = true;
        request.first = run->state.position;
        request.if_range = run->state.etag;
    } else if (go_on) {
        request.if_match = run->state.etag;
        str_printf(&url, "%cfrom=%" PRIu64, strchr(source->url, '?') ? '&' : '?', attempt.from);
    }
    request.url = str_get(&url);
    struct http_sink sink = {begin, take, &attempt};
    enum http_result result = http_get(run->http, &source->peer, &request, &sink, answer, err);
    struct err late;
    if (settle(&attempt, result, &late)) {
        *err = late;
        result = HTTP_STOPPED;
    } else if (result == HTTP_BROKEN && is_all(&attempt)) {
        result = HTTP_DONE; /* it was cut after the last byte */
    } else if (result == HTTP_DONE && is_short(&attempt)) {
        err_set(err, ERR_PEER, "the server sent less than it was asked for");
        result = HTTP_BROKEN;
    }
    gunzip_free(attempt.gunzip);
    return result;
}

static bool cannot_go_on(const struct fetch_run *run)
{
    return run->state.etag[0] == '\0' || (run->whole && run->fetch->mode != FETCH_PLAIN);
}

int fetch_stream(struct fetch_run *run, struct err *err)
{
    for (;;) {
        struct http_answer answer;
        enum http_result result = try_once(run, &answer, err);
        if (result == HTTP_DONE)
            return 0;
        if (result == HTTP_REFUSED && run->state.position > 0 &&
            (answer.status == 412 || answer.status == 416))
            run->changed = true;
        if (run->changed || run->from_ignored) {
            if (fetch_again(run, run->changed ? "the disk is another by now" : from_beginning, err))
                return -1;
            continue;
        }
        if (retry_after(&run->retry, result, &answer, run->state.position, run->fetch->source, err))
            return -1;
        if (run->state.position > 0 && cannot_go_on(run) &&
            fetch_again(run, "the server cannot go on where it was", err))
            return -1;
    }
}
