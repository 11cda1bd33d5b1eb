/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk over everything below a directory: each directory before its content, names in byte order,
 * so that the same tree gives the same walk. Symbolic links are entries and never followed.
 */
#pragma once

#include "base/err.h"

#include <sys/stat.h>

struct tree;

struct tree_entry {
    const char *path; /* "." for the root, else "./a/b"; good until the next call */
    const char *name; /* the last part of it; "." for the root */
    int dir;          /* the open directory that has `name` */
    struct stat st;   /* of the entry itself, not of a link's target */
};

/*
 * Limits, each an error and never an entry left out: levels, as each holds a descriptor, and bytes
 * of names in one directory, as they are held to be sorted.
 */
enum { TREE_DEPTH_MAX = 2048, TREE_NAMES_MAX = 512 << 20 };

/* Begins a walk; `root` is an open directory that the tree takes over. NULL when memory is out. */
struct tree *tree_new(int root, struct err *err);
void tree_free(struct tree *tree);

/*
 * 1 with the next entry, 0 at the end, negative on failure. After a failure the walk can go on:
 * what could not be read is passed over, and tree_path says what it was.
 */
int tree_next(struct tree *tree, struct tree_entry *entry, struct err *err);
const char *tree_path(const struct tree *tree);

/* Leaves out what is below the directory that was the last entry. */
void tree_pass_over(struct tree *tree);
