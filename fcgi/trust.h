/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CA certificates that exports' certificates are verified by: a file that is replaced while the
 * program runs (Kubernetes swaps a symbolic link). What is no certificate does not replace what
 * was: the last good file counts. Thread-safe.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

enum { TRUST_MAX = 1 << 20 }; /* bytes of the file */

/* Names the file; it may be missing yet. The string stays the caller's. */
void trust_open(const char *file);
void trust_close(void);

/*
 * Looks whether the file has changed. `generation` says which bundle the caller has, 0 for none; when there is
 * another, replaces the text in `pem` by it and sets `generation`. ERR_UNAVAILABLE while there has
 * never been a good one.
 */
int trust_get(unsigned *generation, struct str *pem, struct err *err);
