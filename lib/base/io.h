/* SPDX-License-Identifier: Apache-2.0 */
/* Whole reads and writes: EINTR and partial transfers are dealt with here and nowhere else. */
#pragma once

#include "err.h"
#include "str.h"

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

/*
 * Reads exactly `len` bytes at `offset`. A file that ends before is an error (ERR_IO), as a disk
 * that got shorter must never look like one that ended. `what` names the file in the message.
 */
int io_pread(int fd, void *buf, size_t len, off_t offset, const char *what, struct err *err);

/* Writes all of it; `iov` is used up on the way. ERR_PEER when the reader has left. */
int io_writev(int fd, struct iovec *iov, int count, struct err *err);

/* Appends the whole file to `out`; ERR_INPUT when it is longer than `max` bytes. */
int io_read_file(const char *path, size_t max, struct str *out, struct err *err);
