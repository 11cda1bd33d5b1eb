/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps a gzip stream that has not our framing as it is, up to points from which it may be gone on:
 * where a block of deflate ends on a byte boundary, and the content at a multiple of 1 MiB. What comes
 * after the last one is held back. When that becomes too much, all is passed on until there is such a
 * point again; so it is from a second member on, for good. Used by one thread.
 */
#pragma once

#include "gunzip_private.h"

struct gunzip_keep;

/* NULL and `err` on failure. `state` must outlive it. */
struct gunzip_keep *gunzip_keep_new(struct gunzip_state *state, struct err *err);
/* NULL is fine. */
void gunzip_keep_free(struct gunzip_keep *keep);

/* Bytes of the stream; not the trailer of the first member. */
int gunzip_keep_take(struct gunzip_keep *keep, const void *data, size_t len, struct err *err);
/* Content that came of what was taken. */
void gunzip_keep_content(struct gunzip_keep *keep, const void *data, size_t len);
/* After all content of what was taken: a block ended here on a byte boundary, or begins after the
 * header. */
int gunzip_keep_point(struct gunzip_keep *keep, struct err *err);
/* The first member ended, as its trailer says. */
int gunzip_keep_member(struct gunzip_keep *keep, struct err *err);
/* Another one begins. */
int gunzip_keep_another(struct gunzip_keep *keep, struct err *err);
/* The stream ended. */
int gunzip_keep_finish(struct gunzip_keep *keep, struct err *err);
