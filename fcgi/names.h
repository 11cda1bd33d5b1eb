/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names in a directory, in byte order. Nothing else is held of an entry, so that a directory of
 * a million files takes tens of megabytes.
 */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct names {
    int fd; /* the directory; not owned */
    /* An entry: its d_type, then its name with its NUL, one entry after the other. */
    char *arena;
    size_t used, allocated;
    uint32_t *entry; /* offsets in the arena, sorted */
    size_t count, room;
};

#define cleanup_names __attribute__((cleanup(names_release)))
#define NAMES_INIT \
    { \
        .fd = -1 \
    }

/*
 * Reads all names of the directory `fd`, which must stay open and is not closed. ERR_LIMIT when
 * they take more than `bytes_max` (at most NAMES_BYTES_MAX); an error of the disk is one here,
 * never a short list. Released by names_release, also after a failure.
 */
enum { NAMES_BYTES_MAX = 1 << 30 };
int names_read(struct names *names, int fd, size_t bytes_max, struct err *err);
void names_release(struct names *names);

const char *names_get(const struct names *names, size_t i);

/* The entry's d_type (readdir(3)): DT_UNKNOWN where the file system doesn't say. */
unsigned char names_type(const struct names *names, size_t i);
