/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Within output*.c. output.c finds out which kind an output is; a kind is a table of what it does:
 * output_part.c (files), output_device.c, output_stream.c (in order).
 */
#pragma once

#include "transfer/output.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

struct stat;

struct output_kind {
    bool in_order;
    int (*begin)(struct output *output, const struct output_state *state, struct err *err);
    int (*write)(struct output *output, uint64_t offset, const void *data, size_t len,
                 struct err *err);
    int (*zeros)(struct output *output, uint64_t offset, uint64_t len, struct err *err);
    int (*finish)(struct output *output, uint64_t size, struct err *err);
    int (*keep)(struct output *output, const struct output_state *state, struct err *err);
    void (*close)(struct output *output); /* before the descriptor is closed; NULL: nothing */
};

struct output {
    const struct output_kind *kind;
    char *name;          /* for messages */
    int fd;              /* of the part, the device or the stream; -1 */
    atomic_ullong total; /* the size of the content as far as it was told; UINT64_MAX */

    /* a file */
    char *path, *part, *note, *note_new, *folder;
    bool begun, finished, kept;
    bool noted; /* the note on the disk says `earlier`, which is true of the part */
    struct output_state earlier;
    atomic_ullong data;      /* bytes written: when to set the disk to work */
    atomic_bool failed;      /* a write: nobody writes until it is begun again */
    pthread_rwlock_t length; /* writers share it; who sets the length has it alone */

    /* a device */
    uint64_t device_size;
    unsigned sector;

    /* in order */
    atomic_ullong written;
    size_t piece; /* the most that one write(2) is given */
    bool regular;
};

extern const struct output_kind output_file_kind, output_device_kind, output_stream_kind;

/* Finds what there is already: the part of an earlier run, and locks it. */
int output_file_open(struct output *output, struct err *err);
int output_device_open(struct output *output, const char *path, struct err *err);
int output_fifo_open(struct output *output, const char *path, struct err *err);
int output_character_open(struct output *output, const char *path, struct err *err);
int output_stdout_open(struct output *output, struct err *err);

/* Opens and locks the part, which `make` makes if need be; `st` is of it. Without one and without
 * `make`, output->fd stays -1. (output_lock.c) */
int output_take_part(struct output *output, bool make, struct stat *st, struct err *err);

/* pwrite(2) until all is there; output_failed when it is not. */
int output_pwrite(struct output *output, uint64_t offset, const void *data, size_t len,
                  struct err *err);

/* The error of a write at `offset` that failed by `errnum`: with what the user can do. Returns -1. */
int output_failed(struct output *output, int errnum, uint64_t offset, struct err *err);

/* ---- the note beside a part (output_note.c) ---- */

/* Reads it; false when there is none, or none that can be believed, for the part with this stat. */
bool output_note_read(const char *path, const struct stat *part, struct output_state *state);
/* Writes it: the old one or the new one is there whenever the power fails. errno's number, or 0. */
int output_note_write(const struct output *output, const struct stat *part,
                      const struct output_state *state);
/* fsync(2) of the folder, where that can be done. errno's number, or 0. */
int output_sync_folder(const struct output *output);

/* ---- where a path leads to (output_path.c) ---- */

/* The file that `path` names after all links, which need not be there yet, and its folder, which
 * must: both to be freed. */
int output_path_find(const char *path, char **file, char **folder, struct err *err);
