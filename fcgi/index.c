/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "/": what this export has and how to get it, for a person; with Accept: application/json for a
 * program. Links are relative, so that the page works below any prefix. The token is never in it,
 * so the page can be passed on.
 */
#include "base/cleanup.h"
#include "base/json.h"
#include "disk.h"
#include "handler.h"

#include <inttypes.h>
#include <string.h>

static const struct format {
    enum volume_content content;
    const char *name;
    const char *path;   /* below /volumes/NAME/ */
    const char *suffix; /* of the file that curl makes; NULL when it prints */
    const char *options;
    const char *about;
} formats[] = {
    {VOLUME_DISK, "raw", "disk.img", ".img", "-C - ", "the disk as it is; goes on after a break"},
    {VOLUME_DISK, "gzip", "disk.img.gz", ".img.gz", "", "the disk, compressed on the way"},
    {VOLUME_ARCHIVE, "dir", "dir/", NULL, "", "every file by itself"},
    {VOLUME_ARCHIVE, "tar.gz", "disk.tar.gz", ".tar.gz", "", "all files, compressed on the way"},
};

#define FORMAT_COUNT (sizeof(formats) / sizeof(formats[0]))

static const char *const content_names[] = {[VOLUME_DISK] = "disk", [VOLUME_ARCHIVE] = "archive"};

/* What is found of a volume now. */
struct state {
    bool usable;   /* else `err` says why not */
    bool has_size; /* of an archive it is not known without reading all of it */
    uint64_t size;
    struct err err;
};

static int look_at_disk(const struct volume *volume, struct state *state)
{
    cleanup_disk struct disk disk = DISK_INIT;

    if (disk_open(volume, &disk, &state->err) < 0)
        return -1;
    state->has_size = true;
    state->size = (uint64_t)disk.st.st_size;
    return 0;
}

static int look_at_archive(const struct volume *volume, struct state *state)
{
    struct stat st;
    cleanup_close int fd = volume_open(volume, "", 0, &st, &state->err);

    if (fd < 0)
        return -1;
    if (!S_ISDIR(st.st_mode))
        return err_set(&state->err, ERR_SYSTEM, "volume '%s' is no directory", volume->name);
    return 0;
}

static void look_at(const struct volume *volume, struct state *state)
{
    int rc;

    *state = (struct state){.usable = false};
    rc = volume->content == VOLUME_DISK ? look_at_disk(volume, state)
                                        : look_at_archive(volume, state);
    state->usable = rc == 0;
}

/* ---- JSON ---- */

static struct json *json_formats(const struct volume *volume)
{
    struct json *list = json_new_array();

    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        cleanup_str struct str url = STR_INIT;
        struct json *format;

        if (formats[i].content != volume->content)
            continue;
        format = json_new_object();
        str_printf(&url, "volumes/%s/%s", volume->name, formats[i].path);
        json_set_string(format, "format", formats[i].name);
        json_set_string(format, "url", str_get(&url));
        json_append(list, format);
    }
    return list;
}

static struct json *json_volume(const struct volume *volume)
{
    struct json *object = json_new_object();
    struct state state;

    look_at(volume, &state);
    json_set_string(object, "name", volume->name);
    json_set_string(object, "content", content_names[volume->content]);
    if (state.has_size)
        json_set(object, "size", json_new_number((double)state.size));
    if (!state.usable)
        json_set_string(object, "error", state.err.msg);
    json_set(object, "formats", json_formats(volume));
    return object;
}

static void print_json(const struct volume_table *volumes, struct str *out)
{
    cleanup_json struct json *page = json_new_object();
    struct json *list = json_new_array();

    json_set(page, "volumes", list);
    for (size_t i = 0; i < volumes->count; i++)
        json_append(list, json_volume(&volumes->volume[i]));
    json_print(page, 4, out);
    str_putc(out, '\n');
}

/* ---- HTML ---- */

static const char page_head[] =
    "<!doctype html>\n"
    "<html lang=\"en\">\n"
    "<head>\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<title>Export</title>\n"
    "<style>body{font-family:sans-serif;margin:2em;max-width:60em}"
    "pre{background:#eee;padding:.7em;overflow:auto}.error{color:#a00}</style>\n"
    "</head>\n"
    "<body>\n"
    "<h1>Export</h1>\n";

static const char token_note[] =
    "<p>Every request needs the export's token. The commands below take it from a variable and "
    "this export's address from another:</p>\n";

static const char certificate_note[] =
    "<p>If your system does not trust the server's certificate, add <code>--cacert FILE</code>, "
    "FILE being the certificate from the export's status.</p>\n";

static void append_size(struct str *out, uint64_t size)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)size / 1024;
    size_t unit = 0;

    if (size < 1024) {
        str_printf(out, "%" PRIu64 " bytes", size);
        return;
    }
    for (; value >= 1024; value /= 1024)
        unit++;
    str_printf(out, "%.1f %s (%" PRIu64 " bytes)", value, units[unit], size);
}

/* Only what neither a shell nor HTML sees as more than text may get into a command that people
 * copy. */
static bool is_harmless(const char *text, size_t len)
{
    return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                        ".:-_/[]") >= len;
}

/* The address of this page without the '/' at its end, as the client sees it. */
static void append_base(const struct request *req, struct str *out)
{
    const char *host = request_param(req, "HTTP_HOST"), *uri = request_param(req, "REQUEST_URI");
    const char *https = request_param(req, "HTTPS");
    size_t len = uri ? strcspn(uri, "?") : 0;

    if (!host || !is_harmless(host, strlen(host)) || !is_harmless(uri ? uri : "", len)) {
        str_puts(out, "https://HOST");
        return;
    }
    str_printf(out, "%s://%s", https && strcmp(https, "off") != 0 ? "https" : "http", host);
    while (len && uri[len - 1] == '/')
        len--;
    str_append(out, uri, len);
}

static void print_format(const struct volume *volume, const struct format *format, struct str *out)
{
    str_printf(out, "<p><a href=\"volumes/%s/%s\">%s</a>: %s</p>\n", volume->name, format->path,
               format->name, format->about);
    str_printf(out, "<pre>curl -f %s-H \"x-kubevirt-export-token: $TOKEN\" ", format->options);
    if (format->suffix)
        str_printf(out, "-o %s%s ", volume->name, format->suffix);
    str_printf(out, "\"$URL/volumes/%s/%s\"</pre>\n", volume->name, format->path);
}

static void print_volume(const struct volume *volume, struct str *out)
{
    struct state state;

    look_at(volume, &state);
    str_printf(out, "<h2>%s</h2>\n<p>%s", volume->name, content_names[volume->content]);
    if (state.has_size) {
        str_puts(out, ", ");
        append_size(out, state.size);
    }
    str_puts(out, "</p>\n");
    if (!state.usable) {
        str_puts(out, "<p class=\"error\">It cannot be read now: ");
        str_html(out, state.err.msg);
        str_puts(out, "</p>\n");
    }
    for (size_t i = 0; i < FORMAT_COUNT; i++)
        if (formats[i].content == volume->content)
            print_format(volume, &formats[i], out);
}

static void print_html(const struct request *req, struct str *out)
{
    str_puts(out, page_head);
    if (!req->volumes->count)
        str_puts(out, "<p>This export has no volumes.</p>\n");
    str_puts(out, token_note);
    str_puts(out, "<pre>TOKEN=...\nURL=");
    append_base(req, out);
    str_puts(out, "</pre>\n");
    str_puts(out, certificate_note);
    for (size_t i = 0; i < req->volumes->count; i++)
        print_volume(&req->volumes->volume[i], out);
    str_puts(out, "</body>\n</html>\n");
}

static int serve(const struct request *req, struct response *res, struct err *err)
{
    cleanup_str struct str body = STR_INIT;
    bool json = request_accepts(req, "application/json");

    if (strcmp(req->path, "/") != 0)
        return err_set(err, ERR_NOT_FOUND,
                       "there is nothing at this path; the page at this export's / says what "
                       "there is");
    if (json)
        print_json(req->volumes, &body);
    else
        print_html(req, &body);
    response_header(res, "Vary", "Accept");
    response_header(res, "X-Content-Type-Options", "nosniff");
    response_header(res, "Content-Security-Policy",
                    "default-src 'none'; style-src 'unsafe-inline'");
    return response_text(res, 200, json ? "application/json" : "text/html; charset=utf-8",
                         str_get(&body), err);
}

int main(void)
{
    static const struct handler index_page = {.name = "index", .threads = 4, .serve = serve};

    return handler_main(&index_page);
}
