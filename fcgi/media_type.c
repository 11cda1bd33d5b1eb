/* SPDX-License-Identifier: Apache-2.0 */
#include "media_type.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct media {
    const char *extension;
    const char *type;
};

#define TEXT(subtype) "text/" subtype "; charset=utf-8"

/* Sorted by extension, for bsearch. */
static const struct media types[] = {
    {"7z", "application/x-7z-compressed"},
    {"aac", "audio/aac"},
    {"avi", "video/x-msvideo"},
    {"avif", "image/avif"},
    {"bmp", "image/bmp"},
    {"bz2", "application/x-bzip2"},
    {"c", TEXT("plain")},
    {"cfg", TEXT("plain")},
    {"conf", TEXT("plain")},
    {"css", TEXT("css")},
    {"csv", TEXT("csv")},
    {"deb", "application/vnd.debian.binary-package"},
    {"doc", "application/msword"},
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"eml", "message/rfc822"},
    {"epub", "application/epub+zip"},
    {"flac", "audio/flac"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"h", TEXT("plain")},
    {"htm", TEXT("html")},
    {"html", TEXT("html")},
    {"ico", "image/vnd.microsoft.icon"},
    {"ics", TEXT("calendar")},
    {"img", "application/octet-stream"},
    {"ini", TEXT("plain")},
    {"iso", "application/vnd.efi.iso"},
    {"jar", "application/java-archive"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", TEXT("javascript")},
    {"json", "application/json"},
    {"log", TEXT("plain")},
    {"md", TEXT("markdown")},
    {"mjs", TEXT("javascript")},
    {"mkv", "video/matroska"},
    {"mov", "video/quicktime"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"mpeg", "video/mpeg"},
    {"odp", "application/vnd.oasis.opendocument.presentation"},
    {"ods", "application/vnd.oasis.opendocument.spreadsheet"},
    {"odt", "application/vnd.oasis.opendocument.text"},
    {"ogg", "audio/ogg"},
    {"ogv", "video/ogg"},
    {"opus", "audio/ogg"},
    {"otf", "font/otf"},
    {"patch", TEXT("plain")},
    {"pdf", "application/pdf"},
    {"pem", "application/x-pem-file"},
    {"png", "image/png"},
    {"ppt", "application/vnd.ms-powerpoint"},
    {"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
    {"ps", "application/postscript"},
    {"py", TEXT("x-python")},
    {"rpm", "application/x-rpm"},
    {"rtf", "application/rtf"},
    {"sh", TEXT("x-shellscript")},
    {"sql", "application/sql"},
    {"svg", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"tgz", "application/gzip"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"toml", "application/toml"},
    {"tsv", TEXT("tab-separated-values")},
    {"ttf", "font/ttf"},
    {"txt", TEXT("plain")},
    {"wasm", "application/wasm"},
    {"wav", "audio/wav"},
    {"webm", "video/webm"},
    {"webp", "image/webp"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"xhtml", "application/xhtml+xml"},
    {"xls", "application/vnd.ms-excel"},
    {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"xml", TEXT("xml")},
    {"xz", "application/x-xz"},
    {"yaml", "application/yaml"},
    {"yml", "application/yaml"},
    {"zip", "application/zip"},
    {"zst", "application/zstd"},
};

static int compare(const void *extension, const void *entry)
{
    return strcasecmp(extension, ((const struct media *)entry)->extension);
}

const char *media_type(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    const struct media *found = NULL;

    if (dot && dot != name) /* ".profile" is a name, not an extension */
        found =
            bsearch(dot + 1, types, sizeof(types) / sizeof(types[0]), sizeof(types[0]), compare);
    return found ? found->type : "application/octet-stream";
}
