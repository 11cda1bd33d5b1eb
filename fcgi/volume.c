/* SPDX-License-Identifier: Apache-2.0 */
#include "volume.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

enum { OPEN_TRIES = 32 };

static const char *const content_names[] = {[VOLUME_DISK] = "disk", [VOLUME_ARCHIVE] = "archive"};

/* Takes the next word of the line; false when there is none. */
static bool next_word(const char **line, const char **word, size_t *len)
{
    *line += strspn(*line, " \t");
    *word = *line;
    *len = strcspn(*line, " \t\n");
    *line += *len;
    return *len > 0;
}

static bool name_is_valid(const char *name, size_t len)
{
    if (len > 253 || name[0] == '.')
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") >= len;
}

static int parse_line(struct volume *v, const char *line, struct err *err)
{
    const char *name, *content, *identity;
    size_t name_len, content_len, identity_len, path_len;

    if (!next_word(&line, &name, &name_len) || !next_word(&line, &content, &content_len) ||
        !next_word(&line, &identity, &identity_len))
        return err_set(err, ERR_INPUT, "it needs four words: NAME CONTENT IDENTITY PATH");
    line += strspn(line, " \t");
    path_len = strcspn(line, "\n");
    if (!path_len)
        return err_set(err, ERR_INPUT, "it has no PATH");
    if (!name_is_valid(name, name_len))
        return err_set(err, ERR_INPUT, "'%.*s' is no volume name", (int)name_len, name);
    for (size_t i = 0; i < sizeof(content_names) / sizeof(content_names[0]); i++) {
        if (strlen(content_names[i]) != content_len ||
            memcmp(content_names[i], content, content_len) != 0)
            continue;
        v->content = (enum volume_content)i;
        v->name = strndup(name, name_len);
        v->identity =
            identity_len == 1 && *identity == '-' ? strdup("") : strndup(identity, identity_len);
        v->path = strndup(line, path_len);
        if (!v->name || !v->identity || !v->path)
            return err_set(err, ERR_SYSTEM, "out of memory");
        return 0;
    }
    return err_set(err, ERR_INPUT, "'%.*s' is no content: 'disk' or 'archive'", (int)content_len,
                   content);
}

int volume_table_parse(struct volume_table *table, const char *text, struct err *err)
{
    int line = 0;

    *table = (struct volume_table){0};
    for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
        struct volume *grown;

        line++;
        if (text[strspn(text, " \t")] == '\n' || text[strspn(text, " \t")] == '\0')
            continue;
        grown = realloc(table->volume, (table->count + 1) * sizeof(*grown));
        if (!grown)
            return err_set(err, ERR_SYSTEM, "out of memory");
        table->volume = grown;
        grown[table->count] = (struct volume){0};
        table->count++;
        if (parse_line(&grown[table->count - 1], text, err) < 0)
            return err_wrap(err, "VMEXPORT_VOLUMES, line %d", line);
        if (volume_find(table, grown[table->count - 1].name,
                        strlen(grown[table->count - 1].name)) != &grown[table->count - 1])
            return err_set(err, ERR_INPUT, "VMEXPORT_VOLUMES, line %d: '%s' is named twice", line,
                           grown[table->count - 1].name);
    }
    return 0;
}

void volume_table_free(struct volume_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        free(table->volume[i].name);
        free(table->volume[i].identity);
        free(table->volume[i].path);
    }
    free(table->volume);
    *table = (struct volume_table){0};
}

const struct volume *volume_find(const struct volume_table *table, const char *name, size_t len)
{
    for (size_t i = 0; i < table->count; i++)
        if (strlen(table->volume[i].name) == len && memcmp(table->volume[i].name, name, len) == 0)
            return &table->volume[i];
    return NULL;
}

static bool path_is_within_limits(const char *path)
{
    size_t depth = 1;

    if (strlen(path) > VOLUME_PATH_MAX)
        return false;
    for (; *path; path++)
        depth += *path == '/';
    return depth <= VOLUME_DEPTH_MAX;
}

/* A handle on the file without opening it (O_PATH): nothing hangs, nothing acts. */
static int look_up(const struct volume *volume, const char *path, unsigned flags, struct err *err)
{
    struct open_how how = {
        .flags = O_PATH | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS |
                   (flags & VOLUME_NO_LINKS ? RESOLVE_NO_SYMLINKS : 0),
    };
    cleanup_close int root = open(volume->path, O_PATH | O_CLOEXEC);
    int fd = -1;

    if (root < 0)
        return err_errno(err, ERR_NONE, errno, "cannot open volume '%s'", volume->name);
    path += strspn(path, "/");
    if (!*path)
        return steal_fd(&root);
    if (!path_is_within_limits(path))
        return err_set(err, ERR_NOT_FOUND, "the path is longer than any in volume '%s'",
                       volume->name);
    /* A rename meanwhile makes the kernel unsure of "..": it says so, and is asked again (openat2(2), EAGAIN). */
    for (int try = 0; try < OPEN_TRIES; try++) {
        fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
        if (fd >= 0 || errno != EAGAIN)
            break;
    }
    if (fd < 0 && errno == ENOSYS)
        return err_set(err, ERR_SYSTEM,
                       "the kernel has no openat2(2): Linux 5.6 or later is needed");
    if (fd < 0 && errno == EXDEV)
        return err_set(err, ERR_NOT_FOUND, "'%s' leads out of volume '%s'", path, volume->name);
    if (fd < 0)
        return err_errno(err, ERR_NONE, errno, "cannot open '%s' in volume '%s'", path,
                         volume->name);
    return fd;
}

int volume_open(const struct volume *volume, const char *path, unsigned flags, struct stat *st,
                struct err *err)
{
    cleanup_close int handle = look_up(volume, path, flags, err);
    cleanup_str struct str what = STR_INIT;
    char link[64];
    bool is_root = path[strspn(path, "/")] == '\0';
    int fd;

    if (handle < 0)
        return -1;
    if (!is_root)
        str_printf(&what, "'%s' in ", path);
    str_printf(&what, "volume '%s'", volume->name);
    if (fstat(handle, st) < 0)
        return err_errno(err, ERR_NONE, errno, "cannot stat %s", str_get(&what));
    if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode) && !(is_root && S_ISBLK(st->st_mode)))
        return err_set(err, ERR_FORBIDDEN, "%s is no regular file and no directory",
                       str_get(&what));
    snprintf(link, sizeof(link), "/proc/self/fd/%d", handle);
    fd = open(link, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, ERR_NONE, errno, "cannot open %s", str_get(&what));
    return fd;
}

int volume_real_path(int fd, struct str *path, struct err *err)
{
    char link[64], target[PATH_MAX];
    ssize_t len;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, target, sizeof(target));
    if (len < 0 || (size_t)len == sizeof(target))
        return err_errno(err, ERR_SYSTEM, len < 0 ? errno : ENAMETOOLONG,
                         "cannot find the path of an open file");
    str_append(path, target, (size_t)len);
    return 0;
}
