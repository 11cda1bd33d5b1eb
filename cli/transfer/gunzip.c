/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts: frames reads our framing, gunzip_pool unpacks its pieces by several threads;
 * gunzip_foreign unpacks a stream that has none, gunzip_keep cuts one that is kept. Which it is, the
 * first bytes say.
 */
#include "frames.h"
#include "gunzip_foreign.h"
#include "gunzip_piece.h"
#include "gunzip_pool.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct gunzip {
    struct gunzip_state state;
    struct frames frames;
    struct gunzip_pool *pool;       /* for our framing */
    struct gunzip_foreign *foreign; /* or for any other */
    uint8_t *run;                   /* where the next part of a run goes */
    bool ended;                     /* our framing's end came */
};

static bool options_make_sense(const struct gunzip_options *o)
{
    if (!o->threads || o->from % FORMAT_BLOCK || (!o->keep && (!o->write || !o->zeros)))
        return false;
    if (o->have)
        return o->have >= o->from && o->have - o->from <= FORMAT_BLOCK;
    return !o->keep || !o->from;
}

struct gunzip *gunzip_new(const struct gunzip_options *options, struct err *err)
{
    struct gunzip *g = calloc(1, sizeof(*g));

    assert(options_make_sense(options));
    if (!g) {
        err_errno(err, ERR_SYSTEM, ENOMEM, "cannot unpack");
        return NULL;
    }
    g->state.options = *options;
    g->state.resumable = true;
    atomic_init(&g->state.position, options->have ? options->have : options->from);
    g->state.crc = options->have ? options->have_crc : 0;
    frames_init(&g->frames, options->from);
    return g;
}

void gunzip_free(struct gunzip *g)
{
    if (!g)
        return;
    gunzip_pool_free(g->pool);
    gunzip_foreign_free(g->foreign);
    free(g);
}

/* ---- feeding ---- */

static int begin_foreign(struct gunzip *g, struct err *err)
{
    g->foreign = gunzip_foreign_new(&g->state, err);
    if (!g->foreign)
        return -1;
    return gunzip_foreign_feed(g->foreign, g->frames.head, g->frames.head_len, err);
}

static int begin_framed(struct gunzip *g, struct err *err)
{
    g->state.size = g->frames.size;
    g->pool = gunzip_pool_new(&g->state, err);
    return g->pool ? 0 : -1;
}

static int end_framed(struct gunzip *g, struct err *err)
{
    g->ended = true;
    return gunzip_pool_check(g->pool, &g->frames, err);
}

static int take_event(struct gunzip *g, int event, struct err *err)
{
    const struct frames *f = &g->frames;

    if (event == FRAMES_FOREIGN)
        return begin_foreign(g, err);
    if (!g->pool && begin_framed(g, err) < 0)
        return -1;
    switch (event) {
    case FRAMES_DATA:
        g->run = gunzip_pool_data(g->pool, f, err);
        return g->run ? 0 : -1;
    case FRAMES_SPAN:
        memcpy(g->run, f->span, f->span_len);
        g->run += f->span_len;
        if (!f->run_left)
            gunzip_pool_submit(g->pool);
        return 0;
    case FRAMES_ZEROS:
        return gunzip_pool_zeros(g->pool, f, err);
    default:
        return end_framed(g, err);
    }
}

int gunzip_feed(struct gunzip *g, const void *data, size_t len, struct err *err)
{
    const uint8_t *p = data;

    while (!g->foreign) {
        int event = frames_next(&g->frames, &p, &len, err);

        if (event <= FRAMES_MORE)
            return event;
        if (take_event(g, event, err) < 0)
            return -1;
    }
    return gunzip_foreign_feed(g->foreign, p, len, err);
}

int gunzip_drain(struct gunzip *g, struct err *err)
{
    if (g->foreign)
        return gunzip_foreign_drain(g->foreign, err);
    return g->pool ? gunzip_pool_drain(g->pool, err) : 0;
}

int gunzip_finish(struct gunzip *g, struct err *err)
{
    if (g->foreign)
        return gunzip_foreign_finish(g->foreign, err);
    if (gunzip_drain(g, err) < 0)
        return -1;
    if (!g->ended)
        return gunzip_damaged(err, gunzip_position(g), "it ends too early");
    if (!g->state.options.keep)
        return 0;
    g->state.resumable = false;
    return gunzip_piece_end(&g->state, err);
}

void gunzip_stop(struct gunzip *g)
{
    if (g->pool)
        gunzip_pool_stop(g->pool);
}

/* ---- how far it came ---- */

uint64_t gunzip_position(const struct gunzip *g)
{
    return atomic_load(&g->state.position);
}

uint32_t gunzip_crc(const struct gunzip *g)
{
    return g->state.crc;
}

bool gunzip_resumable(const struct gunzip *g)
{
    return g->state.resumable;
}

uint64_t gunzip_size(const struct gunzip *g)
{
    return g->frames.size;
}
