/* SPDX-License-Identifier: Apache-2.0 */
/* Private to fetch*.c: one download under way. */
#pragma once

#include "transfer/fetch.h"
#include "transfer/retry.h"

/* How a gzip from the disk's beginning begins: what is asked for from elsewhere and begins alike was
 * not given from there. */
enum { FETCH_BEGINNING = 256 };

/* A multiple of it is where a gzip may be gone on from (?from=). */
#define FETCH_GRID ((uint64_t)1 << 20)

struct fetch_run {
    const struct fetch *fetch;
    struct http *http;
    struct output_state state; /* what is there, and of what */
    bool begun;                /* the output is */
    struct retry retry;
    uint64_t expected; /* the size of the disk, by its raw link; HTTP_UNKNOWN */
    uint8_t beginning[FETCH_BEGINNING];
    size_t beginning_len;
    unsigned again;    /* how often we had to start again */
    bool changed;      /* the server's resource is not what state.etag says */
    bool whole;        /* the server's gzip can only be had from its beginning */
    bool from_ignored; /* which has just turned out */
    bool crc_came;     /* state.crc is what the server said, too */
    bool size_came;    /* state.size is what the server said of this resource */
};

/* The first answer came: begins the output, with what there is. Nothing is lost to a server that has
 * nothing to give. `size` of what will be written, HTTP_UNKNOWN. */
int fetch_begin(struct fetch_run *run, uint64_t size, struct err *err);

/* Throws away what is there: the server has another disk, or one that cannot be gone on with. */
int fetch_again(struct fetch_run *run, const char *why, struct err *err);

/* By several connections. `*done` false when the server does not do ranges: nothing was fetched. */
int fetch_ranges(struct fetch_run *run, bool *done, struct err *err);
/* By one, until all is there. */
int fetch_stream(struct fetch_run *run, struct err *err);
