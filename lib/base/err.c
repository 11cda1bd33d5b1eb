/* SPDX-License-Identifier: Apache-2.0 */
#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int errnum;
    enum err_class class;
} errno_classes[] = {
    {ENOENT, ERR_NOT_FOUND}, {ENOTDIR, ERR_NOT_FOUND}, {ENAMETOOLONG, ERR_NOT_FOUND},
    {ELOOP, ERR_NOT_FOUND},  {EXDEV, ERR_NOT_FOUND},   {EACCES, ERR_FORBIDDEN},
    {EPERM, ERR_FORBIDDEN},  {EPIPE, ERR_PEER},        {ECONNRESET, ERR_PEER},
    {EIO, ERR_IO},           {ENOSPC, ERR_IO},         {ESTALE, ERR_IO},
};

static enum err_class class_of(int errnum)
{
    for (size_t i = 0; i < sizeof(errno_classes) / sizeof(errno_classes[0]); i++)
        if (errno_classes[i].errnum == errnum)
            return errno_classes[i].class;
    return ERR_SYSTEM;
}

int err_set(struct err *err, enum err_class class, const char *fmt, ...)
{
    va_list ap;

    err->class = class;
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    return -1;
}

int err_errno(struct err *err, enum err_class class, int errnum, const char *fmt, ...)
{
    va_list ap;
    char text[128];
    size_t len;

    err->class = class == ERR_NONE ? class_of(errnum) : class;
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    len = strlen(err->msg);
    snprintf(err->msg + len, sizeof(err->msg) - len, ": %s",
             strerror_r(errnum, text, sizeof(text)));
    return -1;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    va_list ap;
    char inner[sizeof(err->msg)];
    size_t len;

    memcpy(inner, err->msg, sizeof(inner));
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    len = strlen(err->msg);
    snprintf(err->msg + len, sizeof(err->msg) - len, ": %s", inner);
    return -1;
}
