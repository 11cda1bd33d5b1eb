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

/*
 * Appends ": <cause>", at the cost of the end of the message, or of all of it: what went wrong is never
 * cut off.
 */
static void add_cause(struct err *err, const char *cause)
{
    size_t room = sizeof(err->msg) - sizeof(": "), len = strlen(err->msg), more = strlen(cause);

    if (more >= room) {
        snprintf(err->msg, sizeof(err->msg), "%s", cause);
        return;
    }
    len = len < room - more ? len : room - more;
    snprintf(err->msg + len, sizeof(err->msg) - len, ": %s", cause);
}

int err_errno(struct err *err, enum err_class class, int errnum, const char *fmt, ...)
{
    va_list ap;
    char text[128];

    err->class = class == ERR_NONE ? class_of(errnum) : class;
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    add_cause(err, strerror_r(errnum, text, sizeof(text)));
    return -1;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    va_list ap;
    char inner[sizeof(err->msg)];

    memcpy(inner, err->msg, sizeof(inner));
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    add_cause(err, inner);
    return -1;
}
