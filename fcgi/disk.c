/* SPDX-License-Identifier: Apache-2.0 */
#include "disk.h"
#include "base/cleanup.h"
#include "file.h"

#include <errno.h>
#include <unistd.h>

/* A block device's st_size is 0: its end says how long it is. */
static int measure(struct disk *disk, struct err *err)
{
    off_t end;

    if (!S_ISBLK(disk->st.st_mode))
        return 0;
    end = lseek(disk->fd, 0, SEEK_END);
    if (end < 0)
        return err_errno(err, ERR_IO, errno, "cannot find the size of %s", str_get(&disk->what));
    if (end == 0) /* what a device is that was detached: never a disk that is empty */
        return err_set(err, ERR_IO, "%s has no size: the device is gone", str_get(&disk->what));
    disk->st.st_size = end;
    return 0;
}

int disk_open(const struct volume *volume, struct disk *disk, struct err *err)
{
    *disk = (struct disk)DISK_INIT;
    str_printf(&disk->what, "the disk of volume '%s'", volume->name);
    disk->fd = volume_open(volume, "", 0, &disk->st, err);
    if (disk->fd >= 0 && S_ISDIR(disk->st.st_mode)) {
        close(disk->fd);
        disk->fd = volume_open(volume, "disk.img", VOLUME_NO_LINKS, &disk->st, err);
    }
    if (disk->fd < 0)
        return -1;
    if (S_ISDIR(disk->st.st_mode))
        return err_set(err, ERR_NOT_FOUND, "%s is a directory", str_get(&disk->what));
    if (measure(disk, err) < 0)
        return -1;
    file_etag(&disk->st, volume, &disk->etag);
    return 0;
}

void disk_close(struct disk *disk)
{
    if (disk->fd >= 0)
        close(disk->fd);
    str_free(&disk->etag);
    str_free(&disk->what);
    *disk = (struct disk)DISK_INIT;
}
