/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Within output*.c. output.c finds out which kind an output is; a kind is a table of what it does:
 * output_part.c (files), output_device.c, output_stream.c (in order).
 */
#pragma once

#include "transfer/output.h"

#include <stdatomic.h>
#include <sys/stat.h>

struct output_kind {
    bool in_order;
    int (*expect)(struct output *output, uint64_t size,
                  struct err *err); /* NULL: any size will do */
    int (*begin)(struct output *output, const struct output_state *state, struct err *err);
    int (*write)(struct output *output, uint64_t offset, const void *data, size_t len,
                 struct err *err);
    int (*zeros)(struct output *output, uint64_t offset, uint64_t len, struct err *err);
    int (*finish)(struct output *output, uint64_t size, struct err *err);
    int (*keep)(struct output *output, const struct output_state *state,
                struct err *err);         /* NULL: nothing stays for a next run */
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
    struct timespec changed; /* the part's ctime when the note was written */
    atomic_ullong data;      /* bytes written: when to set the disk to work */
    atomic_ullong end;       /* where the part ends by what we did */
    atomic_bool failed;      /* a write: nobody writes until it is begun again */

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

/* That `path` leads to the file of this stat. */
bool output_is_still_there(const char *path, const struct stat *st);
/* That output->path is not the part or the note of a run under way. ERR_UNAVAILABLE. */
int output_must_be_free(const struct output *output, struct err *err);
/* "PATH is in the way". Returns -1. */
int output_in_the_way(const struct output *output, const char *path, const char *why,
                      struct err *err);

/* ---- what stays of a part (output_keep.c) ---- */

/* That nobody replaced or cut the part, whose stat is filled. ERR_PRECONDITION. */
int output_must_be_as_written(const struct output *output, struct stat *st, struct err *err);
int output_file_keep(struct output *output, const struct output_state *state, struct err *err);
/* The end: what was kept stays, with a note that is true; other parts are removed. */
void output_file_close(struct output *output);

/* pwrite(2) until all is there; output_failed when it is not. */
int output_pwrite(struct output *output, uint64_t offset, const void *data, size_t len,
                  struct err *err);

/* The error of a write at `offset` that failed by `errnum`: with what the user can do. Returns -1. */
int output_failed(struct output *output, int errnum, uint64_t offset, struct err *err);

/* ---- the note beside a part (output_note.c) ---- */

enum output_note {
    OUTPUT_NOTE_NONE,
    OUTPUT_NOTE_FOREIGN, /* a file that we did not write */
    OUTPUT_NOTE_STRAY,   /* ours, of a part that is gone */
    OUTPUT_NOTE_EMPTY,   /* of this part, which is ours: says nothing of use */
    OUTPUT_NOTE_CHANGED, /* of this part as it was before somebody wrote to it */
    OUTPUT_NOTE_TRUE,
};

/* Reads it, for the part with this stat (NULL: there is none). `state` is only of use when true. */
enum output_note output_note_read(const char *path, const struct stat *part,
                                  struct output_state *state);
/* Whether what is at the path of a new note, if anything, may be removed: it is of ours. */
bool output_note_new_is_ours(const char *path);
/* Writes it: the old one or the new one is there whenever the power fails. A `state` whose position
 * is 0 says no more than that the part is ours. errno's number, or 0. */
int output_note_write(const struct output *output, const struct stat *part,
                      const struct output_state *state);
/* fsync(2) of the folder, where that can be done. errno's number, or 0. */
int output_sync_folder(const struct output *output);

/* ---- where a path leads to (output_path.c) ---- */

/* The file that `path` names after all links, which need not be there yet, and its folder, which
 * must: both to be freed. */
int output_path_find(const char *path, char **file, char **folder, struct err *err);
