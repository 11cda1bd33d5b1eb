/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lighttpd sends regular files itself, without a byte through this process, and does ranges on
 * them. But not all that RFC 9110 says: its 416 lacks Content-Range, If-Match is unknown to
 * it, 1.4.69 drops ranges beyond the tenth in silence, a name that is not UTF-8 is refused, and
 * block devices always (reference: lighttpd's http_range.c and http-header-glue.c). So the request
 * is judged here; what is plain (the whole, or one range) goes by X-Sendfile, the rest is streamed
 * from here.
 */
#include "file.h"
#include "base/cleanup.h"
#include "conditional.h"
#include "http_date.h"
#include "range.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

void file_etag(const struct stat *st, const struct volume *volume, struct str *etag)
{
    cleanup_str struct str identity = STR_INIT;
    unsigned char digest[SHA256_DIGEST_LENGTH];

    if (S_ISBLK(st->st_mode)) {
        if (!*volume->identity)
            return;
        str_printf(&identity, "block %s %lld", volume->identity, (long long)st->st_size);
    } else {
        str_printf(&identity, "file %s %ju %lld %lld.%09ld", volume->identity,
                   (uintmax_t)st->st_ino, (long long)st->st_size, (long long)st->st_mtim.tv_sec,
                   st->st_mtim.tv_nsec);
    }
    SHA256((const unsigned char *)identity.data, identity.len, digest);
    str_putc(etag, '"');
    for (int i = 0; i < 16; i++)
        str_printf(etag, "%02x", digest[i]);
    str_putc(etag, '"');
}

static uint64_t size_of(const struct file *file)
{
    return (uint64_t)file->st.st_size;
}

static int send_part(struct response *res, const struct file *file, const struct range *range,
                     struct err *err)
{
    return response_send_file(res, file->fd, (off_t)range->start, range->len, file->what, err);
}

static int send_whole(struct response *res, const struct file *file, struct err *err)
{
    const struct range all = {0, size_of(file)};

    response_header(res, "Content-Type", "%s", file->type);
    response_header(res, "Content-Length", "%" PRIu64, size_of(file));
    if (response_begin(res, 200, err) < 0)
        return -1;
    return send_part(res, file, &all, err);
}

static int send_single(struct response *res, const struct file *file, const struct range *range,
                       struct err *err)
{
    response_header(res, "Content-Type", "%s", file->type);
    response_header(res, "Content-Range", "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range->start,
                    range->start + range->len - 1, size_of(file));
    response_header(res, "Content-Length", "%" PRIu64, range->len);
    if (response_begin(res, 206, err) < 0)
        return -1;
    return send_part(res, file, range, err);
}

/* The text before a part of a multipart/byteranges body (RFC 9110 §14.6). */
static void part_head(struct str *out, const struct file *file, const struct range *range,
                      const char *boundary)
{
    str_printf(out,
               "\r\n--%s\r\nContent-Type: %s\r\nContent-Range: bytes %" PRIu64 "-%" PRIu64
               "/%" PRIu64 "\r\n\r\n",
               boundary, file->type, range->start, range->start + range->len - 1, size_of(file));
}

static int send_multipart(struct response *res, const struct file *file,
                          const struct range_set *set, struct err *err)
{
    cleanup_str struct str text = STR_INIT;
    char boundary[33];
    uint64_t random[2], length;

    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return err_errno(err, ERR_SYSTEM, errno, "cannot get random bytes");
    snprintf(boundary, sizeof(boundary), "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
    length = sizeof("\r\n----\r\n") - 1 + strlen(boundary);
    for (size_t i = 0; i < set->count; i++) {
        str_clear(&text);
        part_head(&text, file, &set->range[i], boundary);
        length += text.len + set->range[i].len;
    }
    response_header(res, "Content-Type", "multipart/byteranges; boundary=%s", boundary);
    response_header(res, "Content-Length", "%" PRIu64, length);
    if (response_begin(res, 206, err) < 0)
        return -1;
    for (size_t i = 0; i < set->count; i++) {
        str_clear(&text);
        part_head(&text, file, &set->range[i], boundary);
        if (response_write(res, text.data, text.len, err) < 0 ||
            send_part(res, file, &set->range[i], err) < 0)
            return -1;
    }
    str_clear(&text);
    str_printf(&text, "\r\n--%s--\r\n", boundary);
    return response_write(res, text.data, text.len, err);
}

static int send_unsatisfiable(struct response *res, const struct file *file, struct err *err)
{
    response_header(res, "Content-Range", "bytes */%" PRIu64, size_of(file));
    return response_text(res, 416, "text/plain; charset=utf-8",
                         "every range begins beyond the end; Content-Range says the size\n", err);
}

/* Appends the file's path as X-Sendfile wants it, percent-encoded; nothing when it cannot be said.
 */
static int sendfile_path(int fd, struct str *path, struct err *err)
{
    cleanup_str struct str real = STR_INIT;

    if (volume_real_path(fd, &real, err) < 0)
        return -1;
    if (str_is_utf8(str_get(&real)))
        str_url_path(path, str_get(&real));
    return 0;
}

/* Whether a number in the text has more digits than lighttpd can hold: it would answer 416 without a size. */
static bool has_long_number(const char *text)
{
    enum { DIGITS = 18 };

    for (; *text; text += strspn(text, "0123456789"), text += *text != '\0')
        if (strspn(text, "0123456789") > DIGITS)
            return true;
    return false;
}

/*
 * Hands the file to lighttpd, which takes what the Range header says of it. False when it must be
 * streamed: several ranges, a Range header that is to be ignored or that lighttpd would not
 * understand, a path that it would refuse, no regular file, no lighttpd.
 */
static bool by_lighttpd(const struct request *req, const struct response *res,
                        const struct file *file, enum range_result result,
                        const struct range_set *set, struct str *path, struct err *err)
{
    const char *range = request_param(req, "HTTP_RANGE");

    return res->id && S_ISREG(file->st.st_mode) && result != RANGE_IGNORE && set->count <= 1 &&
           !(range && has_long_number(range)) && sendfile_path(file->fd, path, err) == 0 &&
           path->len;
}

static int send_body(const struct request *req, struct response *res, const struct file *file,
                     enum range_result result, const struct range_set *set, struct err *err)
{
    cleanup_str struct str path = STR_INIT;

    if (result == RANGE_UNSATISFIABLE)
        return send_unsatisfiable(res, file, err);
    if (by_lighttpd(req, res, file, result, set, &path, err)) {
        response_header(res, "Content-Type", "%s", file->type);
        response_header(res, "X-Sendfile", "%s", str_get(&path));
        return response_begin(res, 200, err);
    }
    if (result != RANGE_SATISFIABLE)
        return send_whole(res, file, err);
    if (set->count == 1)
        return send_single(res, file, &set->range[0], err);
    return send_multipart(res, file, set, err);
}

int file_serve(const struct request *req, struct response *res, const struct file *file,
               struct err *err)
{
    const struct validator validator = {
        .etag = *file->etag ? file->etag : NULL,
        .mtime = S_ISREG(file->st.st_mode) ? file->st.st_mtim.tv_sec : -1,
    };
    enum range_result result = RANGE_NONE;
    struct range_set set = {.count = 0};
    char date[HTTP_DATE_SIZE];

    if (validator.etag)
        response_header(res, "ETag", "%s", validator.etag);
    if (validator.mtime >= 0)
        response_header(res, "Last-Modified", "%s", http_date_format(validator.mtime, date));
    if (conditional_range_applies(req, &validator))
        result = range_parse(request_param(req, "HTTP_RANGE"), size_of(file), &set);
    /* "none" keeps lighttpd from taking ranges out of a small streamed body on its own. */
    response_header(res, "Accept-Ranges", result == RANGE_IGNORE ? "none" : "bytes");
    switch (conditional_check(req, &validator)) {
    case CONDITIONAL_FAILED:
        return err_set(err, ERR_PRECONDITION, "%s is no longer what the request expects",
                       file->what);
    case CONDITIONAL_NOT_MODIFIED:
        return response_begin(res, 304, err);
    case CONDITIONAL_PROCEED:
        break;
    }
    return send_body(req, res, file, result, &set, err);
}
