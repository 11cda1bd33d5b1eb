/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locals that release themselves at the end of their scope. Used where it removes an error path.
 * `steal_fd` and `steal_ptr` hand the value out and leave nothing to release.
 */
#pragma once

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_(void *p)
{
    free(*(void **)p);
}

static inline void cleanup_close_(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void cleanup_closedir_(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

#define cleanup_free __attribute__((cleanup(cleanup_free_)))
#define cleanup_close __attribute__((cleanup(cleanup_close_)))
#define cleanup_closedir __attribute__((cleanup(cleanup_closedir_)))

static inline int steal_fd(int *fd)
{
    int out = *fd;
    *fd = -1;
    return out;
}

#define steal_ptr(p) \
    __extension__({ \
        __typeof__(p) out_ = (p); \
        (p) = NULL; \
        out_; \
    })
