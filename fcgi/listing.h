/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entries of a directory, written as HTML or JSON. Only their names are held; what else is
 * shown of an entry is looked up while it is written.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "names.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Larger directories are refused: such a page would help nobody, and memory is shared. */
enum { LISTING_BYTES_MAX = 64 << 20 };

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
int listing_html(const struct names *names, size_t i, struct str *out, struct err *err);
int listing_json(const struct names *names, size_t i, struct str *out, bool *shown,
                 struct err *err);

/* The lines before and after the entries. */
extern const char listing_html_head[], listing_html_tail[];
