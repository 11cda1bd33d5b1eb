/* SPDX-License-Identifier: Apache-2.0 */
/* Serving an open file or block device as it is: validators, ranges, X-Sendfile. */
#pragma once

#include "request.h"
#include "response.h"

#include <sys/stat.h>

/*
 * Appends the strong entity tag of a file, quotes included: a digest of its identity (inode, size,
 * time of last change) and the volume's. Of a block device, which has none of these, the volume's
 * identity is all there is; without one nothing is appended, as a tag that does not change with the
 * content would be a lie.
 */
void file_etag(const struct stat *st, const struct volume *volume, struct str *etag);

struct file {
    int fd;           /* open for reading; stays the caller's */
    struct stat st;   /* st_size is set for a block device too */
    const char *etag; /* "" when there is none */
    const char *type; /* media type */
    const char *what; /* names it in messages */
};

/*
 * Answers with a regular file or a block device, with everything of RFC 9110 §13 and §14. Further
 * headers are added by the caller before. Regular files go out by lighttpd (X-Sendfile) where it
 * does the right thing.
 */
int file_serve(const struct request *req, struct response *res, const struct file *file,
               struct err *err);
