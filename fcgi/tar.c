/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /volumes/NAME/disk.tar.gz: everything in the volume, as tar (POSIX ustar, with pax headers only
 * for what ustar cannot say) through the gzip engine. libarchive writes the headers; the data are
 * read here, so that a file that cannot be read or that shrinks is an aborted download that names
 * it, and never a padded entry.
 *
 * Left out: sockets, which tar cannot hold, and lost+found at the root, which is the file system's
 * own. Both are said in the log.
 *
 * ?unreadable=list gives an archive of what can be read instead of none: it ends with
 * UNREADABLE_LIST, a file that names what is missing and why.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "export/format.h"
#include "handler.h"
#include "stream/gzip_stream.h"
#include "tar_entry.h"
#include "tree.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <string.h>
#include <sys/mman.h>

#define UNREADABLE_LIST "./UNREADABLE-FILES.txt"

enum {
    READ_SIZE = 256 << 10,
    HOLE_SIZE = 1 << 30, /* zeros handed to libarchive at once, which drops them */
};

/* One archive on its way. */
struct tar {
    struct gzip_stream *stream;
    struct archive *archive;
    struct archive_entry_linkresolver *links;
    struct err *err; /* what the write callback failed with */
    char *what;      /* names the source in messages */
    uint8_t *buffer; /* READ_SIZE */
    struct str unreadable;
    bool list_unreadable;
    size_t sockets;
};

static const void *hole; /* HOLE_SIZE zeros that take no memory: never touched pages */

static la_ssize_t on_write(struct archive *archive, void *ctx, const void *data, size_t len)
{
    struct tar *tar = ctx;

    (void)archive;
    return gzip_stream_write(tar->stream, data, len, tar->err) < 0 ? -1 : (la_ssize_t)len;
}

/* A failure of libarchive: of our own callback, which has said why, or its own. */
static int archive_failed(struct tar *tar, const char *path)
{
    if (tar->err->class == ERR_NONE)
        err_set(tar->err, ERR_SYSTEM, "cannot archive '%s' of %s: %s", path, tar->what,
                archive_error_string(tar->archive));
    return -1;
}

/* ---- data ---- */

static int write_data(struct tar *tar, const void *data, size_t len, const char *path)
{
    return archive_write_data(tar->archive, data, len) == (la_ssize_t)len
               ? 0
               : archive_failed(tar, path);
}

/* libarchive wants the holes too, and drops them by its map. */
static int write_hole(struct tar *tar, off_t len, const char *path)
{
    while (len > 0) {
        size_t part = len < HOLE_SIZE ? (size_t)len : HOLE_SIZE;

        if (write_data(tar, hole, part, path) < 0)
            return -1;
        len -= (off_t)part;
    }
    return 0;
}

static int write_extent(struct tar *tar, int fd, off_t offset, off_t end, const char *path)
{
    cleanup_str struct str what = STR_INIT;

    str_printf(&what, "'%s' of %s", path, tar->what);
    while (offset < end) {
        size_t part = end - offset < READ_SIZE ? (size_t)(end - offset) : READ_SIZE;

        if (io_pread(fd, tar->buffer, part, offset, str_get(&what), tar->err) < 0 ||
            write_data(tar, tar->buffer, part, path) < 0)
            return -1;
        offset += (off_t)part;
    }
    return 0;
}

static int write_content(struct tar *tar, int fd, const struct stat *st,
                         struct archive_entry *entry, const char *path)
{
    la_int64_t start, len;
    off_t at = 0;

    if (archive_entry_sparse_reset(entry) == 0)
        return write_extent(tar, fd, 0, st->st_size, path);
    while (archive_entry_sparse_next(entry, &start, &len) == ARCHIVE_OK) {
        if (write_hole(tar, start - at, path) < 0 ||
            write_extent(tar, fd, start, start + len, path) < 0)
            return -1;
        at = start + len;
    }
    return write_hole(tar, st->st_size - at, path);
}

/* Holes are not read: that the file is still as long as it was must be asked for. */
static int write_file(struct tar *tar, int fd, const struct stat *st, struct archive_entry *entry,
                      const char *path)
{
    off_t end;

    if (write_content(tar, fd, st, entry, path) < 0)
        return -1;
    end = lseek(fd, 0, SEEK_END);
    if (end >= st->st_size)
        return 0;
    return err_set(tar->err, ERR_IO,
                   "'%s' of %s ends at offset %lld, before its size: it shrank while it was read",
                   path, tar->what, (long long)end);
}

/* ---- entries ---- */

static int write_entry(struct tar *tar, int fd, const struct stat *st, struct archive_entry *entry,
                       const char *path)
{
    /* ARCHIVE_WARN is a name that is no UTF-8: it is written as it is. */
    if (archive_write_header(tar->archive, entry) < ARCHIVE_WARN)
        return archive_failed(tar, path);
    if (archive_entry_size(entry) > 0 && write_file(tar, fd, st, entry, path) < 0)
        return -1;
    return archive_write_finish_entry(tar->archive) < ARCHIVE_WARN ? archive_failed(tar, path) : 0;
}

/* Opens what has content or attributes: regular files and directories. -1 in `fd` for the rest. */
static int open_entry(struct tar *tar, const struct tree_entry *from, int *fd, struct stat *st)
{
    *st = from->st;
    if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
        return 0;
    *fd = openat(from->dir, from->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (*fd < 0)
        return err_errno(tar->err, ERR_NONE, errno, "cannot open '%s' of %s", from->path,
                         tar->what);
    if (fstat(*fd, st) < 0)
        return err_errno(tar->err, ERR_IO, errno, "cannot stat '%s' of %s", from->path, tar->what);
    if ((st->st_mode & S_IFMT) != (from->st.st_mode & S_IFMT))
        return err_set(tar->err, ERR_IO, "'%s' of %s was replaced while it was read", from->path,
                       tar->what);
    return 0;
}

static int add_entry(struct tar *tar, const struct tree_entry *from)
{
    struct archive_entry *entry = archive_entry_new(), *sparse = NULL;
    cleanup_close int fd = -1;
    struct stat st;
    int rc;

    if (!entry)
        return err_errno(tar->err, ERR_SYSTEM, ENOMEM, "cannot archive %s", tar->what);
    rc = open_entry(tar, from, &fd, &st);
    if (rc == 0)
        rc = tar_entry_describe(entry, from, fd, &st, tar->what, tar->err);
    if (rc == 0) {
        archive_entry_linkify(tar->links, &entry, &sparse); /* a second name of a file: no data */
        rc = write_entry(tar, fd, &st, entry, from->path);
    }
    archive_entry_free(entry);
    return rc;
}

/* Whether the failure is of the kind that ?unreadable=list goes on after: nothing of the entry is
 * out. */
static bool note_unreadable(struct tar *tar, const char *path)
{
    if (!tar->list_unreadable || tar->err->class != ERR_FORBIDDEN)
        return false;
    log_warning("%s: left out of an archive, as asked: %s", path, tar->err->msg);
    str_printf(&tar->unreadable, "%s: %s\n", path, tar->err->msg);
    tar->err->class = ERR_NONE;
    return true;
}

static bool is_left_out(struct tar *tar, const struct tree_entry *entry)
{
    if (S_ISSOCK(entry->st.st_mode)) {
        if (tar->sockets++ == 0)
            log_info("'%s' of %s is a socket: left out of the archive", entry->path, tar->what);
        return true;
    }
    if (strcmp(entry->path, "./lost+found") != 0 || !S_ISDIR(entry->st.st_mode))
        return false;
    log_info("'./lost+found' of %s is the file system's own: left out of the archive", tar->what);
    return true;
}

static int add_tree(struct tar *tar, struct tree *tree)
{
    struct tree_entry entry;
    int more;

    while ((more = tree_next(tree, &entry, tar->err)) != 0) {
        if (more < 0 && !note_unreadable(tar, tree_path(tree)))
            return err_wrap(tar->err, "%s", tar->what);
        if (more < 0)
            continue;
        if (is_left_out(tar, &entry)) {
            tree_pass_over(tree);
        } else if (add_entry(tar, &entry) < 0) {
            if (!note_unreadable(tar, entry.path))
                return -1;
            tree_pass_over(tree);
        }
    }
    if (tar->sockets > 1)
        log_info("%zu sockets of %s were left out of the archive", tar->sockets, tar->what);
    return 0;
}

static int add_unreadable_list(struct tar *tar)
{
    struct archive_entry *entry;
    int rc;

    if (!tar->unreadable.len)
        return 0;
    entry = archive_entry_new();
    if (!entry)
        return err_errno(tar->err, ERR_SYSTEM, ENOMEM, "cannot archive %s", tar->what);
    archive_entry_set_pathname(entry, UNREADABLE_LIST);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, (la_int64_t)tar->unreadable.len);
    rc = archive_write_header(tar->archive, entry) < ARCHIVE_WARN
             ? archive_failed(tar, UNREADABLE_LIST)
             : write_data(tar, tar->unreadable.data, tar->unreadable.len, UNREADABLE_LIST);
    archive_entry_free(entry);
    return rc;
}

/* ---- the whole ---- */

static int open_archive(struct tar *tar)
{
    tar->archive = archive_write_new();
    tar->links = archive_entry_linkresolver_new();
    tar->buffer = malloc(READ_SIZE);
    if (!tar->archive || !tar->links || !tar->buffer)
        return err_errno(tar->err, ERR_SYSTEM, ENOMEM, "cannot archive %s", tar->what);
    archive_write_set_format_pax_restricted(tar->archive);
    archive_write_set_format_option(tar->archive, "pax", "xattrheader", "SCHILY"); /* GNU tar's */
    archive_entry_linkresolver_set_strategy(tar->links, archive_format(tar->archive));
    archive_write_set_bytes_per_block(tar->archive,
                                      0); /* no copy, no padding to a tape's records */
    if (archive_write_open(tar->archive, tar, NULL, on_write, NULL) != ARCHIVE_OK)
        return archive_failed(tar, ".");
    return 0;
}

static void close_archive(struct tar *tar)
{
    if (tar->archive) {
        archive_write_fail(tar->archive); /* after a failure: nothing more is written */
        archive_write_free(tar->archive);
    }
    if (tar->links)
        archive_entry_linkresolver_free(tar->links);
    gzip_stream_close(tar->stream);
    free(tar->buffer);
    free(tar->what);
    str_free(&tar->unreadable);
}

/* Takes `root` over. */
static int send_archive(struct tar *tar, int root)
{
    struct tree *tree = tree_new(root, tar->err);
    int rc = -1;

    if (tree && open_archive(tar) == 0 && add_tree(tar, tree) == 0 && add_unreadable_list(tar) == 0)
        rc = archive_write_close(tar->archive) == ARCHIVE_OK
                 ? gzip_stream_finish(tar->stream, tar->err)
                 : archive_failed(tar, ".");
    tree_free(tree);
    return rc;
}

static int serve(const struct request *req, struct response *res, struct err *err)
{
    cleanup_str struct str unreadable = STR_INIT, what = STR_INIT;
    struct tar tar = {.err = err};
    const struct volume *volume;
    const char *rest;
    struct stat st;
    int root, rc;

    if (request_volume(req, &volume, &rest, err) < 0)
        return -1;
    if (volume->content != VOLUME_ARCHIVE)
        return err_set(err, ERR_NOT_FOUND,
                       "volume '%s' is a disk: it has disk.img and disk.img.gz, and no disk.tar.gz",
                       volume->name);
    if (request_query(req, "unreadable", &unreadable) && strcmp(str_get(&unreadable), "list") != 0)
        return err_set(err, ERR_INPUT, "unreadable= knows one word: list");
    root = volume_open(volume, "", 0, &st, err);
    if (root < 0)
        return -1;
    err->class = ERR_NONE;
    str_printf(&what, "volume '%s'", volume->name);
    tar.what = str_steal(&what);
    tar.list_unreadable = unreadable.len > 0;
    response_header(res, "Content-Type", "application/gzip");
    response_header(res, "Accept-Ranges", "none");
    rc = response_begin(res, 200, err);
    if (rc == 0 && !res->head) {
        tar.stream = gzip_stream_open(res, GZIP_BYTES, FORMAT_SIZE_UNKNOWN, tar.what, err);
        rc = tar.stream ? send_archive(&tar, steal_fd(&root)) : -1;
    }
    if (root >= 0)
        close(root);
    close_archive(&tar);
    return rc;
}

static int start(unsigned *threads, struct err *err)
{
    /* libarchive converts names from the locale's encoding to pax' UTF-8. */
    setlocale(LC_CTYPE, "C.UTF-8");
    hole = mmap(NULL, HOLE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (hole == MAP_FAILED)
        return err_errno(err, ERR_SYSTEM, errno, "cannot reserve address space");
    return gzip_stream_start(threads, err);
}

int main(void)
{
    static const struct handler tar = {
        .name = "tar", .threads = 32, .start = start, .serve = serve};

    return handler_main(&tar);
}
