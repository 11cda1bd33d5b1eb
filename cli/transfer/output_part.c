/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file is written to FILE.part beside it, which takes FILE's name when it is whole.
 *
 * FILE.part.json, the note, is only on the disk while it is true: it is removed before the part is cut
 * to something else, and written after what it speaks of is on the disk. So a run that is killed, or a
 * machine that loses power, leaves a part that can be gone on with or a part without a note. A part of
 * an earlier run that is begun with and then neither finished nor kept is removed as any other.
 *
 * Pages of zeros are left out everywhere: after the part was cut there is nothing beyond, and what is
 * written a second time below is the same content again (whoever doubts that begins anew).
 */
#include "transfer/output_private.h"
#include "transfer/sparse.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MODE_BITS = 0777, WRITE_BACK_EVERY = 16 << 20 };

int output_file_open(struct output *output, struct err *err)
{
    struct stat st;

    output->kind = &output_file_kind;
    if (output_take_part(output, false, &st, err) < 0)
        return -1;
    output->noted = output->fd >= 0 && output_note_read(output->note, &st, &output->earlier);
    return 0;
}

/* ---- beginning ---- */

static bool same(const struct output_state *a, const struct output_state *b)
{
    return strcmp(a->what, b->what) == 0 && strcmp(a->etag, b->etag) == 0 && a->size == b->size &&
           a->position == b->position && a->bytes == b->bytes && a->crc == b->crc;
}

/* On the disk too, before anything is done that makes it a lie. */
static int forget_note(struct output *output, struct err *err)
{
    int errnum = 0;

    output->noted = false;
    if (unlink(output->note) == 0)
        errnum = output_sync_folder(output);
    else if (errno != ENOENT)
        errnum = errno;
    if (errnum)
        return err_errno(err, ERR_IO, errnum, "cannot remove '%s'", output->note);
    return 0;
}

static int begin(struct output *output, const struct output_state *state, struct err *err)
{
    struct stat st;

    if (output->fd < 0 && output_take_part(output, true, &st, err) < 0)
        return -1;
    assert(!output->finished);
    output->begun = true;
    output->kept = false;
    if (!(state && output->noted && same(state, &output->earlier)) && forget_note(output, err) < 0)
        return -1;
    atomic_store(&output->total, state ? state->size : UINT64_MAX);
    if (ftruncate(output->fd, state ? (off_t)state->bytes : 0) < 0)
        return output_failed(output, errno, state ? state->bytes : 0, err);
    atomic_store(&output->failed, false);
    return 0;
}

/* ---- writing ---- */

/* Sets the disk to work now. Else it begins when the kernel thinks that there is too much to be
 * written, which holds up the writers, and the rest has to be waited for at the end. */
static void write_back(struct output *output, size_t len)
{
    uint64_t before = atomic_fetch_add(&output->data, len);

    if (before / WRITE_BACK_EVERY != (before + len) / WRITE_BACK_EVERY)
        sync_file_range(output->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static int write_pages(struct output *output, uint64_t offset, const uint8_t *data, size_t len,
                       struct err *err)
{
    while (len > 0) {
        bool is_zero;
        size_t run = sparse_run(data, len, offset, &is_zero);

        if (!is_zero) {
            if (output_pwrite(output, offset, data, run, err) < 0)
                return -1;
            write_back(output, run);
        }
        data += run;
        offset += run;
        len -= run;
    }
    return 0;
}

static int write_data(struct output *output, uint64_t offset, const void *data, size_t len,
                      struct err *err)
{
    int rc;

    pthread_rwlock_rdlock(&output->length);
    rc = write_pages(output, offset, data, len, err);
    pthread_rwlock_unlock(&output->length);
    return rc;
}

static int zeros(struct output *output, uint64_t offset, uint64_t len, struct err *err)
{
    (void)output;
    (void)offset;
    (void)len;
    (void)err;
    return 0;
}

/* ---- keeping ---- */

/* Zeros at the end were left out: the length says that they are there. */
static int lengthen(struct output *output, uint64_t bytes, struct stat *st, struct err *err)
{
    int errnum = 0;

    pthread_rwlock_wrlock(&output->length);
    if (fstat(output->fd, st) < 0 ||
        ((uint64_t)st->st_size < bytes && ftruncate(output->fd, (off_t)bytes) < 0))
        errnum = errno;
    pthread_rwlock_unlock(&output->length);
    return errnum ? output_failed(output, errnum, bytes, err) : 0;
}

/*
 * A disk that is full has no room for the note either. When a write failed, nobody goes on writing:
 * what is there of it beyond `bytes` is given back.
 */
static int write_note(struct output *output, const struct stat *st,
                      const struct output_state *state)
{
    int errnum = output_note_write(output, st, state);

    if ((errnum != ENOSPC && errnum != EDQUOT) || !atomic_load(&output->failed))
        return errnum;
    if (ftruncate(output->fd, (off_t)state->bytes) < 0 || fsync(output->fd) < 0)
        return errnum;
    return output_note_write(output, st, state);
}

static int keep(struct output *output, const struct output_state *state, struct err *err)
{
    struct stat st;
    int errnum;

    output->kept = output->noted; /* the older note is still true, should this fail */
    if (lengthen(output, state->bytes, &st, err) < 0)
        return -1;
    if (fdatasync(output->fd) < 0)
        return output_failed(output, errno, state->bytes, err);
    errnum = write_note(output, &st, state);
    if (errnum)
        return err_errno(err, ERR_IO, errnum, "cannot keep what came of %s: cannot write '%s'",
                         output->name, output->note);
    output->earlier = *state;
    output->noted = output->kept = true;
    return 0;
}

/* ---- the end ---- */

/* What replaces a file has its mode, and its owner where that is allowed; a new file has what the
 * umask left. */
static int take_over(struct output *output, struct err *err)
{
    struct stat old;

    if (lstat(output->path, &old) < 0)
        return 0;
    if (!S_ISREG(old.st_mode))
        return err_set(err, ERR_IO, "%s is no regular file any more: somebody replaced it",
                       output->name);
    if (fchown(output->fd, old.st_uid, old.st_gid) < 0 && errno != EPERM && errno != EINVAL)
        return err_errno(err, ERR_IO, errno, "cannot set the owner of %s", output->name);
    if (fchmod(output->fd, old.st_mode & MODE_BITS) < 0 && errno != EPERM)
        return err_errno(err, ERR_IO, errno, "cannot set the mode of %s", output->name);
    return 0;
}

/* In this order: whenever the power fails, FILE is the old one or the new one, and whole. A note that
 * is left speaks of a part that is not there. */
static int finish(struct output *output, uint64_t size, struct err *err)
{
    int errnum;

    if (ftruncate(output->fd, (off_t)size) < 0)
        return output_failed(output, errno, size, err);
    if (take_over(output, err) < 0)
        return -1;
    if (fsync(output->fd) < 0)
        return output_failed(output, errno, size, err);
    if (rename(output->part, output->path) < 0)
        return err_errno(err, ERR_IO, errno, "cannot give '%s' the name of %s", output->part,
                         output->name);
    output->finished = true;
    unlink(output->note);
    errnum = output_sync_folder(output);
    if (errnum)
        return err_errno(err, ERR_IO, errnum, "cannot be sure that %s is on the disk",
                         output->name);
    return 0;
}

static void close_part(struct output *output)
{
    if (!output->begun || output->finished || output->kept)
        return;
    unlink(output->note);
    unlink(output->part);
}

const struct output_kind output_file_kind = {.begin = begin,
                                             .write = write_data,
                                             .zeros = zeros,
                                             .finish = finish,
                                             .keep = keep,
                                             .close = close_part};
