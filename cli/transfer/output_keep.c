/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stays of a part that is not finished, for the next run.
 *
 * The note is written after what it speaks of is on the disk, and has the length and the times of the
 * part as they are then. Writing on makes it untrue, so the end of the run renews it: what it said is
 * still there, as only what is behind it was written. Zeros at the end of the content were left out,
 * and need not be there: the note says how long the content is.
 */
#include "transfer/output_private.h"

#include <errno.h>
#include <unistd.h>

static int changed(const struct output *output, const char *how, struct err *err)
{
    return err_set(err, ERR_PRECONDITION, "somebody %s '%s' while it was written", how,
                   output->part);
}

int output_must_be_as_written(const struct output *output, struct stat *st, struct err *err)
{
    uint64_t end = atomic_load(&output->end); /* first: others write on */

    if (fstat(output->fd, st) < 0)
        return err_errno(err, ERR_IO, errno, "cannot stat '%s'", output->part);
    if (!output_is_still_there(output->part, st))
        return changed(output, "replaced", err);
    if (st->st_nlink != 1)
        return changed(output, "gave another name to", err);
    if ((uint64_t)st->st_size < end)
        return changed(output, "cut", err);
    return 0;
}

/* ---- the note ---- */

static bool is_no_room(int errnum)
{
    return errnum == ENOSPC || errnum == EDQUOT;
}

/* errno's number, or 0. */
static int write_note(struct output *output, const struct output_state *state)
{
    struct stat st;
    int errnum;

    if (fdatasync(output->fd) < 0 || fstat(output->fd, &st) < 0)
        return errno;
    errnum = output_note_write(output, &st, state);
    if (errnum)
        return errnum;
    output->changed = st.st_ctim;
    output->earlier = *state;
    output->noted = true;
    return 0;
}

/* What is there beyond what is kept; it must not become longer, which a limit could forbid. */
static int cut(struct output *output, uint64_t bytes)
{
    struct stat st;

    if (fstat(output->fd, &st) < 0)
        return errno;
    if ((uint64_t)st.st_size <= bytes)
        return 0;
    if (ftruncate(output->fd, (off_t)bytes) < 0)
        return errno;
    atomic_store(&output->end, bytes);
    return 0;
}

/*
 * A disk that is full has no room for the note either. When a write failed, nobody goes on writing:
 * what is there of it beyond `bytes` is given back, then the older note that says nothing.
 */
static int make_note(struct output *output, const struct output_state *state)
{
    int errnum = write_note(output, state);

    if (!is_no_room(errnum) || !atomic_load(&output->failed))
        return errnum;
    if (cut(output, state->bytes) != 0)
        return errnum;
    errnum = write_note(output, state);
    if (!is_no_room(errnum) || output->noted)
        return errnum;
    unlink(output->note);
    return write_note(output, state);
}

int output_file_keep(struct output *output, const struct output_state *state, struct err *err)
{
    struct stat st;
    int errnum;

    output->kept = false;
    if (output_must_be_as_written(output, &st, err) < 0)
        return -1;
    output->kept = output->noted; /* what the older note says is still there, should this fail */
    errnum = make_note(output, state);
    if (errnum)
        return err_errno(err, ERR_IO, errnum, "cannot keep what came of %s: cannot write '%s'",
                         output->name, output->note);
    output->kept = true;
    return 0;
}

/* ---- the end ---- */

/* A note that cannot be renewed is not believed by the next run. */
static void renew(struct output *output, const struct stat *st)
{
    struct output_state state = output->earlier;

    if (st->st_ctim.tv_sec != output->changed.tv_sec ||
        st->st_ctim.tv_nsec != output->changed.tv_nsec)
        make_note(output, &state);
}

/* The note goes last: a part without one would be taken for somebody else's. */
void output_file_close(struct output *output)
{
    struct stat st;
    struct err err;

    if (!output->begun || output->finished)
        return;
    if (output->kept && output_must_be_as_written(output, &st, &err) == 0) {
        renew(output, &st);
        return;
    }
    if (fstat(output->fd, &st) == 0 && output_is_still_there(output->part, &st))
        unlink(output->part);
    unlink(output->note);
}
