/* SPDX-License-Identifier: Apache-2.0 */
#include "gunzip_keep.h"
#include "export/format.h"

#include <errno.h>
#include <isa-l/crc.h>
#include <stdlib.h>
#include <string.h>

enum { HELD_MAX = 4 << 20 };

struct gunzip_keep {
    struct gunzip_state *state;
    uint8_t *held; /* since the last point */
    size_t len;
    uint64_t at;  /* the content that was told of */
    uint32_t crc; /* up to there, once it began */
    bool began;   /* where the earlier stream was kept up to is reached */
    bool passing; /* nothing is held back */
    bool many;    /* more than one member */
};

struct gunzip_keep *gunzip_keep_new(struct gunzip_state *state, struct err *err)
{
    struct gunzip_keep *k = calloc(1, sizeof(*k));

    if (k)
        k->held = malloc(HELD_MAX);
    if (!k || !k->held) {
        gunzip_keep_free(k);
        err_errno(err, ERR_SYSTEM, ENOMEM, "cannot check a gzip stream");
        return NULL;
    }
    k->state = state;
    k->at = state->options.from;
    k->crc = state->options.have_crc;
    k->began = !state->options.have;
    return k;
}

void gunzip_keep_free(struct gunzip_keep *k)
{
    if (!k)
        return;
    free(k->held);
    free(k);
}

static int pass(struct gunzip_keep *k, const void *data, size_t len, struct err *err)
{
    const struct gunzip_options *o = &k->state->options;

    return len ? o->keep(o->ctx, data, len, err) : 0;
}

static int pass_held(struct gunzip_keep *k, struct err *err)
{
    size_t len = k->len;

    k->len = 0;
    return pass(k, k->held, len, err);
}

/* All that was told of is kept. */
static void set_position(struct gunzip_keep *k)
{
    k->state->crc = k->crc;
    atomic_store(&k->state->position, k->at);
}

int gunzip_keep_take(struct gunzip_keep *k, const void *data, size_t len, struct err *err)
{
    if (!k->began)
        return 0;
    if (!k->passing && len > HELD_MAX - k->len) {
        k->passing = true;
        k->state->resumable = false;
        if (pass_held(k, err) < 0)
            return -1;
    }
    if (k->passing)
        return pass(k, data, len, err);
    memcpy(k->held + k->len, data, len);
    k->len += len;
    return 0;
}

void gunzip_keep_content(struct gunzip_keep *k, const void *data, size_t len)
{
    k->at += len;
    if (!k->began)
        return;
    k->crc = crc32_gzip_refl(k->crc, data, len);
    if (k->passing)
        set_position(k);
}

int gunzip_keep_point(struct gunzip_keep *k, struct err *err)
{
    if (!k->began) {
        k->began = k->at == k->state->options.have;
        return k->at > k->state->options.have ? gunzip_no_point(err, k->state->options.have) : 0;
    }
    if (k->many || k->at == k->state->options.from || k->at % FORMAT_BLOCK)
        return 0;
    if (pass_held(k, err) < 0)
        return -1;
    k->passing = false;
    k->state->resumable = true;
    set_position(k);
    return 0;
}

int gunzip_keep_member(struct gunzip_keep *k, struct err *err)
{
    return k->began ? 0 : gunzip_no_point(err, k->state->options.have);
}

/* The first member's last part, and its trailer: of all, also what an earlier stream had of it. */
static int end_first(struct gunzip_keep *k, struct err *err)
{
    enum { TRAILER = 8 };
    uint8_t end[FORMAT_END];

    format_end(end, k->crc, k->at);
    k->passing = true;
    k->state->resumable = false;
    if (pass_held(k, err) < 0 || pass(k, end + FORMAT_END - TRAILER, TRAILER, err) < 0)
        return -1;
    set_position(k);
    return 0;
}

int gunzip_keep_another(struct gunzip_keep *k, struct err *err)
{
    if (k->many)
        return 0;
    k->many = true;
    return end_first(k, err);
}

int gunzip_keep_finish(struct gunzip_keep *k, struct err *err)
{
    return k->many ? 0 : end_first(k, err);
}
