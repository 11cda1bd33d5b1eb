/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FILE.part.json: what FILE.part is a part of. It names the inode of the part, so that a part that
 * somebody put there is not taken for ours. Numbers are texts of digits, as they may be beyond 2^53.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "transfer/output_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { NOTE_MAX = 64 << 10, DIGITS_SIZE = 21 };

static const char note_version[] = "1";

/* ---- reading ---- */

static int open_note(const char *path, off_t *size)
{
    cleanup_close int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
        st.st_size > NOTE_MAX)
        return -1;
    *size = st.st_size;
    return steal_fd(&fd);
}

static struct json *read_json(const char *path)
{
    off_t size = 0;
    cleanup_close int fd = open_note(path, &size);
    cleanup_free char *text = fd < 0 ? NULL : calloc(1, (size_t)size + 1);
    struct err err;

    if (!text || io_pread(fd, text, (size_t)size, 0, path, &err) < 0)
        return NULL;
    return json_parse(text, (size_t)size, &err);
}

static bool get_number(const struct json *json, const char *key, uint64_t max, uint64_t *out)
{
    const char *text = json_text(json, key);
    uint64_t number = 0;

    if (!text || !*text)
        return false;
    for (; *text; text++) {
        unsigned digit = (unsigned)(*text - '0');

        if (digit > 9 || digit > max || number > (max - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *out = number;
    return true;
}

static bool get_text(const struct json *json, const char *key, char *out, size_t size)
{
    const char *text = json_text(json, key);

    return text && (size_t)snprintf(out, size, "%s", text) < size;
}

static bool parse(const struct json *json, uint64_t *inode, struct output_state *state)
{
    const char *version = json_text(json, "version");
    uint64_t crc;

    if (!version || strcmp(version, note_version) != 0 ||
        !get_text(json, "what", state->what, sizeof(state->what)) ||
        !get_text(json, "etag", state->etag, sizeof(state->etag)) ||
        !get_number(json, "size", UINT64_MAX, &state->size) ||
        !get_number(json, "position", state->size, &state->position) ||
        !get_number(json, "bytes", INT64_MAX, &state->bytes) ||
        !get_number(json, "crc", UINT32_MAX, &crc) || !get_number(json, "inode", UINT64_MAX, inode))
        return false;
    state->crc = (uint32_t)crc;
    return state->position > 0;
}

bool output_note_read(const char *path, const struct stat *part, struct output_state *state)
{
    cleanup_json struct json *json = read_json(path);
    uint64_t inode;

    memset(state, 0, sizeof(*state));
    return json && parse(json, &inode, state) && inode == part->st_ino &&
           (uint64_t)part->st_size >= state->bytes;
}

/* ---- writing ---- */

static void set_number(struct json *json, const char *key, uint64_t number)
{
    char digits[DIGITS_SIZE];

    snprintf(digits, sizeof(digits), "%" PRIu64, number);
    json_set_string(json, key, digits);
}

static void print(const struct stat *part, const struct output_state *state, struct str *text)
{
    cleanup_json struct json *json =
        json_format("{'version':%s,'what':%s,'etag':%s}", note_version, state->what, state->etag);

    set_number(json, "size", state->size);
    set_number(json, "position", state->position);
    set_number(json, "bytes", state->bytes);
    set_number(json, "crc", state->crc);
    set_number(json, "inode", part->st_ino);
    json_print(json, 2, text);
    str_putc(text, '\n');
}

/* O_EXCL: what somebody put there is not written to. Some bytes that cannot be written in one go
 * cannot be written at all. */
static int write_file(const char *path, const struct str *text)
{
    cleanup_close int fd = -1;
    ssize_t written;

    if (unlink(path) < 0 && errno != ENOENT)
        return errno;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    written = write(fd, text->data, text->len);
    if (written < 0)
        return errno;
    if ((size_t)written < text->len)
        return ENOSPC;
    return fsync(fd) < 0 ? errno : 0;
}

int output_note_write(const struct output *output, const struct stat *part,
                      const struct output_state *state)
{
    cleanup_str struct str text = STR_INIT;
    int errnum;

    print(part, state, &text);
    errnum = write_file(output->note_new, &text);
    if (!errnum && rename(output->note_new, output->note) < 0)
        errnum = errno;
    if (errnum)
        unlink(output->note_new);
    return errnum ? errnum : output_sync_folder(output);
}

/* A folder that cannot be read cannot be opened for this; some file systems know no such thing. */
int output_sync_folder(const struct output *output)
{
    cleanup_close int fd = open(output->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return errno == EACCES ? 0 : errno;
    return fsync(fd) == 0 || errno == EINVAL || errno == EBADF || errno == ENOTSUP ? 0 : errno;
}
