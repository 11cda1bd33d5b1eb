/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part is locked as long as it is open. Who gets the lock looks whether the name still leads to
 * what was locked: another run may have finished it or thrown it away in between.
 */
#include "base/cleanup.h"
#include "base/str.h"
#include "transfer/output_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { LOCK_TRIES = 16 };

int output_in_the_way(const struct output *output, const char *path, const char *why,
                      struct err *err)
{
    return err_set(err, ERR_INPUT, "'%s' is in the way of %s: %s; move it away", path, output->name,
                   why);
}

bool output_is_still_there(const char *path, const struct stat *st)
{
    struct stat now;

    return lstat(path, &now) == 0 && now.st_ino == st->st_ino && now.st_dev == st->st_dev;
}

/* Nobody may read more of it than of the file that it will replace. */
static mode_t mode_at_first(const struct output *output)
{
    struct stat st;

    return lstat(output->path, &st) == 0 ? 0600 : 0666;
}

/* Opens the part, or makes one when `make` is set; `made` says so. -1 with errno. */
static int open_part(const struct output *output, bool make, bool *made)
{
    static const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    int fd = open(output->part, flags);

    *made = false;
    if (fd >= 0 || errno != ENOENT || !make)
        return fd;
    *made = true;
    return open(output->part, flags | O_CREAT | O_EXCL, mode_at_first(output));
}

/* That it can be a file of ours; its note says whether it is. What was made just now is, whatever a
 * network file system calls its owner. */
static int must_be_sound(const struct output *output, const struct stat *st, bool made,
                         struct err *err)
{
    if (!S_ISREG(st->st_mode))
        return output_in_the_way(output, output->part, "it is no regular file", err);
    if (!made && st->st_uid != geteuid())
        return output_in_the_way(output, output->part, "it belongs to another user", err);
    if (st->st_nlink > 1)
        return output_in_the_way(output, output->part, "it has another name, too", err);
    return 0;
}

/* A file system without locks is written to without. */
static int lock(const struct output *output, int fd, struct err *err)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return 0;
    return err_set(err, ERR_UNAVAILABLE, "another run is writing %s: wait for it or end it",
                   output->name);
}

int output_take_part(struct output *output, bool make, struct stat *st, struct err *err)
{
    for (int tries = 0; tries < LOCK_TRIES; tries++) {
        bool made;
        cleanup_close int fd = open_part(output, make, &made);

        if (fd < 0 && errno == ENOENT && !make)
            return 0;
        if (fd < 0 && (errno == EEXIST || errno == ENOENT))
            continue;
        if (fd < 0 && (errno == ELOOP || errno == EISDIR || errno == ENXIO))
            return output_in_the_way(output, output->part, "it is no regular file", err);
        if (fd < 0)
            return err_errno(err, errno == ENOSPC || errno == EDQUOT ? ERR_IO : ERR_INPUT, errno,
                             "cannot open '%s' for %s", output->part, output->name);
        if (fstat(fd, st) < 0)
            return err_errno(err, ERR_IO, errno, "cannot stat '%s'", output->part);
        if (must_be_sound(output, st, made, err) < 0 || lock(output, fd, err) < 0)
            return -1;
        if (fstat(fd, st) == 0 && output_is_still_there(output->part, st)) {
            output->fd = steal_fd(&fd);
            return 0;
        }
    }
    return err_set(err, ERR_UNAVAILABLE, "other runs make and remove '%s'", output->part);
}

/* ---- names of another run ---- */

static bool is_locked(const char *path)
{
    cleanup_close int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

int output_must_be_free(const struct output *output, struct err *err)
{
    static const char *const suffixes[] = {".part", ".part.json", ".part.json.new"};

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
        cleanup_str struct str part = STR_INIT;

        if (!str_ends(output->path, suffixes[i]))
            continue;
        str_append(&part, output->path, strlen(output->path) - strlen(suffixes[i]));
        str_puts(&part, ".part");
        if (is_locked(str_get(&part)))
            return err_set(
                err, ERR_UNAVAILABLE,
                "another run is writing '%s': wait for it, end it, or give %s another name",
                str_get(&part), output->name);
    }
    return 0;
}
