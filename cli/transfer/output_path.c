/* SPDX-License-Identifier: Apache-2.0 */
/* Where an output's path leads: links are followed, also one whose target is not there yet. */
#include "base/cleanup.h"
#include "base/str.h"
#include "transfer/output_private.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

enum { LINKS_MAX = 40 }; /* as the kernel: path_resolution(7) */

/* The folder's part of a path, as its asker wrote it. */
static void put_folder(struct str *out, const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        str_putc(out, '.');
    else if (slash == path)
        str_putc(out, '/');
    else
        str_append(out, path, (size_t)(slash - path));
}

/* Replaces the path of a link by that of its target; 0 when it is no link. */
static int follow(char **path, struct err *err)
{
    char target[PATH_MAX];
    cleanup_str struct str next = STR_INIT;
    ssize_t len = readlink(*path, target, sizeof(target));

    if (len < 0)
        return 0;
    if ((size_t)len == sizeof(target))
        return err_set(err, ERR_INPUT, "the link '%s' is too long", *path);
    if (target[0] != '/') {
        put_folder(&next, *path);
        str_putc(&next, '/');
    }
    str_append(&next, target, (size_t)len);
    free(*path);
    *path = str_steal(&next);
    return 1;
}

static int follow_all(char **path, struct err *err)
{
    for (int links = 0; links < LINKS_MAX; links++) {
        int followed = follow(path, err);

        if (followed <= 0)
            return followed;
    }
    return err_set(err, ERR_INPUT, "'%s' is a link that leads to itself", *path);
}

/* `folder` is real already. */
static char *join(const char *folder, const char *name)
{
    struct str file = STR_INIT;

    str_printf(&file, "%s%s%s", folder, str_ends(folder, "/") ? "" : "/", name);
    return str_steal(&file);
}

int output_path_find(const char *path, char **file, char **folder, struct err *err)
{
    struct str copy = STR_INIT;
    cleanup_free char *end = NULL;
    cleanup_str struct str parent = STR_INIT;
    const char *slash, *name;

    str_puts(&copy, path);
    end = str_steal(&copy);
    if (!end || !*end)
        return err_set(err, ERR_INPUT, "the output has no name");
    if (follow_all(&end, err) < 0)
        return -1;
    slash = strrchr(end, '/');
    name = slash ? slash + 1 : end;
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return err_set(err, ERR_NOT_FOUND, "there is no folder '%s' to put the output in", end);
    put_folder(&parent, end);
    *folder = realpath(str_get(&parent), NULL);
    if (!*folder && (errno == ENOENT || errno == ENOTDIR))
        return err_set(err, ERR_NOT_FOUND, "there is no folder '%s' to put the output '%s' in",
                       str_get(&parent), path);
    if (!*folder)
        return err_errno(err, ERR_INPUT, errno, "cannot look into the folder '%s' of the output",
                         str_get(&parent));
    *file = join(*folder, name);
    return 0;
}
