/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard output, FIFOs and character devices: in order, and nothing can be taken back.
 *
 * A reader that stands still must not keep an interrupted run from ending: no write blocks. A FIFO is
 * opened without blocking; so is a pipe on standard output, anew, as the flag of the descriptor that
 * is there belongs to others too. What cannot be opened anew gets pieces that fit where poll(2) says
 * there is room (PIPE_BUF, pipe(7)).
 */
#include "base/cleanup.h"
#include "interrupt.h"
#include "say.h"
#include "transfer/output_private.h"
#include "transfer/sparse.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>

enum { PIECE_MAX = 1 << 20, READER_POLL_MS = 50 };

static void becomes_stream(struct output *output, size_t piece)
{
    output->kind = &output_stream_kind;
    output->piece = piece;
}

static int interrupted(const struct output *output, struct err *err)
{
    return err_set(err, ERR_SYSTEM, "interrupted while %s was written", output->name);
}

/* open(2): without O_NONBLOCK it would block until there is a reader; with it, ENXIO says so. */
int output_fifo_open(struct output *output, const char *path, struct err *err)
{
    bool said = false;

    becomes_stream(output, PIECE_MAX);
    for (;;) {
        output->fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        if (output->fd >= 0)
            return 0;
        if (errno != ENXIO)
            return err_errno(err, ERR_INPUT, errno, "cannot open %s", output->name);
        if (!said)
            say("waiting for a reader of %s", output->name);
        said = true;
        if (!interrupt_sleep(READER_POLL_MS))
            return err_set(err, ERR_SYSTEM, "interrupted while waiting for a reader of %s",
                           output->name);
    }
}

int output_character_open(struct output *output, const char *path, struct err *err)
{
    becomes_stream(output, PIPE_BUF);
    output->fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
    if (output->fd < 0)
        return err_errno(err, ERR_INPUT, errno, "cannot open %s", output->name);
    return 0;
}

int output_stdout_open(struct output *output, struct err *err)
{
    int flags = fcntl(STDOUT_FILENO, F_GETFL);
    struct stat st;

    if (flags < 0 || fstat(STDOUT_FILENO, &st) < 0)
        return err_errno(err, ERR_INPUT, errno, "cannot write to %s", output->name);
    if ((flags & O_ACCMODE) == O_RDONLY) /* as main makes it when it was closed */
        return err_set(err, ERR_IO, "cannot write to %s: it is closed, or open for reading only",
                       output->name);
    output->regular = S_ISREG(st.st_mode);
    becomes_stream(output, output->regular ? PIECE_MAX : PIPE_BUF);
    if (S_ISFIFO(st.st_mode)) {
        output->fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        if (output->fd >= 0) {
            output->piece = PIECE_MAX;
            return 0;
        }
    }
    output->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
    if (output->fd < 0)
        return err_errno(err, ERR_SYSTEM, errno, "cannot write to %s", output->name);
    return 0;
}

static int begin(struct output *output, const struct output_state *state, struct err *err)
{
    uint64_t written = atomic_load(&output->written);

    if (written != (state ? state->bytes : 0))
        return err_set(err, ERR_PRECONDITION,
                       "%llu bytes went to %s already, which cannot be taken back",
                       (unsigned long long)written, output->name);
    output->begun = true;
    atomic_store(&output->total, state ? state->size : UINT64_MAX);
    return 0;
}

/* Waits until there is room, or an interrupt came. */
static int wait_for_room(const struct output *output, struct err *err)
{
    struct pollfd fds[] = {{.fd = output->fd, .events = POLLOUT},
                           {.fd = interrupt_fd(), .events = POLLIN}};

    while (!interrupt_came()) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return err_errno(err, ERR_SYSTEM, errno, "cannot wait for %s", output->name);
        if (!interrupt_came() && fds[0].revents)
            return 0;
    }
    return interrupted(output, err);
}

static int write_all(struct output *output, const uint8_t *data, size_t len, struct err *err)
{
    while (len > 0) {
        ssize_t n;

        if (wait_for_room(output, err) < 0)
            return -1;
        n = write(output->fd, data, len < output->piece ? len : output->piece);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return output_failed(output, errno, atomic_load(&output->written), err);
        atomic_fetch_add(&output->written, (unsigned long long)n);
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* How much of what is to be at `offset` was written already. */
static uint64_t already(const struct output *output, uint64_t offset, uint64_t len)
{
    uint64_t written = atomic_load(&output->written);

    assert(output->begun && offset <= written);
    return written - offset < len ? written - offset : len;
}

static int write_data(struct output *output, uint64_t offset, const void *data, size_t len,
                      struct err *err)
{
    size_t skip = (size_t)already(output, offset, len);

    return write_all(output, (const uint8_t *)data + skip, len - skip, err);
}

static int zeros(struct output *output, uint64_t offset, uint64_t len, struct err *err)
{
    len -= already(output, offset, len);
    while (len > 0) {
        size_t n = len < SPARSE_ZEROS_SIZE ? (size_t)len : SPARSE_ZEROS_SIZE;

        if (write_all(output, sparse_zeros, n, err) < 0)
            return -1;
        len -= n;
    }
    return 0;
}

/* Some file systems report what could not be written only now. */
static int finish(struct output *output, uint64_t size, struct err *err)
{
    int fd = output->fd;

    assert(output->begun && atomic_load(&output->written) == size);
    if (output->regular && fsync(fd) < 0 && errno != EINVAL)
        return output_failed(output, errno, size, err);
    output->fd = -1;
    if (close(fd) < 0 && errno != EINTR)
        return output_failed(output, errno, size, err);
    return 0;
}

const struct output_kind output_stream_kind = {
    .in_order = true, .begin = begin, .write = write_data, .zeros = zeros, .finish = finish};
