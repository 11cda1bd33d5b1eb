/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one way to report a failure: see docs/errors.md.
 *
 * A function that can fail takes `struct err *err` last, returns 0 (or something useful) on success
 * and a negative number on failure, with `err` filled. On success `err` is untouched.
 */
#pragma once

/* What kind of failure it is: decides the HTTP status or the exit code, never the message. */
enum err_class {
    ERR_NONE = 0,
    ERR_INPUT,        /* the caller asked for something that makes no sense */
    ERR_NOT_FOUND,    /* what was asked for is not there */
    ERR_FORBIDDEN,    /* it is there, and is not given out */
    ERR_PRECONDITION, /* the thing is no longer what the caller knows (If-Match) */
    ERR_LIMIT,        /* it is more than this program takes on */
    ERR_UNAVAILABLE,  /* cannot be served now; may be later */
    ERR_PEER,         /* the other end of a connection left: nobody to tell, nothing to mend */
    ERR_IO,           /* the disk, the file system or the network failed */
    ERR_SYSTEM,       /* the rest: memory, descriptors, a library */
};

struct err {
    enum err_class class;
    char msg[1024];
};

/* Fills `err` and returns -1, so that a failure can be raised in a return statement. */
int err_set(struct err *err, enum err_class class, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As err_set, with ": <strerror(errnum)>" after the message. `class` ERR_NONE derives it from
 * errnum. */
int err_errno(struct err *err, enum err_class class, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts "<message>: " before what `err` says, once per layer that knows more. Returns -1. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
