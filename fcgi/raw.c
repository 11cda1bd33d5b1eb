/* SPDX-License-Identifier: Apache-2.0 */
/* /volumes/NAME/disk.img: the disk as it is, with ranges. */
#include "disk.h"
#include "file.h"
#include "handler.h"

static int serve(const struct request *req, struct response *res, struct err *err)
{
    cleanup_disk struct disk disk = DISK_INIT;
    const struct volume *volume;
    const char *rest;

    if (request_volume(req, &volume, &rest, err) < 0 || disk_open(volume, &disk, err) < 0)
        return -1;
    return file_serve(req, res,
                      &(struct file){.fd = disk.fd,
                                     .st = disk.st,
                                     .etag = str_get(&disk.etag),
                                     .type = "application/octet-stream",
                                     .what = str_get(&disk.what)},
                      err);
}

int main(void)
{
    static const struct handler raw = {.name = "raw", .threads = 64, .serve = serve};

    return handler_main(&raw);
}
