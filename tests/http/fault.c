/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that fails, for tests: loaded by LD_PRELOAD into the handlers and lighttpd, it makes reads
 * of one file, directory or block device go wrong while a trigger file exists.
 *
 *   FAULT_FILE     the file, directory or device
 *   FAULT_AT       from this offset on
 *   FAULT_KIND     eio: reads fail; end: they find the end of the file; short: they return a few
 *                  bytes; slow: they take a while; map: looking for data and holes (lseek) fails;
 *                  names: reading the directory fails, after some names
 *   FAULT_TRIGGER  only while this path exists
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SHORT_READ = 1001, SLOW_READ_US = 50 * 1000, NAMES_READ = 3 };

static bool is_target(int fd)
{
    const char *file = getenv("FAULT_FILE"), *trigger = getenv("FAULT_TRIGGER");
    struct stat a, b;

    if (!file || (trigger && access(trigger, F_OK) != 0) || fstat(fd, &a) < 0 || stat(file, &b) < 0)
        return false;
    return S_ISBLK(b.st_mode) ? S_ISBLK(a.st_mode) && a.st_rdev == b.st_rdev
                              : a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static bool is_kind(const char *name)
{
    const char *kind = getenv("FAULT_KIND");

    return kind && strcmp(kind, name) == 0;
}

static off_t fault_at(void)
{
    const char *at = getenv("FAULT_AT");

    return at ? atoll(at) : 0;
}

/* How much of a read may be done; 0 with `*result` when none of it. */
static size_t allowed(int fd, off_t offset, size_t len, ssize_t *result)
{
    off_t at = fault_at();

    if (is_kind("map") || is_kind("names") || !is_target(fd))
        return len;
    if (is_kind("short"))
        return len < SHORT_READ ? len : SHORT_READ;
    if (is_kind("slow")) {
        usleep(SLOW_READ_US);
        return len;
    }
    if (offset + (off_t)len <= at)
        return len;
    if (offset < at)
        return (size_t)(at - offset);
    if (is_kind("end")) {
        *result = 0;
    } else {
        errno = EIO;
        *result = -1;
    }
    return 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pread(int fd, void *buf, size_t len, off_t offset)
{
    ssize_t result = 0;
    size_t part = allowed(fd, offset, len, &result);

    return part || !len ? REAL(pread)(fd, buf, part, offset) : result;
}

ssize_t pread64(int fd, void *buf, size_t len, off64_t offset)
{
    return pread(fd, buf, len, offset);
}

ssize_t read(int fd, void *buf, size_t len)
{
    ssize_t result = 0;
    off_t offset = lseek(fd, 0, SEEK_CUR);
    size_t part = offset < 0 ? len : allowed(fd, offset, len, &result);

    return part || !len ? REAL(read)(fd, buf, part) : result;
}

ssize_t preadv(int fd, const struct iovec *iov, int count, off_t offset)
{
    return count ? pread(fd, iov->iov_base, iov->iov_len, offset) : 0;
}

ssize_t preadv64(int fd, const struct iovec *iov, int count, off64_t offset)
{
    return preadv(fd, iov, count, offset);
}

/* lighttpd 1.4.79's way to read what is in the page cache, and else the rest. */
ssize_t preadv2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
    (void)flags;
    return preadv(fd, iov, count, offset);
}

ssize_t preadv64v2(int fd, const struct iovec *iov, int count, off64_t offset, int flags)
{
    return preadv2(fd, iov, count, offset, flags);
}

ssize_t sendfile(int out, int in, off_t *offset, size_t len)
{
    ssize_t result = 0;
    size_t part = allowed(in, offset ? *offset : lseek(in, 0, SEEK_CUR), len, &result);

    return part || !len ? REAL(sendfile)(out, in, offset, part) : result;
}

ssize_t sendfile64(int out, int in, off64_t *offset, size_t len)
{
    return sendfile(out, in, offset, len);
}

off_t lseek(int fd, off_t offset, int whence)
{
    if ((whence == SEEK_DATA || whence == SEEK_HOLE) && is_kind("map") && offset >= fault_at() &&
        is_target(fd)) {
        errno = EIO;
        return -1;
    }
    return REAL(lseek)(fd, offset, whence);
}

off64_t lseek64(int fd, off64_t offset, int whence)
{
    return lseek(fd, offset, whence);
}

struct dirent *readdir(DIR *dir)
{
    static _Thread_local int calls; /* a reader stops at the failure: the next one begins anew */
    int before = errno;

    if (is_kind("names") && is_target(dirfd(dir)) && ++calls % (NAMES_READ + 1) == 0) {
        errno = EIO;
        return NULL;
    }
    errno = before; /* by which its caller knows an end from a failure */
    return REAL(readdir)(dir);
}

struct dirent64 *readdir64(DIR *dir)
{
    return (struct dirent64 *)readdir(dir);
}
