/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A block device is written in place, all of it: what it had before must not shine through, so zeros
 * are written too, by the device itself where it can. O_EXCL refuses one that is mounted or otherwise
 * in use, and keeps two runs apart (open(2)).
 */
#include "base/cleanup.h"
#include "interrupt.h"
#include "transfer/output_private.h"
#include "transfer/progress.h"
#include "transfer/sparse.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

enum { ZEROOUT_MAX = 64 << 20 }; /* one call cannot be interrupted */

int output_device_open(struct output *output, const char *path, struct err *err)
{
    int sector = 0;

    output->fd = open(path, O_RDWR | O_EXCL | O_CLOEXEC);
    if (output->fd < 0 && errno == EBUSY)
        return err_set(err, ERR_INPUT,
                       "%s is in use: mounted, part of another device, or written by another run",
                       output->name);
    if (output->fd < 0)
        return err_errno(err, ERR_INPUT, errno, "cannot open %s for writing", output->name);
    if (ioctl(output->fd, BLKGETSIZE64, &output->device_size) < 0 ||
        ioctl(output->fd, BLKSSZGET, &sector) < 0 || sector <= 0)
        return err_errno(err, ERR_IO, errno, "cannot find out the size of %s", output->name);
    output->sector = (unsigned)sector;
    output->kind = &output_device_kind;
    return 0;
}

static int begin(struct output *output, const struct output_state *state, struct err *err)
{
    (void)err;
    output->begun = true;
    atomic_store(&output->total, state ? state->size : UINT64_MAX);
    return 0;
}

static int must_fit(const struct output *output, uint64_t end, struct err *err)
{
    char text[PROGRESS_SIZE];

    if (end <= output->device_size)
        return 0;
    return err_set(err, ERR_INPUT, "%s is smaller than the disk: it has %s (%llu bytes)",
                   output->name, progress_bytes(output->device_size, text),
                   (unsigned long long)output->device_size);
}

/* Before the first byte: what the device has now is still of use to somebody. */
static int expect(struct output *output, uint64_t size, struct err *err)
{
    if (size <= output->device_size)
        return 0;
    return err_set(err, ERR_INPUT, "%s is smaller than the disk: it has %llu bytes, the disk %llu",
                   output->name, (unsigned long long)output->device_size, (unsigned long long)size);
}

static int write_data(struct output *output, uint64_t offset, const void *data, size_t len,
                      struct err *err)
{
    if (must_fit(output, offset + len, err) < 0)
        return -1;
    return output_pwrite(output, offset, data, len, err);
}

/* How many zeros to write at once: whole sectors where possible, as BLKZEROOUT takes no others. */
static uint64_t zeros_at_once(const struct output *output, uint64_t offset, uint64_t len)
{
    uint64_t n = len < ZEROOUT_MAX ? len : ZEROOUT_MAX, into = offset % output->sector;

    if (into)
        return n < output->sector - into ? n : output->sector - into;
    return n < output->sector ? n : n - n % output->sector;
}

static int write_zeros(struct output *output, uint64_t offset, uint64_t len, struct err *err)
{
    while (len > 0) {
        size_t n = len < SPARSE_ZEROS_SIZE ? (size_t)len : SPARSE_ZEROS_SIZE;

        if (output_pwrite(output, offset, sparse_zeros, n, err) < 0)
            return -1;
        offset += n;
        len -= n;
    }
    return 0;
}

static int zeros(struct output *output, uint64_t offset, uint64_t len, struct err *err)
{
    if (must_fit(output, offset + len, err) < 0)
        return -1;
    while (len > 0) {
        uint64_t n = zeros_at_once(output, offset, len), range[2] = {offset, n};
        bool whole = offset % output->sector == 0 && n % output->sector == 0;

        if (interrupt_came())
            return err_set(err, ERR_SYSTEM, "interrupted while %s was written", output->name);
        if ((!whole || ioctl(output->fd, BLKZEROOUT, range) < 0) &&
            write_zeros(output, offset, n, err) < 0)
            return -1;
        offset += n;
        len -= n;
    }
    return 0;
}

static int finish(struct output *output, uint64_t size, struct err *err)
{
    assert(output->begun);
    if (must_fit(output, size, err) < 0)
        return -1;
    if (fsync(output->fd) < 0)
        return output_failed(output, errno, size, err);
    return 0;
}

const struct output_kind output_device_kind = {
    .expect = expect, .begin = begin, .write = write_data, .zeros = zeros, .finish = finish};
