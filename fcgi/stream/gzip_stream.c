/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slots are a ring: `head` is filled and submitted next, `tail` is the oldest under way. A slot
 * with a job belongs to the pool until `done` is set under the stream's lock. Zeros wait in `zeros`
 * until something else follows, so that the runs of neighbouring blocks, holes and whole-zero
 * blocks become one.
 */
#include "gzip_stream.h"
#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "pool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    STREAM_MEMORY = 14 << 20, /* bytes in slots that a stream may hold, however many processors */
    SLOTS_AHEAD = 2,          /* beside one a processor: one to fill, one to send */
    STREAMS_MIN = 2,
    THREADS_MAX = 1024,
};

enum slot_kind { SLOT_FILE, SLOT_BYTES, SLOT_ZEROS };

struct slot {
    struct job job;
    struct gzip_stream *stream;
    enum slot_kind kind;
    uint64_t len; /* of the content */
    int fd;       /* SLOT_FILE */
    off_t offset;
    uint8_t *in; /* SLOT_BYTES */
    uint8_t *out;
    struct block block;
    bool done;
    bool failed;
    struct err err;
};

struct gzip_stream {
    struct response *res;
    const char *what;
    pthread_mutex_t lock;
    pthread_cond_t slot_done;
    struct slot *slot;
    size_t slots;
    size_t head, tail; /* counted up without end; the slot is the rest */
    size_t filled;     /* bytes in the `in` of the head slot */
    uint64_t zeros;    /* that follow what was sent */
    uint64_t total;
    uint32_t crc;
    uint8_t *zero_run;
};

static unsigned cpus;

/* A slot of bytes has a block to gather them beside the one for the output. */
static size_t slots_of(enum gzip_source source)
{
    size_t most = STREAM_MEMORY / (source == GZIP_BYTES ? FORMAT_BLOCK + BLOCK_ROOM : BLOCK_ROOM);

    return cpus + SLOTS_AHEAD < most ? cpus + SLOTS_AHEAD : most;
}

/* The threads to start: one a processor, or as VMEXPORT_THREADS says. 0 and `err` when it makes no
 * sense. */
static unsigned wanted_threads(struct err *err)
{
    const char *text = getenv("VMEXPORT_THREADS");
    unsigned long wanted;
    char *end;

    if (!text)
        return cgroup_cpus();
    wanted = strtoul(text, &end, 10);
    if (wanted >= 1 && wanted <= THREADS_MAX && *end == '\0')
        return (unsigned)wanted;
    err_set(err, ERR_INPUT, "VMEXPORT_THREADS is '%s': a number from 1 to %d", text, THREADS_MAX);
    return 0;
}

int gzip_stream_start(unsigned *threads, struct err *err)
{
    uint64_t streams;

    if (codec_choose(err) < 0 || !(cpus = wanted_threads(err)))
        return -1;
    streams = cgroup_memory() / 2 / (slots_of(GZIP_BYTES) * 2 * BLOCK_ROOM);
    if (streams < STREAMS_MIN)
        streams = STREAMS_MIN;
    if (streams < *threads)
        *threads = (unsigned)streams;
    return pool_start(cpus, err);
}

/* ---- in the pool ---- */

static void encode(struct job *job, struct worker *worker)
{
    struct slot *slot = (struct slot *)((char *)job - offsetof(struct slot, job));
    struct gzip_stream *stream = slot->stream;
    const uint8_t *data = slot->kind == SLOT_FILE ? worker->in : slot->in;

    slot->failed = slot->kind == SLOT_FILE && io_pread(slot->fd, worker->in, slot->len,
                                                       slot->offset, stream->what, &slot->err) < 0;
    if (!slot->failed)
        block_encode(worker->codec, data, slot->len, slot->out, &slot->block);
    pthread_mutex_lock(&stream->lock);
    slot->done = true;
    pthread_cond_signal(&stream->slot_done);
    pthread_mutex_unlock(&stream->lock);
}

/* ---- the way out ---- */

static int send_zeros(struct gzip_stream *s, uint64_t at_least, struct err *err)
{
    while (s->zeros && s->zeros >= at_least) {
        size_t run = s->zeros < FORMAT_ZERO_RUN_MAX ? (size_t)s->zeros : FORMAT_ZERO_RUN_MAX;

        if (response_write(s->res, s->zero_run, format_zero_run(s->zero_run, run), err) < 0)
            return -1;
        s->zeros -= run;
    }
    return 0;
}

/* Zeros wait for their neighbours, but full runs leave at once: a client of an empty disk sees
 * progress. */
static int add_zeros(struct gzip_stream *s, uint64_t len, struct err *err)
{
    s->zeros += len;
    return send_zeros(s, FORMAT_ZERO_RUN_MAX, err);
}

static int send_block(struct gzip_stream *s, const struct slot *slot, struct err *err)
{
    const struct block *block = &slot->block;

    s->crc = format_crc_join(s->crc, block->crc, slot->len);
    if (add_zeros(s, block->lead, err) < 0)
        return -1;
    if (!block->len)
        return 0;
    if (send_zeros(s, 0, err) < 0 || response_write(s->res, slot->out, block->len, err) < 0)
        return -1;
    return add_zeros(s, block->trail, err);
}

static void wait_for(struct gzip_stream *s, struct slot *slot)
{
    pthread_mutex_lock(&s->lock);
    while (!slot->done)
        pthread_cond_wait(&s->slot_done, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

/* Sends the oldest slot under way. */
static int retire(struct gzip_stream *s, struct err *err)
{
    struct slot *slot = &s->slot[s->tail % s->slots];

    wait_for(s, slot);
    s->tail++;
    if (slot->failed) {
        *err = slot->err;
        return -1;
    }
    if (response_peer_left(s->res))
        return err_set(err, ERR_PEER, "the client left");
    s->total += slot->len;
    if (slot->kind != SLOT_ZEROS)
        return send_block(s, slot, err);
    s->crc = format_crc_zeros(s->crc, slot->len);
    return add_zeros(s, slot->len, err);
}

/* ---- the way in ---- */

/* The slot at the head, free to be filled; NULL when sending an older one failed. */
static struct slot *head_slot(struct gzip_stream *s, struct err *err)
{
    struct slot *slot = &s->slot[s->head % s->slots];

    if (s->head - s->tail == s->slots && retire(s, err) < 0)
        return NULL;
    return slot;
}

/* A block's memory, which stays with the slot. */
static int have_memory(const struct gzip_stream *s, uint8_t **block, size_t size, struct err *err)
{
    if (!*block)
        *block = malloc(size);
    return *block ? 0 : err_errno(err, ERR_SYSTEM, ENOMEM, "cannot compress %s", s->what);
}

static void submit(struct gzip_stream *s, struct slot *slot)
{
    slot->done = slot->failed = false;
    slot->job.run = encode;
    s->head++;
    pool_submit(&slot->job);
}

int gzip_stream_file(struct gzip_stream *s, int fd, off_t offset, size_t len, struct err *err)
{
    struct slot *slot = head_slot(s, err);

    assert(len >= 1 && len <= FORMAT_BLOCK);
    if (!slot || have_memory(s, &slot->out, BLOCK_ROOM, err) < 0)
        return -1;
    slot->kind = SLOT_FILE;
    slot->fd = fd;
    slot->offset = offset;
    slot->len = len;
    submit(s, slot);
    return 0;
}

int gzip_stream_zeros(struct gzip_stream *s, uint64_t len, struct err *err)
{
    struct slot *slot = head_slot(s, err);

    if (!slot)
        return -1;
    slot->kind = SLOT_ZEROS;
    slot->len = len;
    slot->failed = false;
    slot->done = true;
    s->head++;
    return 0;
}

static void submit_bytes(struct gzip_stream *s, struct slot *slot)
{
    slot->kind = SLOT_BYTES;
    slot->len = s->filled;
    s->filled = 0;
    submit(s, slot);
}

int gzip_stream_write(struct gzip_stream *s, const void *data, size_t len, struct err *err)
{
    const uint8_t *p = data;

    while (len) {
        struct slot *slot = head_slot(s, err);
        size_t part;

        if (!slot || have_memory(s, &slot->out, BLOCK_ROOM, err) < 0 ||
            have_memory(s, &slot->in, FORMAT_BLOCK, err) < 0)
            return -1;
        part = len < FORMAT_BLOCK - s->filled ? len : FORMAT_BLOCK - s->filled;
        memcpy(slot->in + s->filled, p, part);
        s->filled += part;
        p += part;
        len -= part;
        if (s->filled == FORMAT_BLOCK)
            submit_bytes(s, slot);
    }
    return 0;
}

int gzip_stream_drain(struct gzip_stream *s, struct err *err)
{
    if (s->filled)
        submit_bytes(s, &s->slot[s->head % s->slots]);
    while (s->tail != s->head)
        if (retire(s, err) < 0)
            return -1;
    return 0;
}

int gzip_stream_finish(struct gzip_stream *s, struct err *err)
{
    uint8_t end[FORMAT_END];

    if (gzip_stream_drain(s, err) < 0)
        return -1;
    if (send_zeros(s, 0, err) < 0)
        return -1;
    return response_write(s->res, end, format_end(end, s->crc, s->total), err);
}

/* ---- life ---- */

struct gzip_stream *gzip_stream_open(struct response *res, enum gzip_source source,
                                     uint64_t logical_size, const char *what, struct err *err)
{
    struct gzip_stream *s = calloc(1, sizeof(*s));
    uint8_t header[FORMAT_HEADER];

    if (s) {
        s->res = res;
        s->what = what;
        pthread_mutex_init(&s->lock, NULL);
        pthread_cond_init(&s->slot_done, NULL);
        s->slots = slots_of(source);
        s->slot = calloc(s->slots, sizeof(*s->slot));
        s->zero_run = malloc(FORMAT_ZERO_RUN_ROOM(FORMAT_ZERO_RUN_MAX));
    }
    if (!s || !s->slot || !s->zero_run) {
        err_errno(err, ERR_SYSTEM, ENOMEM, "cannot compress %s", what);
    } else {
        for (size_t i = 0; i < s->slots; i++)
            s->slot[i].stream = s;
        if (response_write(res, header, format_header(header, logical_size), err) == 0)
            return s;
    }
    gzip_stream_close(s);
    return NULL;
}

void gzip_stream_close(struct gzip_stream *s)
{
    if (!s)
        return;
    for (; s->tail != s->head; s->tail++)
        wait_for(s, &s->slot[s->tail % s->slots]);
    for (size_t i = 0; s->slot && i < s->slots; i++) {
        free(s->slot[i].in);
        free(s->slot[i].out);
    }
    pthread_cond_destroy(&s->slot_done);
    pthread_mutex_destroy(&s->lock);
    free(s->slot);
    free(s->zero_run);
    free(s);
}
