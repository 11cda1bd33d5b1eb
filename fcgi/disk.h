/* SPDX-License-Identifier: Apache-2.0 */
/* The disk of a volume: disk.img in a directory, a disk file, or a block device. */
#pragma once

#include "volume.h"

struct disk {
    int fd;
    struct stat st;  /* st_size is set for a block device too */
    struct str etag; /* of the raw form, as file_etag; empty when there is none */
    struct str what; /* "the disk of volume 'NAME'", for messages */
};

/*
 * Opens the volume's disk. ERR_NOT_FOUND when it has none, or when a symbolic link stands in its
 * place: the guest or whoever filled the volume must not choose what is read. Ended by disk_close,
 * also after a failure.
 */
int disk_open(const struct volume *volume, struct disk *disk, struct err *err);
void disk_close(struct disk *disk);

#define cleanup_disk __attribute__((cleanup(disk_close)))
#define DISK_INIT \
    { \
        .fd = -1 \
    }
