/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /volumes/NAME/disk.img.gz: the disk as one gzip stream. Holes are never read: the file system
 * says where they are (lseek SEEK_DATA), which only saves time, as zeros that are read become the
 * same bytes.
 *
 * ?from=N begins the stream at logical byte N, a multiple of 1 MiB: with If-Match, a client goes on
 * after any break without mixing two states of a disk.
 */
#include "conditional.h"
#include "disk.h"
#include "export/format.h"
#include "handler.h"
#include "stream/codec.h"
#include "stream/gzip_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The raw disk's tag with the codec: two codecs write different bytes. */
static void gzip_etag(const struct disk *disk, struct str *etag)
{
    if (!disk->etag.len)
        return;
    str_append(etag, disk->etag.data, disk->etag.len - 1);
    str_printf(etag, "-gz%d-%s\"", FORMAT_VERSION, codec_id());
}

static int parse_from(const struct request *req, const struct disk *disk, uint64_t *from,
                      struct err *err)
{
    cleanup_str struct str text = STR_INIT;
    char *end;

    *from = 0;
    if (!request_query(req, "from", &text))
        return 0;
    errno = 0;
    *from = strtoull(str_get(&text), &end, 10);
    if (errno || !text.len || strspn(str_get(&text), "0123456789") != text.len ||
        *from % FORMAT_BLOCK || *from > (uint64_t)disk->st.st_size)
        return err_set(err, ERR_INPUT,
                       "from=N must be a multiple of %d, the logical bytes that are already there, "
                       "and not beyond the disk's %lld bytes",
                       FORMAT_BLOCK, (long long)disk->st.st_size);
    return 0;
}

/* There is no data to the end: a hole, unless the end itself came nearer. */
static off_t last_hole(const struct disk *disk, struct err *err)
{
    off_t end = lseek(disk->fd, 0, SEEK_END);

    if (end < disk->st.st_size)
        return err_set(err, ERR_IO,
                       "%s ends at offset %lld, before its size: it shrank while it was read",
                       str_get(&disk->what), (long long)end);
    return disk->st.st_size;
}

/* Where data begins at or after `offset`, in whole blocks; the file's size when there is none. */
static off_t next_data(const struct disk *disk, off_t offset, struct err *err)
{
    off_t data = lseek(disk->fd, offset, SEEK_DATA);

    if (data < 0 && errno == ENXIO)
        return last_hole(disk, err);
    if (data < 0) /* a block device or a file system that doesn't know: all of it is data */
        return offset;
    return data < disk->st.st_size ? data / FORMAT_BLOCK * FORMAT_BLOCK : disk->st.st_size;
}

/* A file that was written to meanwhile is two states of a disk in one stream. */
static int check_unchanged(const struct disk *disk, struct err *err)
{
    struct stat now;

    if (S_ISBLK(disk->st.st_mode))
        return 0; /* who may write to a device is known to whoever gave its identity */
    if (fstat(disk->fd, &now) < 0)
        return err_errno(err, ERR_IO, errno, "cannot stat %s", str_get(&disk->what));
    if (now.st_mtim.tv_sec == disk->st.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == disk->st.st_mtim.tv_nsec && now.st_size == disk->st.st_size)
        return 0;
    return err_set(err, ERR_IO, "%s was written to while it was read", str_get(&disk->what));
}

static int stream_disk(struct gzip_stream *stream, const struct disk *disk, off_t offset,
                       struct err *err)
{
    off_t size = disk->st.st_size;

    while (offset < size) {
        off_t data = next_data(disk, offset, err);
        size_t len;

        if (data < 0)
            return -1;
        if (data > offset) {
            if (gzip_stream_zeros(stream, (uint64_t)(data - offset), err) < 0)
                return -1;
            offset = data;
            continue;
        }
        len = size - offset < FORMAT_BLOCK ? (size_t)(size - offset) : FORMAT_BLOCK;
        if (gzip_stream_file(stream, disk->fd, offset, len, err) < 0)
            return -1;
        offset += (off_t)len;
    }
    if (gzip_stream_drain(stream, err) < 0 || check_unchanged(disk, err) < 0)
        return -1;
    return gzip_stream_finish(stream, err);
}

static int begin(const struct request *req, struct response *res, const struct disk *disk,
                 struct err *err)
{
    cleanup_str struct str etag = STR_INIT;
    struct validator validator = {.etag = NULL, .mtime = -1};

    gzip_etag(disk, &etag);
    if (etag.len) {
        validator.etag = str_get(&etag);
        response_header(res, "ETag", "%s", validator.etag);
    }
    switch (conditional_check(req, &validator)) {
    case CONDITIONAL_FAILED:
        return err_set(err, ERR_PRECONDITION,
                       "%s is no longer the one that the request expects: start again",
                       str_get(&disk->what));
    case CONDITIONAL_NOT_MODIFIED:
        return response_begin(res, 304, err);
    case CONDITIONAL_PROCEED:
        break;
    }
    response_header(res, "Content-Type", "application/gzip");
    response_header(res, "Accept-Ranges", "none");
    return response_begin(res, 200, err);
}

static int serve(const struct request *req, struct response *res, struct err *err)
{
    cleanup_disk struct disk disk = DISK_INIT;
    const struct volume *volume;
    struct gzip_stream *stream;
    const char *rest;
    uint64_t from;
    int rc;

    if (request_volume(req, &volume, &rest, err) < 0 || disk_open(volume, &disk, err) < 0 ||
        parse_from(req, &disk, &from, err) < 0 || begin(req, res, &disk, err) < 0)
        return -1;
    if (res->head || res->status != 200)
        return 0;
    posix_fadvise(disk.fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    stream = gzip_stream_open(res, GZIP_FILE, (uint64_t)disk.st.st_size - from, str_get(&disk.what),
                              err);
    if (!stream)
        return -1;
    rc = stream_disk(stream, &disk, (off_t)from, err);
    gzip_stream_close(stream);
    return rc;
}

int main(void)
{
    static const struct handler gzip = {
        .name = "gzip", .threads = 64, .start = gzip_stream_start, .serve = serve};

    return handler_main(&gzip);
}
