/* SPDX-License-Identifier: Apache-2.0 */
#include "tar_entry.h"
#include "base/cleanup.h"

#include <archive_entry.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { XATTR_MAX = 64 << 10 }; /* of a list and of a value (xattr(7)) */

static int add_link_target(struct archive_entry *entry, const struct tree_entry *from,
                           const char *what, struct err *err)
{
    char target[PATH_MAX];
    ssize_t len = readlinkat(from->dir, from->name, target, sizeof(target) - 1);

    if (len < 0)
        return err_errno(err, ERR_NONE, errno, "cannot read the link '%s' of %s", from->path, what);
    target[len] = '\0';
    archive_entry_copy_symlink(entry, target);
    return 0;
}

static int add_xattrs(struct archive_entry *entry, int fd, const char *path, const char *what,
                      struct err *err)
{
    cleanup_free char *names = malloc(XATTR_MAX), *value = malloc(XATTR_MAX);
    ssize_t total;

    if (!names || !value)
        return err_errno(err, ERR_SYSTEM, ENOMEM, "cannot archive %s", what);
    total = flistxattr(fd, names, XATTR_MAX);
    if (total < 0 && errno == ENOTSUP)
        return 0;
    for (const char *name = names; total >= 0 && name < names + total; name += strlen(name) + 1) {
        ssize_t len = fgetxattr(fd, name, value, XATTR_MAX);

        if (len >= 0)
            archive_entry_xattr_add_entry(entry, name, value, (size_t)len);
        else if (errno != ENODATA && errno != ENOTSUP)
            total = -1;
    }
    if (total < 0)
        return err_errno(err, ERR_NONE, errno, "cannot read the attributes of '%s' of %s", path,
                         what);
    return 0;
}

/* The next extent of data at or after `*start`: 1, 0 when only a hole is left, negative on failure. */
static int next_extent(int fd, off_t size, off_t *start, off_t *end)
{
    *start = *start < size ? lseek(fd, *start, SEEK_DATA) : size;
    if (*start < 0)
        return errno == ENXIO ? 0 : -1;
    if (*start >= size)
        return 0;
    *end = lseek(fd, *start, SEEK_HOLE);
    if (*end < 0)
        return -1;
    *end = *end < size ? *end : size;
    return 1;
}

/*
 * Notes where the data are, when the file has holes. A file system that cannot say where they are has none for
 * us; one that fails to say it is a failure, as what is not noted here becomes zeros.
 */
static int add_sparse_map(struct archive_entry *entry, int fd, const struct stat *st,
                          const char *path, const char *what, struct err *err)
{
    off_t start = 0, end = 0;
    int more;

    if ((off_t)st->st_blocks * 512 >= st->st_size)
        return 0;
    while ((more = next_extent(fd, st->st_size, &start, &end)) > 0) {
        archive_entry_sparse_add_entry(entry, start, end - start);
        start = end;
    }
    if (more < 0 && (errno == EINVAL || errno == ENOTSUP))
        archive_entry_sparse_clear(entry);
    else if (more < 0)
        return err_errno(err, ERR_IO, errno, "cannot find the data of '%s' of %s", path, what);
    else if (archive_entry_sparse_count(entry) == 0)
        archive_entry_sparse_add_entry(entry, st->st_size, 0); /* nothing but a hole */
    return 0;
}

int tar_entry_describe(struct archive_entry *entry, const struct tree_entry *from, int fd,
                       const struct stat *st, const char *what, struct err *err)
{
    archive_entry_copy_stat(entry, st);
    archive_entry_copy_pathname(entry, from->path);
    if (S_ISLNK(st->st_mode))
        return add_link_target(entry, from, what, err);
    if (fd >= 0 && add_xattrs(entry, fd, from->path, what, err) < 0)
        return -1;
    return S_ISREG(st->st_mode) ? add_sparse_map(entry, fd, st, from->path, what, err) : 0;
}
