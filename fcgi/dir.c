/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /volumes/NAME/dir/PATH and /volumes/NAME/PATH: a listing of a directory, or a file. The HTML
 * listing is that of Go's http.FileServer, so that scripts written for KubeVirt's export server
 * read it.
 *
 * A page's URL tells directory and file apart by its last '/', as relative links depend on it; the
 * other spelling is redirected. Locations are relative, as a proxy may have put anything in front
 * of the path, and keep the query as it came: the token may be in it.
 */
#include "base/cleanup.h"
#include "conditional.h"
#include "file.h"
#include "handler.h"
#include "http_date.h"
#include "listing.h"
#include "media_type.h"

#include <string.h>

enum { CHUNK_SIZE = 64 * 1024 };

/* ---- redirects ---- */

/* `up` times "../", then the segment, if any, then "/" for a directory. */
static int redirect(const struct request *req, struct response *res, size_t up, const char *segment,
                    bool directory, struct err *err)
{
    cleanup_str struct str location = STR_INIT;

    if (!up && strchr(segment, ':')) /* else what is before it would be a scheme */
        str_puts(&location, "./");
    while (up--)
        str_puts(&location, "../");
    str_url_path(&location, segment);
    if (directory)
        str_putc(&location, '/');
    if (*req->query)
        str_printf(&location, "?%s", req->query);
    response_header(res, "Location", "%s", str_get(&location));
    response_header(res, "Content-Length", "0");
    return response_begin(res, 301, err);
}

static const char *last_segment(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* ---- listings ---- */

/*
 * A body that is collected up to CHUNK_SIZE before anything is sent: so a small one gets a
 * Content-Length, and an error in a small one its status.
 */
struct page {
    struct response *res;
    struct str text;
};

static int page_flush(struct page *page, struct err *err)
{
    int rc = 0;

    if (!page->res->begun)
        rc = response_begin(page->res, 200, err);
    if (rc == 0)
        rc = response_write(page->res, page->text.data, page->text.len, err);
    str_clear(&page->text);
    return rc;
}

/* HEAD needs no more than the first chunk, which settled the headers. */
static bool page_is_settled(const struct page *page)
{
    return page->res->head && page->res->begun;
}

static int page_end(struct page *page, struct err *err)
{
    if (!page->res->begun)
        response_header(page->res, "Content-Length", "%zu", page->text.len);
    return page_flush(page, err);
}

static int write_html(const struct names *names, struct page *page, struct err *err)
{
    str_puts(&page->text, listing_html_head);
    for (size_t i = 0; i < names->count && !page_is_settled(page); i++)
        if (listing_html(names, i, &page->text, err) < 0 ||
            (page->text.len >= CHUNK_SIZE && page_flush(page, err) < 0))
            return -1;
    str_puts(&page->text, listing_html_tail);
    return page_end(page, err);
}

static int write_json(const struct names *names, struct page *page, struct err *err)
{
    bool first = true;

    str_putc(&page->text, '[');
    for (size_t i = 0; i < names->count && !page_is_settled(page); i++) {
        cleanup_str struct str entry = STR_INIT;
        bool shown;

        if (listing_json(names, i, &entry, &shown, err) < 0)
            return -1;
        if (!shown)
            continue;
        str_puts(&page->text, first ? "\n" : ",\n");
        str_append(&page->text, entry.data, entry.len);
        first = false;
        if (page->text.len >= CHUNK_SIZE && page_flush(page, err) < 0)
            return -1;
    }
    str_puts(&page->text, "\n]\n");
    return page_end(page, err);
}

static int write_listing(struct response *res, const struct names *names, bool json,
                         struct err *err)
{
    struct page page = {.res = res, .text = STR_INIT};
    int rc = json ? write_json(names, &page, err) : write_html(names, &page, err);

    str_free(&page.text);
    return rc;
}

/*
 * Only the HTML form has a date: it shows names and types, which change with the directory's mtime.
 * The JSON form shows sizes, which do not.
 */
static int serve_listing(const struct request *req, struct response *res, int fd,
                         const struct stat *st, const char *what, struct err *err)
{
    cleanup_names struct names names = NAMES_INIT;
    bool json = request_accepts(req, "application/json");
    const struct validator validator = {.etag = NULL, .mtime = json ? -1 : st->st_mtim.tv_sec};
    char date[HTTP_DATE_SIZE];

    response_header(res, "Vary", "Accept");
    response_header(res, "Accept-Ranges", "none"); /* else lighttpd makes some, of a small one */
    if (!json)
        response_header(res, "Last-Modified", "%s", http_date_format(st->st_mtim.tv_sec, date));
    switch (conditional_check(req, &validator)) {
    case CONDITIONAL_FAILED:
        return err_set(err, ERR_PRECONDITION, "%s is no longer what the request expects", what);
    case CONDITIONAL_NOT_MODIFIED:
        return response_begin(res, 304, err);
    case CONDITIONAL_PROCEED:
        break;
    }
    if (names_read(&names, fd, LISTING_BYTES_MAX, err) < 0)
        return err_wrap(err, "cannot list %s", what);
    response_header(res, "Content-Type", "%s",
                    json ? "application/json" : "text/html; charset=utf-8");
    return write_listing(res, &names, json, err);
}

/* ---- files ---- */

static int serve_file(const struct request *req, struct response *res, const struct volume *volume,
                      const char *path, int fd, const struct stat *st, const char *what,
                      struct err *err)
{
    cleanup_str struct str etag = STR_INIT;

    file_etag(st, volume, &etag);
    /* What a guest wrote must not run as a page of this server. */
    response_header(res, "X-Content-Type-Options", "nosniff");
    response_header(res, "Content-Security-Policy", "sandbox; default-src 'none'");
    return file_serve(
        req, res,
        &(struct file){
            .fd = fd, .st = *st, .etag = str_get(&etag), .type = media_type(path), .what = what},
        err);
}

/* `path` is below the volume's root, as in the URL. */
static int serve_path(const struct request *req, struct response *res, const struct volume *volume,
                      const char *path, struct err *err)
{
    cleanup_str struct str bare = STR_INIT; /* without the slashes at its end */
    cleanup_str struct str what = STR_INIT;
    cleanup_close int fd = -1;
    size_t len = strlen(path), slashes = 0;
    struct stat st;

    while (slashes < len && path[len - slashes - 1] == '/')
        slashes++;
    str_append(&bare, path, len - slashes);
    str_printf(&what, "'/%s' in volume '%s'", path, volume->name);
    fd = volume_open(volume, str_get(&bare), 0, &st, err);
    if (fd < 0)
        return -1;
    if (S_ISDIR(st.st_mode) && (slashes || !bare.len))
        return serve_listing(req, res, fd, &st, str_get(&what), err);
    if (!bare.len)
        return err_set(err, ERR_SYSTEM, "volume '%s' is to be an archive, but no directory",
                       volume->name);
    if (S_ISDIR(st.st_mode))
        return redirect(req, res, 0, last_segment(str_get(&bare)), true, err);
    if (slashes)
        return redirect(req, res, slashes, last_segment(str_get(&bare)), false, err);
    return serve_file(req, res, volume, str_get(&bare), fd, &st, str_get(&what), err);
}

static int serve(const struct request *req, struct response *res, struct err *err)
{
    const struct volume *volume;
    const char *rest;

    if (request_volume(req, &volume, &rest, err) < 0)
        return -1;
    if (volume->content != VOLUME_ARCHIVE)
        return err_set(err, ERR_NOT_FOUND,
                       "volume '%s' is a disk: it is to be had as /volumes/%s/disk.img and "
                       "/volumes/%s/disk.img.gz",
                       volume->name, volume->name, volume->name);
    if (strcmp(rest, "") == 0) {
        cleanup_str struct str root = STR_INIT;

        str_printf(&root, "%s/dir", volume->name);
        return redirect(req, res, 0, str_get(&root), true, err);
    }
    if (strcmp(rest, "/") == 0 || strcmp(rest, "/dir") == 0)
        return redirect(req, res, 0, "dir", true, err);
    return serve_path(req, res, volume, rest + (str_starts(rest, "/dir/") ? 5 : 1), err);
}

int main(void)
{
    static const struct handler dir = {.name = "dir", .threads = 16, .serve = serve};

    return handler_main(&dir);
}
