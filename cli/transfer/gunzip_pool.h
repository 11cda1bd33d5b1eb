/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacks the pieces of our framing by several threads and delivers them, or keeps them. Fed by one
 * thread, which waits when all slots are taken.
 */
#pragma once

#include "frames.h"
#include "gunzip_private.h"

struct gunzip_pool;

/* Starts the threads, as many as state->options says and memory allows. `state` must outlive it. NULL
 * and `err` on failure. */
struct gunzip_pool *gunzip_pool_new(struct gunzip_state *state, struct err *err);

/* A piece of data as frames_next tells it (FRAMES_DATA): returns room for its run; NULL when an
 * earlier piece failed. When the run is there, gunzip_pool_submit; before that it is nothing. */
uint8_t *gunzip_pool_data(struct gunzip_pool *pool, const struct frames *piece, struct err *err);
void gunzip_pool_submit(struct gunzip_pool *pool);
/* A piece of zeros (FRAMES_ZEROS). */
int gunzip_pool_zeros(struct gunzip_pool *pool, const struct frames *piece, struct err *err);

/* Waits until all pieces are delivered. */
int gunzip_pool_drain(struct gunzip_pool *pool, struct err *err);
/* The same, and checks the stream's trailer (FRAMES_END). */
int gunzip_pool_check(struct gunzip_pool *pool, const struct frames *end, struct err *err);

/* Ends the threads, whatever they have under way: only gunzip_pool_free then. */
void gunzip_pool_stop(struct gunzip_pool *pool);
/* NULL is fine. */
void gunzip_pool_free(struct gunzip_pool *pool);
