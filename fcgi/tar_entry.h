/* SPDX-License-Identifier: Apache-2.0 */
/* What an archive says of an entry before its data. */
#pragma once

#include "base/err.h"
#include "tree.h"

#include <sys/stat.h>

struct archive_entry;

/*
 * Fills in the name, what `st` has, the target of a link, the extended attributes, and for a file
 * with holes where its data are. `fd`: the entry, opened; -1 for what has neither content nor
 * attributes. `what` names the source in messages. Nothing is read of the data.
 */
int tar_entry_describe(struct archive_entry *entry, const struct tree_entry *from, int fd,
                       const struct stat *st, const char *what, struct err *err);
