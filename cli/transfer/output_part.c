/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file is written to FILE.part beside it, which takes FILE's name when it is whole.
 *
 * FILE.part.json, the note, is there as long as the part has something in it. It says that the part is
 * ours: what has the name of a part and no note is somebody else's. And it says what can be gone on
 * with (output_keep.c); before the part is cut to something else it is replaced by one that says
 * nothing. So a run that is killed, or a machine that loses power, leaves a part that can be gone on
 * with or one that can be thrown away. A part of an earlier run that is begun with and then neither
 * finished nor kept is removed as any other.
 *
 * Pages of zeros are left out everywhere: after the part was cut there is nothing beyond, and what is
 * written a second time below is the same content again (whoever doubts that begins anew).
 */
#include "base/cleanup.h"
#include "say.h"
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

/* That nothing here is somebody else's. `st`: of the part, NULL when there is none. */
static int look_around(struct output *output, const struct stat *st, enum output_note *note,
                       struct err *err)
{
    *note = output_note_read(output->note, st, &output->earlier);
    if (*note == OUTPUT_NOTE_FOREIGN)
        return output_in_the_way(output, output->note, "it is no note of ours", err);
    if (!output_note_new_is_ours(output->note_new))
        return output_in_the_way(output, output->note_new, "it is no note of ours", err);
    if (st && st->st_size > 0 && (*note == OUTPUT_NOTE_NONE || *note == OUTPUT_NOTE_STRAY))
        return output_in_the_way(output, output->part, "it is no unfinished download of ours", err);
    return 0;
}

int output_file_open(struct output *output, struct err *err)
{
    enum output_note note;
    struct stat st;

    output->kind = &output_file_kind;
    if (output_take_part(output, false, &st, err) < 0 ||
        look_around(output, output->fd >= 0 ? &st : NULL, &note, err) < 0)
        return -1;
    if (note == OUTPUT_NOTE_CHANGED)
        say("'%s' was changed since a run kept it: it is not used", output->part);
    output->noted = note == OUTPUT_NOTE_TRUE;
    return 0;
}

/* ---- beginning ---- */

static bool same(const struct output_state *a, const struct output_state *b)
{
    return strcmp(a->what, b->what) == 0 && strcmp(a->etag, b->etag) == 0 && a->size == b->size &&
           a->position == b->position && a->bytes == b->bytes && a->crc == b->crc;
}

/* When there was none as this one was opened. Another run can have left one since. */
static int take_part(struct output *output, struct err *err)
{
    enum output_note note;
    struct stat st;

    if (output->fd >= 0)
        return 0;
    if (look_around(output, NULL, &note, err) < 0 || output_take_part(output, true, &st, err) < 0)
        return -1;
    if (look_around(output, &st, &note, err) == 0)
        return 0;
    cleanup_close_(&output->fd);
    output->fd = -1;
    return -1;
}

/* A part whose note says no more than that it is ours; on the disk, before anything is done that the
 * older note does not know. Where there is no room for a new note the older one is removed, and all
 * but the first `bytes` of the part. */
static int forget(struct output *output, uint64_t bytes, struct err *err)
{
    static const struct output_state nothing;
    struct stat st;
    int errnum = 0;

    output->noted = false;
    if (fstat(output->fd, &st) < 0)
        return err_errno(err, ERR_IO, errno, "cannot stat '%s'", output->part);
    errnum = output_note_write(output, &st, &nothing);
    if (errnum == ENOSPC || errnum == EDQUOT) {
        unlink(output->note);
        if (ftruncate(output->fd, (off_t)bytes) < 0 || fsync(output->fd) < 0)
            return output_failed(output, errno, bytes, err);
        errnum = output_note_write(output, &st, &nothing);
    }
    if (errnum)
        return err_errno(err, ERR_IO, errnum, "cannot write '%s'", output->note);
    return 0;
}

/* ftruncate(2) to the length that it has would be a change that the note does not know. */
static int set_length(const struct output *output, uint64_t bytes)
{
    struct stat st;

    if (fstat(output->fd, &st) < 0)
        return -1;
    return (uint64_t)st.st_size == bytes ? 0 : ftruncate(output->fd, (off_t)bytes);
}

static int begin(struct output *output, const struct output_state *state, struct err *err)
{
    uint64_t bytes = state ? state->bytes : 0;

    if (take_part(output, err) < 0)
        return -1;
    assert(!output->finished);
    output->begun = true;
    output->kept = false;
    if (!(state && output->noted && same(state, &output->earlier)) &&
        forget(output, bytes, err) < 0)
        return -1;
    atomic_store(&output->total, state ? state->size : UINT64_MAX);
    if (set_length(output, bytes) < 0)
        return output_failed(output, errno, bytes, err);
    atomic_store(&output->end, bytes);
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

static void note_end(struct output *output, uint64_t end)
{
    unsigned long long before = atomic_load(&output->end);

    while (before < end && !atomic_compare_exchange_weak(&output->end, &before, end))
        ;
}

static int write_data(struct output *output, uint64_t offset, const void *data, size_t len,
                      struct err *err)
{
    const uint8_t *bytes = data;

    while (len > 0) {
        bool is_zero;
        size_t run = sparse_run(bytes, len, offset, &is_zero);

        if (!is_zero) {
            if (output_pwrite(output, offset, bytes, run, err) < 0)
                return -1;
            note_end(output, offset + run);
            write_back(output, run);
        }
        bytes += run;
        offset += run;
        len -= run;
    }
    return 0;
}

static int zeros(struct output *output, uint64_t offset, uint64_t len, struct err *err)
{
    (void)output;
    (void)offset;
    (void)len;
    (void)err;
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

/* Nobody but us wrote: not a byte is beyond what we did. */
static int must_be_ours_alone(const struct output *output, struct err *err)
{
    struct stat st;

    if (output_must_be_as_written(output, &st, err) < 0)
        return -1;
    if ((uint64_t)st.st_size > atomic_load(&output->end))
        return err_set(err, ERR_PRECONDITION, "somebody wrote to '%s' while it was written",
                       output->part);
    return output_must_be_free(output, err);
}

/* The last look is right before the rename, as the name is all that it goes by. */
static int rename_part(struct output *output, struct err *err)
{
    if (must_be_ours_alone(output, err) < 0)
        return -1;
    if (rename(output->part, output->path) == 0)
        return 0;
    return err_errno(err, ERR_IO, errno, "cannot give '%s' the name of %s", output->part,
                     output->name);
}

/* In this order: whenever the power fails, FILE is the old one or the new one, and whole. A note that
 * is left speaks of a part that is not there. */
static int finish(struct output *output, uint64_t size, struct err *err)
{
    int errnum;

    if (must_be_ours_alone(output, err) < 0)
        return -1;
    if (ftruncate(output->fd, (off_t)size) < 0)
        return output_failed(output, errno, size, err);
    atomic_store(&output->end, size);
    if (take_over(output, err) < 0)
        return -1;
    if (fsync(output->fd) < 0)
        return output_failed(output, errno, size, err);
    if (rename_part(output, err) < 0)
        return -1;
    output->finished = true;
    unlink(output->note);
    errnum = output_sync_folder(output);
    if (errnum)
        return err_errno(err, ERR_IO, errnum, "cannot be sure that %s is on the disk",
                         output->name);
    return 0;
}

const struct output_kind output_file_kind = {.begin = begin,
                                             .write = write_data,
                                             .zeros = zeros,
                                             .finish = finish,
                                             .keep = output_file_keep,
                                             .close = output_file_close};
