/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gzip stream that has not our framing, of any server: one or more members (RFC 1952 §2.2), and
 * after them zeros at most, as gzip allows. By the thread that feeds. Content is delivered in parts of
 * 256 KiB.
 */
#pragma once

#include "gunzip_private.h"

struct gunzip_foreign;

/* `state` must outlive it. NULL and `err` on failure. */
struct gunzip_foreign *gunzip_foreign_new(struct gunzip_state *state, struct err *err);
int gunzip_foreign_feed(struct gunzip_foreign *foreign, const uint8_t *data, size_t len,
                        struct err *err);
/* Delivers what was unpacked; nothing for a stream that is kept. */
int gunzip_foreign_drain(struct gunzip_foreign *foreign, struct err *err);
/* Drains; ERR_PRECONDITION when the stream doesn't end here. */
int gunzip_foreign_finish(struct gunzip_foreign *foreign, struct err *err);
/* NULL is fine. */
void gunzip_foreign_free(struct gunzip_foreign *foreign);
