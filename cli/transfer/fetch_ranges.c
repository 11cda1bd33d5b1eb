/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A download by several connections at once: the disk in pieces, each a range request of its own, in
 * the order of the disk. A connection that breaks goes on within its piece.
 *
 * The threads share one lock for what they take and give back, and one for what follows a failure,
 * so that the source is refreshed by one of them at a time.
 */
#include "base/cleanup.h"
#include "base/str.h"
#include "export/format.h"
#include "fetch_private.h"
#include "interrupt.h"
#include "say.h"

#include <isa-l/crc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/* Of 16 TiB there are a million pieces; a longer disk comes by one connection. */
enum { PIECE = 16 << 20, PIECES_MAX = 1 << 20 };

struct ranges {
    struct fetch_run *run;
    uint64_t begin; /* where the first piece is */
    size_t count;
    size_t next; /* to be taken */
    struct piece {
        uint32_t crc;
        uint64_t len; /* of it that is there */
    } * piece;
    atomic_ullong received; /* beyond `begin`, in all pieces */
    pthread_mutex_t lock;

    pthread_mutex_t failure; /* the source and run->retry */
    atomic_bool stop;
    struct err err; /* why */
};

/* One connection's work. */
struct worker {
    struct ranges *ranges;
    struct http *http;
    size_t index;
    uint64_t at, end; /* what is left of its piece */
    uint32_t crc;
};

static uint64_t piece_begin(const struct ranges *ranges, size_t index)
{
    uint64_t begin = ranges->begin + index * (uint64_t)PIECE;

    return begin < ranges->run->state.size ? begin : ranges->run->state.size;
}

static bool take_piece(struct worker *worker)
{
    struct ranges *ranges = worker->ranges;

    pthread_mutex_lock(&ranges->lock);
    bool any = ranges->next < ranges->count;
    if (any)
        worker->index = ranges->next++;
    pthread_mutex_unlock(&ranges->lock);
    worker->at = piece_begin(ranges, worker->index);
    worker->end = piece_begin(ranges, worker->index + 1);
    worker->crc = 0;
    return any;
}

static void give_back(struct worker *worker)
{
    struct ranges *ranges = worker->ranges;

    pthread_mutex_lock(&ranges->lock);
    ranges->piece[worker->index] =
        (struct piece){worker->crc, worker->at - piece_begin(ranges, worker->index)};
    pthread_mutex_unlock(&ranges->lock);
}

/* ---- an answer ---- */

static int head(void *ctx, const struct http_answer *answer, struct err *err)
{
    struct worker *worker = ctx;
    struct fetch_run *run = worker->ranges->run;

    if (strcmp(answer->etag, run->state.etag) != 0 || answer->total != run->state.size) {
        pthread_mutex_lock(&worker->ranges->lock);
        run->changed = true;
        pthread_mutex_unlock(&worker->ranges->lock);
        return err_set(err, ERR_PRECONDITION, "the disk is another by now");
    }
    if (answer->status != 206 || answer->first != worker->at)
        return err_set(err, ERR_PRECONDITION, "the server was asked for a part and sent another");
    return 0;
}

static int body(void *ctx, const void *data, size_t len, struct err *err)
{
    struct worker *worker = ctx;
    struct ranges *ranges = worker->ranges;
    const struct fetch *fetch = ranges->run->fetch;

    if (atomic_load(&ranges->stop))
        return err_set(err, ERR_SYSTEM, "another connection failed");
    if (len > worker->end - worker->at)
        return err_set(err, ERR_PRECONDITION, "the server sent more than it was asked for");
    if (output_write(fetch->output, worker->at, data, len, err))
        return -1;
    worker->crc = crc32_gzip_refl(worker->crc, data, len);
    worker->at += len;
    atomic_fetch_add(&fetch->progress->wire, len);
    atomic_fetch_add(&fetch->progress->position, len);
    atomic_fetch_add(&ranges->received, len);
    return 0;
}

/* ---- a connection ---- */

/* The source as it is now: another thread may refresh it. */
struct asked {
    struct http_peer peer;
    char *url, *token, *ca;
};

static struct asked ask(struct ranges *ranges)
{
    const struct source *source = ranges->run->fetch->source;

    pthread_mutex_lock(&ranges->failure);
    struct asked asked = {source->peer, strdup(source->url), strdup(source->peer.token),
                          strdup(source->peer.ca)};
    pthread_mutex_unlock(&ranges->failure);
    asked.peer.token = asked.token;
    asked.peer.ca = asked.ca;
    return asked;
}

static void forget(struct asked *asked)
{
    explicit_bzero(asked->token, strlen(asked->token));
    free(asked->url);
    free(asked->token);
    free(asked->ca);
}

static int fetch_piece(struct worker *worker, struct err *err)
{
    struct ranges *ranges = worker->ranges;
    struct fetch_run *run = ranges->run;

    while (worker->at < worker->end) {
        struct asked asked = ask(ranges);
        struct http_request request = {.url = asked.url,
                                       .range = true,
                                       .first = worker->at,
                                       .last = worker->end - 1,
                                       .if_range = run->state.etag};
        struct http_sink sink = {head, body, worker};
        struct http_answer answer;
        uint64_t before = worker->at;
        enum http_result result =
            http_get(worker->http, &asked.peer, &request, &sink, &answer, err);
        forget(&asked);
        if (result == HTTP_DONE && worker->at > before)
            continue; /* a part may be shorter than what was asked for */
        if (result == HTTP_DONE) {
            err_set(err, ERR_PEER, "the server sent nothing of what it was asked for");
            result = HTTP_BROKEN;
        }
        pthread_mutex_lock(&ranges->failure);
        int rc = atomic_load(&ranges->stop)
                     ? -1
                     : retry_after(&run->retry, result, &answer,
                                   ranges->begin + atomic_load(&ranges->received),
                                   run->fetch->source, err);
        pthread_mutex_unlock(&ranges->failure);
        if (rc)
            return -1;
    }
    return 0;
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct ranges *ranges = worker->ranges;
    struct err err;

    while (!atomic_load(&ranges->stop) && take_piece(worker)) {
        int rc = fetch_piece(worker, &err);
        give_back(worker);
        if (rc == 0)
            continue;
        pthread_mutex_lock(&ranges->lock);
        if (!atomic_exchange(&ranges->stop, true))
            ranges->err = err;
        pthread_mutex_unlock(&ranges->lock);
    }
    return NULL;
}

/* ---- all of them ---- */

/* What is there without gaps. */
static void settle(struct ranges *ranges)
{
    struct output_state *state = &ranges->run->state;
    bool whole = true;

    for (size_t i = 0; i < ranges->count && whole; i++) {
        const struct piece *piece = &ranges->piece[i];
        state->crc = format_crc_join(state->crc, piece->crc, piece->len);
        state->position += piece->len;
        whole = piece->len == piece_begin(ranges, i + 1) - piece_begin(ranges, i);
    }
    state->bytes = state->position;
}

static int run_workers(struct ranges *ranges, struct err *err)
{
    unsigned count = ranges->run->fetch->connections;
    pthread_t *thread = calloc(count, sizeof *thread);
    struct worker *worker = calloc(count, sizeof *worker);

    if (!thread || !worker)
        abort();
    unsigned started = 0;
    for (; started < count; started++) {
        worker[started] = (struct worker){.ranges = ranges, .http = http_new()};
        if (pthread_create(&thread[started], NULL, work, &worker[started])) {
            http_free(worker[started].http);
            break;
        }
    }
    for (unsigned i = 0; i < started; i++) {
        pthread_join(thread[i], NULL);
        http_free(worker[i].http);
    }
    free(thread);
    free(worker);
    if (started == 0)
        return err_set(err, ERR_SYSTEM, "cannot start a thread");
    settle(ranges);
    if (!atomic_load(&ranges->stop))
        return 0;
    *err = ranges->err;
    return -1;
}

static int fetch_pieces(struct fetch_run *run, struct err *err)
{
    struct ranges ranges = {.run = run, .begin = run->state.position};

    ranges.count = (size_t)((run->state.size - ranges.begin + PIECE - 1) / PIECE);
    ranges.piece = calloc(ranges.count + 1, sizeof *ranges.piece);
    if (!ranges.piece)
        return err_set(err, ERR_SYSTEM, "no memory for %zu pieces of a disk", ranges.count);
    pthread_mutex_init(&ranges.lock, NULL);
    pthread_mutex_init(&ranges.failure, NULL);
    int rc = run_workers(&ranges, err);
    pthread_mutex_destroy(&ranges.lock);
    pthread_mutex_destroy(&ranges.failure);
    free(ranges.piece);
    return rc;
}

/* ---- whether the server does it ---- */

/* One byte is enough; a server that sends all of it is stopped. */
static int one_byte(void *ctx, const void *data, size_t len, struct err *err)
{
    (void)ctx, (void)data;
    return len == 1 ? 0 : err_set(err, ERR_LIMIT, "more than a byte");
}

/* The first byte, as a range: what it answers tells whether it does ranges of something that can be
 * told from another (a strong entity tag). */
static int probe(struct fetch_run *run, struct http_answer *answer, bool *parts, struct err *err)
{
    struct source *source = run->fetch->source;

    for (;;) {
        struct http_request request = {.url = source->url, .range = true, .first = 0, .last = 0};
        struct http_sink sink = {.body = one_byte};
        enum http_result result = http_get(run->http, &source->peer, &request, &sink, answer, err);
        *parts = result == HTTP_DONE && answer->status == 206 && answer->etag[0] != '\0' &&
                 answer->total / PIECE < PIECES_MAX;
        if (result == HTTP_DONE || answer->status == 200 || answer->status == 416)
            return 0;
        if (retry_after(&run->retry, result, answer, run->state.position, source, err))
            return -1;
    }
}

static int begin_pieces(struct fetch_run *run, const struct http_answer *answer, struct err *err)
{
    if (run->state.position > 0 &&
        (strcmp(answer->etag, run->state.etag) != 0 || answer->total != run->state.size)) {
        run->changed = true;
        if (fetch_again(run, "the disk is another by now", err))
            return -1;
    }
    memcpy(run->state.etag, answer->etag, sizeof answer->etag);
    run->state.size = answer->total;
    run->size_came = true;
    atomic_store(&run->fetch->progress->total, answer->total);
    return fetch_begin(run, answer->total, err);
}

int fetch_ranges(struct fetch_run *run, bool *done, struct err *err)
{
    *done = false;
    while (!*done) {
        struct http_answer answer;
        bool parts = false;
        if (!output_in_order(run->fetch->output) && probe(run, &answer, &parts, err))
            return -1;
        if (!parts) {
            say("one connection only: %s", output_in_order(run->fetch->output)
                                               ? "the output takes its bytes in order"
                                               : "the server does not give parts of this disk");
            return 0;
        }
        if (begin_pieces(run, &answer, err))
            return -1;
        if (fetch_pieces(run, err) == 0)
            *done = true;
        else if (!run->changed || interrupt_came() ||
                 fetch_again(run, "the disk is another by now", err))
            return -1;
    }
    return 0;
}
