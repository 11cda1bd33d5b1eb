/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entries of a directory in byte order of their names, written as HTML or JSON. Only names are
 * held, so that a directory of a million files takes tens of megabytes; what else is shown of an
 * entry is looked up while it is written.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Larger directories are refused: such a page would help nobody, and memory is shared. */
enum { LISTING_MAX = 1000000, LISTING_BYTES_MAX = 64 * 1024 * 1024 };

struct listing {
    int fd; /* the directory; not owned */
    /* An entry: its d_type, then its name with its NUL, one entry after the other. */
    char *arena;
    size_t used, allocated;
    uint32_t *entry; /* offsets in the arena, sorted */
    size_t count, room;
};

/*
 * Reads all names of the directory `fd`, which must stay open and is not closed. ERR_FORBIDDEN
 * when there are too many; any error of the disk is one here, never a short list. Released by
 * listing_release, also after a failure.
 */
int listing_read(struct listing *listing, int fd, struct err *err);
void listing_release(struct listing *listing);

#define cleanup_listing __attribute__((cleanup(listing_release)))
#define LISTING_INIT \
    { \
        .fd = -1 \
    }

const char *listing_name(const struct listing *listing, size_t i);

/*
 * Appends one entry. An entry that was removed since is left out; one that may not be looked at is
 * shown with what is known of it.
 *
 * HTML: a line as Go's http.FileServer writes it, <a href="URL">NAME</a>, with '/' after the name
 * of a directory. JSON: {"name","href","type","size" (of files),"mtime","target" (of symbolic
 * links)}; false in
 * `*shown` when it was left out. A name that is not UTF-8 has U+FFFD in "name"; "href" always leads
 * to the file.
 */
int listing_html(const struct listing *listing, size_t i, struct str *out, struct err *err);
int listing_json(const struct listing *listing, size_t i, struct str *out, bool *shown,
                 struct err *err);

/* The lines before and after the entries. */
extern const char listing_html_head[], listing_html_tail[];
