/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FILE.part.json: what FILE.part is a part of. It names the inode of the part, so that a part that
 * somebody put there is not taken for ours, and its length and times as they were after the last
 * write, so that one that somebody wrote to since is not believed. Numbers are texts of digits, as
 * they may be beyond 2^53.
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

enum { NOTE_MAX = 64 << 10, DIGITS_SIZE = 21, TIME_SIZE = 40 };

static const char note_version[] = "1";
static const char note_start[] = "{\n  \"version\": \""; /* of all that we wrote, whole or not */

static void put_time(const struct timespec *when, char text[TIME_SIZE])
{
    snprintf(text, TIME_SIZE, "%lld.%09ld", (long long)when->tv_sec, when->tv_nsec);
}

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

static int read_note(const char *path, struct str *text)
{
    off_t size = 0;
    cleanup_close int fd = open_note(path, &size);
    cleanup_free char *bytes = fd < 0 ? NULL : calloc(1, (size_t)size + 1);
    struct err err;

    if (!bytes || io_pread(fd, bytes, (size_t)size, 0, path, &err) < 0)
        return -1;
    str_append(text, bytes, (size_t)size);
    return 0;
}

static bool is_missing(const char *path)
{
    struct stat st;

    return lstat(path, &st) < 0 && errno == ENOENT;
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

/* Whatever its version. */
static bool is_ours(const struct json *json, uint64_t *inode)
{
    return json_text(json, "version") && json_text(json, "what") && json_text(json, "etag") &&
           get_number(json, "inode", UINT64_MAX, inode);
}

static bool parse(const struct json *json, struct output_state *state)
{
    uint64_t crc;

    if (strcmp(json_text(json, "version"), note_version) != 0 ||
        !get_text(json, "what", state->what, sizeof(state->what)) ||
        !get_text(json, "etag", state->etag, sizeof(state->etag)) ||
        !get_number(json, "size", UINT64_MAX, &state->size) ||
        !get_number(json, "position", state->size, &state->position) ||
        !get_number(json, "bytes", INT64_MAX, &state->bytes) ||
        !get_number(json, "crc", UINT32_MAX, &crc))
        return false;
    state->crc = (uint32_t)crc;
    return state->position > 0;
}

static bool has_time(const struct json *json, const char *key, const struct timespec *when)
{
    char want[TIME_SIZE];
    const char *text = json_text(json, key);

    put_time(when, want);
    return text && strcmp(text, want) == 0;
}

static bool is_unchanged(const struct json *json, const struct stat *part)
{
    uint64_t length;

    return get_number(json, "length", INT64_MAX, &length) && length == (uint64_t)part->st_size &&
           has_time(json, "mtime", &part->st_mtim) && has_time(json, "ctime", &part->st_ctim);
}

enum output_note output_note_read(const char *path, const struct stat *part,
                                  struct output_state *state)
{
    cleanup_str struct str text = STR_INIT;
    cleanup_json struct json *json = NULL;
    uint64_t inode;
    struct err err;

    memset(state, 0, sizeof(*state));
    if (is_missing(path))
        return OUTPUT_NOTE_NONE;
    if (read_note(path, &text) == 0)
        json = json_parse(str_get(&text), text.len, &err);
    if (!json || !is_ours(json, &inode))
        return OUTPUT_NOTE_FOREIGN;
    if (!part || inode != part->st_ino)
        return OUTPUT_NOTE_STRAY;
    if (!parse(json, state))
        return OUTPUT_NOTE_EMPTY;
    return is_unchanged(json, part) ? OUTPUT_NOTE_TRUE : OUTPUT_NOTE_CHANGED;
}

bool output_note_new_is_ours(const char *path)
{
    cleanup_str struct str text = STR_INIT;
    size_t start = sizeof(note_start) - 1;

    if (is_missing(path))
        return true;
    if (read_note(path, &text) < 0)
        return false;
    return strncmp(str_get(&text), note_start, text.len < start ? text.len : start) == 0;
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
    char mtime[TIME_SIZE], ctime[TIME_SIZE];
    cleanup_json struct json *json =
        json_format("{'version':%s,'what':%s,'etag':%s}", note_version, state->what, state->etag);

    set_number(json, "size", state->size);
    set_number(json, "position", state->position);
    set_number(json, "bytes", state->bytes);
    set_number(json, "crc", state->crc);
    set_number(json, "inode", part->st_ino);
    set_number(json, "length", (uint64_t)part->st_size);
    put_time(&part->st_mtim, mtime);
    put_time(&part->st_ctim, ctime);
    json_set_string(json, "mtime", mtime);
    json_set_string(json, "ctime", ctime);
    json_print(json, 2, text);
    str_putc(text, '\n');
}

/* O_EXCL: what somebody put there since we looked is not written to. Some bytes that cannot be written in one go
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
