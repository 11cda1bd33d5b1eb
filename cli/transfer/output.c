/* SPDX-License-Identifier: Apache-2.0 */
/* Finds out what the path of an output leads to; what is then done is the kind's (output_private.h). */
#include "base/cleanup.h"
#include "base/str.h"
#include "transfer/output_private.h"
#include "transfer/progress.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* ---- opening ---- */

static char *suffixed(const char *path, const char *suffix)
{
    struct str text = STR_INIT;

    str_printf(&text, "%s%s", path, suffix);
    return str_steal(&text);
}

/* To be refused now rather than after a download of hours. */
static int must_be_writable(const struct output *output, bool exists, struct err *err)
{
    if (exists && faccessat(AT_FDCWD, output->path, W_OK, AT_EACCESS) < 0)
        return err_errno(err, ERR_INPUT, errno, "cannot write to %s", output->name);
    if (strlen(strrchr(output->note_new, '/') + 1) > NAME_MAX)
        return err_set(err, ERR_INPUT, "the name of %s is too long: '%s' must fit too",
                       output->name, output->note_new);
    if (faccessat(AT_FDCWD, output->folder, W_OK | X_OK, AT_EACCESS) < 0)
        return err_errno(err, ERR_INPUT, errno, "cannot make files in the folder '%s' of %s",
                         output->folder, output->name);
    return 0;
}

static int open_file(struct output *output, const char *path, bool exists, struct err *err)
{
    if (output_path_find(path, &output->path, &output->folder, err) < 0)
        return -1;
    output->part = suffixed(output->path, ".part");
    output->note = suffixed(output->path, ".part.json");
    output->note_new = suffixed(output->path, ".part.json.new");
    if (must_be_writable(output, exists, err) < 0 || output_must_be_free(output, err) < 0)
        return -1;
    return output_file_open(output, err);
}

static int open_path(struct output *output, const char *path, struct err *err)
{
    struct stat st;

    if (stat(path, &st) < 0) {
        if (errno == ENOENT)
            return open_file(output, path, false, err);
        return err_errno(err, errno == ENOTDIR ? ERR_NOT_FOUND : ERR_INPUT, errno,
                         "cannot write to %s", output->name);
    }
    switch (st.st_mode & S_IFMT) {
    case S_IFREG:
        return open_file(output, path, true, err);
    case S_IFDIR:
        return err_set(err, ERR_INPUT, "%s is a directory: name a file in it", output->name);
    case S_IFBLK:
        return output_device_open(output, path, err);
    case S_IFIFO:
        return output_fifo_open(output, path, err);
    case S_IFCHR:
        return output_character_open(output, path, err);
    default:
        return err_set(err, ERR_INPUT, "%s is a socket, which cannot be written to", output->name);
    }
}

int output_open(const char *path, struct output **out, struct err *err)
{
    bool is_stdout = strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0;
    struct str name = STR_INIT;
    struct output *output = calloc(1, sizeof(*output));

    if (!output)
        return err_set(err, ERR_SYSTEM, "out of memory");
    output->fd = -1;
    atomic_store(&output->total, UINT64_MAX);
    if (is_stdout)
        str_puts(&name, "standard output");
    else
        str_printf(&name, "the output '%s'", path);
    output->name = str_steal(&name);
    if ((is_stdout ? output_stdout_open(output, err) : open_path(output, path, err)) < 0) {
        output_close(output);
        return -1;
    }
    *out = output;
    return 0;
}

void output_close(struct output *output)
{
    if (!output)
        return;
    if (output->kind && output->kind->close)
        output->kind->close(output);
    cleanup_close_(&output->fd);
    free(output->name);
    free(output->path);
    free(output->part);
    free(output->note);
    free(output->note_new);
    free(output->folder);
    free(output);
}

/* ---- what the kinds do ---- */

int output_expect(struct output *output, uint64_t size, struct err *err)
{
    return output->kind->expect ? output->kind->expect(output, size, err) : 0;
}

int output_begin(struct output *output, const struct output_state *state, struct err *err)
{
    return output->kind->begin(output, state, err);
}

int output_write(struct output *output, uint64_t offset, const void *data, size_t len,
                 struct err *err)
{
    assert(output->begun && !output->finished);
    return len > 0 ? output->kind->write(output, offset, data, len, err) : 0;
}

int output_zeros(struct output *output, uint64_t offset, uint64_t len, struct err *err)
{
    assert(output->begun && !output->finished);
    return len > 0 ? output->kind->zeros(output, offset, len, err) : 0;
}

int output_finish(struct output *output, uint64_t size, struct err *err)
{
    assert(output->begun && !output->finished);
    if (output->kind->finish(output, size, err) < 0)
        return -1;
    output->finished = true;
    return 0;
}

bool output_keeps(const struct output *output)
{
    return output->kind->keep != NULL;
}

int output_keep(struct output *output, const struct output_state *state, struct err *err)
{
    if (!output_keeps(output) || !output->begun || output->finished || state->position == 0)
        return 0;
    return output->kind->keep(output, state, err);
}

bool output_earlier(const struct output *output, struct output_state *state)
{
    if (output->noted)
        *state = output->earlier;
    return output->noted;
}

bool output_in_order(const struct output *output)
{
    return output->kind->in_order;
}

uint64_t output_written(const struct output *output)
{
    return atomic_load(&output->written);
}

const char *output_name(const struct output *output)
{
    return output->name;
}

/* ---- what the kinds share ---- */

int output_pwrite(struct output *output, uint64_t offset, const void *data, size_t len,
                  struct err *err)
{
    const char *bytes = data;

    while (len > 0) {
        ssize_t n = pwrite(output->fd, bytes, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return output_failed(output, n < 0 ? errno : ENOSPC, offset, err);
        bytes += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

/* What the user can do about it. */
static void put_remedy(struct str *text, const struct output *output, int errnum, uint64_t missing)
{
    char size[PROGRESS_SIZE];

    if (errnum == EFBIG)
        str_puts(text, ": it is over the limit of its file system or of this process (ulimit -f)");
    else if (errnum != ENOSPC && errnum != EDQUOT)
        return;
    else if (missing > 0)
        str_printf(text, ": up to %s more is needed", progress_bytes(missing, size));
    if (output->part || output->regular)
        str_puts(text, "; free or allow more space");
}

int output_failed(struct output *output, int errnum, uint64_t offset, struct err *err)
{
    uint64_t total = atomic_load(&output->total);
    bool known = total != UINT64_MAX && total > offset;
    cleanup_str struct str text = STR_INIT;
    char at[PROGRESS_SIZE], all[PROGRESS_SIZE], cause[128];

    atomic_store(&output->failed, true);
    if (errnum == EPIPE)
        return err_set(err, ERR_PEER, "the reader of %s left", output->name);
    str_printf(&text, "cannot write to %s at %s", output->name, progress_bytes(offset, at));
    if (known)
        str_printf(&text, " of %s", progress_bytes(total, all));
    str_printf(&text, ": %s", strerror_r(errnum, cause, sizeof(cause)));
    put_remedy(&text, output, errnum, known ? total - offset : 0);
    return err_set(err, ERR_IO, "%s", str_get(&text));
}
