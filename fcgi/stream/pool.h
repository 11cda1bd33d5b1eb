/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process's compressing threads, shared by all its streams: as many as there are processors to
 * use, so that no number of downloads makes more. Jobs are done in the order in which they were
 * submitted; a stream has only a few under way, so streams share the threads evenly.
 */
#pragma once

#include "block.h"

struct worker {
    struct codec *codec;
    uint8_t *in; /* FORMAT_BLOCK bytes to read into */
};

/* Embedded in the submitter's own struct; `run` is called in a pool thread and must not block on a
 * peer. */
struct job {
    void (*run)(struct job *job, struct worker *worker);
    struct job *next;
};

/* Starts the threads; once a process. */
int pool_start(unsigned threads, struct err *err);

void pool_submit(struct job *job);
