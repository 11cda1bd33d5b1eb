/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way out: headers, then a body, to lighttpd (FastCGI) or to standard output (CGI).
 *
 * Records are framed here and not by libfcgi, for three reasons: its records are 8 KiB, each copied
 * once more and each an HTTP chunk of its own; a file's pages can go to the socket by sendfile(2);
 * and a body that fails half way must end without FCGI_END_REQUEST, which is what makes lighttpd
 * cut the client's connection. FastCGI 1.0 §3.3:
 * https://fastcgi-archives.github.io/FastCGI_Specification.html#S3.3
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes of a body that go to lighttpd at once: its one read of 60 KiB, less the record's header. */
enum { RESPONSE_RECORD = 61432 };

struct response {
    int fd;      /* FastCGI connection or standard output; not owned */
    uint16_t id; /* FastCGI request id, 0 for plain CGI */
    bool head;   /* the body is left out */
    bool begun; /* the headers have left: from here on an error can only be an aborted connection */
    int status; /* as begun */
    uint64_t sent; /* bytes of the body that left */
    struct str headers;
};

/* `id` 0 is plain CGI. Released by response_release; does not close `fd`. */
void response_init(struct response *res, int fd, uint16_t id, bool head);
void response_release(struct response *res);

/* Adds a header line; the value must have no line break, which is replaced by a blank. */
void response_header(struct response *res, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Sends the status and the headers. ERR_PEER when the client has left. */
int response_begin(struct response *res, int status, struct err *err);

/* Sends a part of the body; a no-op for HEAD. */
int response_write(struct response *res, const void *data, size_t len, struct err *err);

/*
 * Sends a part of a file or block device without copying it through this process. A read error or
 * an early end is ERR_IO, with `what` and the offset in the message; the body is broken then and
 * must be aborted.
 */
int response_send_file(struct response *res, int fd, off_t offset, uint64_t len, const char *what,
                       struct err *err);

/* A whole small response with a length. */
int response_text(struct response *res, int status, const char *type, const char *body,
                  struct err *err);

/* Whether the client is known to have left; for handlers that have nothing to write for long. */
bool response_peer_left(const struct response *res);
