/* SPDX-License-Identifier: Apache-2.0 */
#include "names.h"
#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

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

static int add(struct names *names, const struct dirent *found, size_t bytes_max, struct err *err)
{
    size_t len = strlen(found->d_name) + 2; /* with type and NUL */
    void *arena, *entry;

    if (names->used + len > bytes_max)
        return err_set(err, ERR_LIMIT, "a directory has more than %zu MiB of names",
                       bytes_max >> 20);
    arena = grown(names->arena, &names->allocated, names->used + len, 1);
    if (arena)
        names->arena = arena;
    entry = grown(names->entry, &names->room, names->count + 1, sizeof(*names->entry));
    if (entry)
        names->entry = entry;
    if (!arena || !entry)
        return err_errno(err, ERR_SYSTEM, ENOMEM, "cannot hold the directory's names");
    names->arena[names->used] = (char)found->d_type;
    memcpy(names->arena + names->used + 1, found->d_name, len - 1);
    names->entry[names->count++] = (uint32_t)names->used;
    names->used += len;
    return 0;
}

static int compare(const void *a, const void *b, void *arena)
{
    return strcmp((const char *)arena + *(const uint32_t *)a + 1,
                  (const char *)arena + *(const uint32_t *)b + 1);
}

int names_read(struct names *names, int fd, size_t bytes_max, struct err *err)
{
    cleanup_close int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    cleanup_closedir DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    const struct dirent *found;

    if (!dir)
        return err_errno(err, ERR_SYSTEM, errno, "cannot read the directory");
    copy = -1; /* closedir closes it */
    names->fd = fd;
    while ((errno = 0, found = readdir(dir)) != NULL)
        if (strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0 &&
            add(names, found, bytes_max, err) < 0)
            return -1;
    if (errno)
        return err_errno(err, ERR_IO, errno, "cannot read the directory");
    if (names->count)
        qsort_r(names->entry, names->count, sizeof(*names->entry), compare, names->arena);
    return 0;
}

void names_release(struct names *names)
{
    free(names->arena);
    free(names->entry);
    *names = (struct names)NAMES_INIT;
}

const char *names_get(const struct names *names, size_t i)
{
    return names->arena + names->entry[i] + 1;
}

unsigned char names_type(const struct names *names, size_t i)
{
    return (unsigned char)names->arena[names->entry[i]];
}
