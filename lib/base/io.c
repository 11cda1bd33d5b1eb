/* SPDX-License-Identifier: Apache-2.0 */
#include "io.h"
#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>

int io_pread(int fd, void *buf, size_t len, off_t offset, const char *what, struct err *err)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = pread(fd, (char *)buf + done, len - done, offset + (off_t)done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, ERR_IO, errno, "cannot read %s at offset %lld", what,
                             (long long)offset + (long long)done);
        if (n == 0)
            return err_set(err, ERR_IO,
                           "%s ends at offset %lld, before its size: it shrank while it was read",
                           what, (long long)offset + (long long)done);
        done += (size_t)n;
    }
    return 0;
}

int io_writev(int fd, struct iovec *iov, int count, struct err *err)
{
    while (count > 0) {
        ssize_t n = writev(fd, iov, count);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, ERR_NONE, errno, "cannot write");
        while (count > 0 && (size_t)n >= iov->iov_len) {
            n -= (ssize_t)iov->iov_len;
            iov++;
            count--;
        }
        if (count > 0) {
            iov->iov_base = (char *)iov->iov_base + n;
            iov->iov_len -= (size_t)n;
        }
    }
    return 0;
}

int io_read_file(const char *path, size_t max, struct str *out, struct err *err)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char buf[4096];
    size_t total = 0;

    if (fd < 0)
        return err_errno(err, ERR_NONE, errno, "cannot open '%s'", path);
    for (;;) {
        ssize_t n = read(fd, buf, sizeof(buf));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, ERR_IO, errno, "cannot read '%s'", path);
        if (n == 0)
            return 0;
        total += (size_t)n;
        if (total > max)
            return err_set(err, ERR_INPUT, "'%s' is longer than %zu bytes", path, max);
        str_append(out, buf, (size_t)n);
    }
}
