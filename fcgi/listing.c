/* SPDX-License-Identifier: Apache-2.0 */
#include "listing.h"
#include "base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

const char listing_html_head[] =
    "<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n";
const char listing_html_tail[] = "</pre>\n";

/* ---- reading ---- */

static int too_many(struct err *err)
{
    return err_set(err, ERR_FORBIDDEN,
                   "the directory has more entries than a listing can show (%d, or %d MiB of "
                   "names): download the volume's disk.tar.gz",
                   LISTING_MAX, LISTING_BYTES_MAX / 1024 / 1024);
}

/* Returns `array`, made at least `want` long by doubling; NULL when there is no memory. */
static void *grown(void *array, size_t *allocated, size_t want, size_t size)
{
    size_t room = *allocated ? *allocated : 1024;

    if (want <= *allocated)
        return array;
    while (room < want)
        room *= 2;
    array = realloc(array, room * size);
    if (array)
        *allocated = room;
    return array;
}

static int add(struct listing *l, const struct dirent *found, struct err *err)
{
    size_t len = strlen(found->d_name) + 2; /* with type and NUL */
    void *arena, *entry;

    if (l->count == LISTING_MAX || l->used + len > LISTING_BYTES_MAX)
        return too_many(err);
    arena = grown(l->arena, &l->allocated, l->used + len, 1);
    if (arena)
        l->arena = arena;
    entry = grown(l->entry, &l->room, l->count + 1, sizeof(*l->entry));
    if (entry)
        l->entry = entry;
    if (!arena || !entry)
        return err_errno(err, ERR_SYSTEM, ENOMEM, "cannot hold the directory's names");
    l->arena[l->used] = (char)found->d_type;
    memcpy(l->arena + l->used + 1, found->d_name, len - 1);
    l->entry[l->count++] = (uint32_t)l->used;
    l->used += len;
    return 0;
}

static int compare(const void *a, const void *b, void *arena)
{
    return strcmp((const char *)arena + *(const uint32_t *)a + 1,
                  (const char *)arena + *(const uint32_t *)b + 1);
}

int listing_read(struct listing *listing, int fd, struct err *err)
{
    cleanup_close int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    cleanup_closedir DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    const struct dirent *found;

    if (!dir)
        return err_errno(err, ERR_SYSTEM, errno, "cannot read the directory");
    copy = -1; /* closedir closes it */
    listing->fd = fd;
    while ((errno = 0, found = readdir(dir)) != NULL)
        if (strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0 &&
            add(listing, found, err) < 0)
            return -1;
    if (errno)
        return err_errno(err, ERR_IO, errno, "cannot read the directory");
    if (listing->count)
        qsort_r(listing->entry, listing->count, sizeof(*listing->entry), compare, listing->arena);
    return 0;
}

void listing_release(struct listing *listing)
{
    free(listing->arena);
    free(listing->entry);
    *listing = (struct listing)LISTING_INIT;
}

const char *listing_name(const struct listing *listing, size_t i)
{
    return listing->arena + listing->entry[i] + 1;
}

/* ---- writing ---- */

enum look { LOOK_OK, LOOK_GONE, LOOK_DENIED };

/* What `errnum` of a look at an entry means; negative when the disk failed. */
static int judge(const struct listing *l, size_t i, int errnum, struct err *err)
{
    if (errnum == ENOENT)
        return LOOK_GONE;
    if (errnum == EACCES || errnum == EPERM)
        return LOOK_DENIED;
    return err_errno(err, ERR_IO, errnum, "cannot look at '%s' in the directory",
                     listing_name(l, i));
}

static int look_at(const struct listing *l, size_t i, struct stat *st, struct err *err)
{
    if (fstatat(l->fd, listing_name(l, i), st, AT_SYMLINK_NOFOLLOW) == 0)
        return LOOK_OK;
    return judge(l, i, errno, err);
}

/*
 * A reference to the entry, relative to its directory's page, as Go's url.URL writes it, with one
 * difference: Go leaves every '&' as it is, and a browser takes "&lt" in a name for '<'. A '&' that
 * could begin such a thing is written as %26 here, which means the same in a path.
 */
static void append_href(struct str *out, const char *name, bool directory)
{
    cleanup_str struct str path = STR_INIT;

    if (strchr(name, ':')) /* else what is before it would be a scheme (RFC 3986 §4.2) */
        str_puts(out, "./");
    if (strcmp(name, "*") == 0 && !directory)
        str_puts(&path, name); /* Go's one exception */
    else
        str_url_path(&path, name);
    for (const char *p = str_get(&path); *p; p++) {
        if (*p == '&' && isalpha((unsigned char)p[1]))
            str_puts(out, "%26");
        else
            str_putc(out, *p);
    }
    if (directory)
        str_putc(out, '/');
}

int listing_html(const struct listing *listing, size_t i, struct str *out, struct err *err)
{
    const char *name = listing_name(listing, i);
    unsigned char type = (unsigned char)name[-1];
    bool directory = type == DT_DIR;

    if (type == DT_UNKNOWN) { /* the file system does not say */
        struct stat st;
        int look = look_at(listing, i, &st, err);

        if (look < 0 || look == LOOK_GONE)
            return look < 0 ? -1 : 0;
        directory = look == LOOK_OK && S_ISDIR(st.st_mode);
    }
    str_puts(out, "<a href=\"");
    append_href(out, name, directory); /* has nothing that HTML would escape */
    str_puts(out, "\">");
    str_html(out, name);
    str_puts(out, directory ? "/</a>\n" : "</a>\n");
    return 0;
}

static const struct {
    unsigned char type;
    const char *name;
} type_names[] = {
    {DT_REG, "file"},    {DT_DIR, "directory"}, {DT_LNK, "symlink"},   {DT_FIFO, "fifo"},
    {DT_SOCK, "socket"}, {DT_BLK, "block"},     {DT_CHR, "character"},
};

static const char *type_name(unsigned char type)
{
    for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++)
        if (type_names[i].type == type)
            return type_names[i].name;
    return "unknown"; /* neither the directory says it nor may the entry be looked at */
}

static void append_mtime(struct str *out, time_t mtime)
{
    char text[32];
    struct tm tm;

    if (!gmtime_r(&mtime, &tm) || tm.tm_year < 0 || tm.tm_year > 9999 - 1900)
        return; /* a damaged file system: RFC 3339 cannot say such a year */
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    str_printf(out, ",\"mtime\":\"%s\"", text);
}

/* Negative, or a LOOK_: a link may be gone or denied even after it was seen. */
static int append_target(const struct listing *l, size_t i, struct str *out, struct err *err)
{
    char target[PATH_MAX + 1];
    ssize_t len = readlinkat(l->fd, listing_name(l, i), target, sizeof(target) - 1);

    if (len < 0)
        return judge(l, i, errno == EINVAL ? ENOENT : errno, err);
    target[len] = '\0';
    str_puts(out, ",\"target\":\"");
    str_json(out, target);
    str_putc(out, '"');
    return LOOK_OK;
}

int listing_json(const struct listing *listing, size_t i, struct str *out, bool *shown,
                 struct err *err)
{
    const char *name = listing_name(listing, i);
    unsigned char type = (unsigned char)name[-1];
    struct stat st;
    int look = look_at(listing, i, &st, err);

    *shown = look != LOOK_GONE;
    if (look < 0 || look == LOOK_GONE)
        return look < 0 ? -1 : 0;
    if (look == LOOK_OK)
        type = IFTODT(st.st_mode);
    str_puts(out, "{\"name\":\"");
    str_json(out, name);
    str_puts(out, "\",\"href\":\"");
    append_href(out, name, type == DT_DIR); /* has nothing that JSON would escape */
    str_printf(out, "\",\"type\":\"%s\"", type_name(type));
    if (look == LOOK_OK) {
        if (type == DT_REG)
            str_printf(out, ",\"size\":%lld", (long long)st.st_size);
        append_mtime(out, st.st_mtim.tv_sec);
        if (type == DT_LNK && append_target(listing, i, out, err) < 0)
            return -1;
    }
    str_putc(out, '}');
    return 0;
}
