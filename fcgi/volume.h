/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The volumes that this export gives out, as VMEXPORT_VOLUMES names them: one line each,
 *
 *     NAME CONTENT IDENTITY PATH
 *
 * NAME      as in the URL: /volumes/NAME/...
 * CONTENT   "archive" (a directory), or "disk" (a directory with disk.img, a file, a block device)
 * IDENTITY  changes whenever somebody else may have written to the volume; "-" for none
 * PATH      where it is; the rest of the line, so it may have blanks
 *
 * Paths inside a volume are resolved by the kernel below the volume's root (openat2(2),
 * RESOLVE_BENEATH): "..", symbolic links and races cannot lead out.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

enum volume_content { VOLUME_DISK, VOLUME_ARCHIVE };

struct volume {
    char *name;
    enum volume_content content;
    char *identity; /* "" when there is none */
    char *path;
};

struct volume_table {
    struct volume *volume;
    size_t count;
};

/* Limits of a path below a volume: more is ERR_NOT_FOUND, as no such file can be there. */
enum { VOLUME_PATH_MAX = 4095, VOLUME_DEPTH_MAX = 256 };

/* Fills `table` from the text of VMEXPORT_VOLUMES; ERR_INPUT names the line. Freed by
 * volume_table_free. */
int volume_table_parse(struct volume_table *table, const char *text, struct err *err);
void volume_table_free(struct volume_table *table);

/* The volume of that name, NULL when there is none. */
const struct volume *volume_find(const struct volume_table *table, const char *name, size_t len);

enum volume_open_flags {
    VOLUME_NO_LINKS = 1 << 0, /* a symbolic link anywhere on the way is ERR_NOT_FOUND */
};

/*
 * Opens `path` below the volume ("" is its root) for reading and fills `st`. Only regular files,
 * directories and, as the volume itself, block devices: anything else is ERR_FORBIDDEN without
 * being opened, as opening a FIFO or a device can hang or act. Returns a descriptor that the caller
 * closes.
 */
int volume_open(const struct volume *volume, const char *path, unsigned flags, struct stat *st,
                struct err *err);

/* Appends the path of an open file as the kernel knows it: no symbolic link is in it. */
int volume_real_path(int fd, struct str *path, struct err *err);
