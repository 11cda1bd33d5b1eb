/* SPDX-License-Identifier: Apache-2.0 */
#include "response.h"
#include "base/cleanup.h"
#include "base/io.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

enum {
    FCGI_STDOUT = 6,
    RECORD_HEADER = 8,
    /*
     * lighttpd keeps 64 KiB of an answer in memory, and what comes beyond goes through a temporary
     * file, which costs as much as encrypting it. So there is never more than one record in the
     * socket: the next is written when poll(2) says that a quarter of the buffer at most is taken.
     * A record is what lighttpd takes by one read. The kernel doubles the buffer's size, and counts
     * its own overhead in, which is less for pages of a file.
     */
    SEND_BUFFER = 98304,
    FILE_RECORD_MAX = 61440,
    FILE_SEND_BUFFER = 20480,
};

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {412, "Precondition Failed"},
    {416, "Range Not Satisfiable"},
    {500, "Internal Server Error"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
};

static const char *reason_of(int status)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return ""; /* of an export behind the proxy */
}

static void set_send_buffer(int fd, int size)
{
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

void response_init(struct response *res, int fd, uint16_t id, bool head)
{
    if (id)
        set_send_buffer(fd, SEND_BUFFER);
    *res = (struct response){.fd = fd, .id = id, .head = head, .headers = STR_INIT};
}

void response_release(struct response *res)
{
    str_free(&res->headers);
}

void response_header(struct response *res, const char *name, const char *fmt, ...)
{
    cleanup_free char *value = NULL;
    va_list ap;

    assert(!res->begun);
    va_start(ap, fmt);
    if (vasprintf(&value, fmt, ap) < 0)
        abort(); /* as str.c */
    va_end(ap);
    for (char *p = value; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    str_printf(&res->headers, "%s: %s\r\n", name, value);
}

static void record_header(uint8_t *header, uint16_t id, size_t len)
{
    header[0] = 1; /* version */
    header[1] = FCGI_STDOUT;
    header[2] = (uint8_t)(id >> 8);
    header[3] = (uint8_t)id;
    header[4] = (uint8_t)(len >> 8);
    header[5] = (uint8_t)len;
    header[6] = 0; /* no padding */
    header[7] = 0;
}

/* Waits until the last record was taken, or the client has left, which the write then finds. */
static void wait_for_room(int fd)
{
    struct pollfd pfd = {.fd = fd, .events = POLLOUT};

    while (poll(&pfd, 1, -1) < 0 && errno == EINTR)
        continue;
}

static int send_record(struct response *res, const uint8_t *data, size_t len, struct err *err)
{
    uint8_t header[RECORD_HEADER];
    struct iovec iov[2] = {{header, RECORD_HEADER}, {(void *)(uintptr_t)data, len}};

    record_header(header, res->id, len);
    wait_for_room(res->fd);
    return io_writev(res->fd, iov, 2, err);
}

static int send_bytes(struct response *res, const uint8_t *data, size_t len, struct err *err)
{
    struct iovec all = {(void *)(uintptr_t)data, len};

    if (!res->id)
        return io_writev(res->fd, &all, 1, err);
    while (len) {
        size_t part = len < RESPONSE_RECORD ? len : RESPONSE_RECORD;

        if (send_record(res, data, part, err) < 0)
            return -1;
        data += part;
        len -= part;
    }
    return 0;
}

int response_begin(struct response *res, int status, struct err *err)
{
    cleanup_str struct str head = STR_INIT;

    assert(!res->begun);
    str_printf(&head, "Status: %d %s\r\n", status, reason_of(status));
    str_append(&head, res->headers.data, res->headers.len);
    str_puts(&head, "\r\n");
    res->begun = true;
    res->status = status;
    return send_bytes(res, (const uint8_t *)head.data, head.len, err);
}

int response_write(struct response *res, const void *data, size_t len, struct err *err)
{
    assert(res->begun);
    if (res->head || !len)
        return 0;
    if (send_bytes(res, data, len, err) < 0)
        return -1;
    res->sent += len;
    return 0;
}

/* Plain CGI's standard output may be a terminal or a file opened for appending: sendfile takes
 * neither. */
static int copy_file(struct response *res, int fd, off_t offset, uint64_t len, const char *what,
                     struct err *err)
{
    uint8_t buf[16384];

    while (len) {
        size_t part = len < sizeof(buf) ? (size_t)len : sizeof(buf);

        if (io_pread(fd, buf, part, offset, what, err) < 0 ||
            response_write(res, buf, part, err) < 0)
            return -1;
        offset += (off_t)part;
        len -= part;
    }
    return 0;
}

int response_send_file(struct response *res, int fd, off_t offset, uint64_t len, const char *what,
                       struct err *err)
{
    assert(res->begun);
    if (res->head)
        return 0;
    if (!res->id)
        return copy_file(res, fd, offset, len, what, err);
    set_send_buffer(res->fd, FILE_SEND_BUFFER);
    while (len) {
        size_t part = len < FILE_RECORD_MAX ? (size_t)len : FILE_RECORD_MAX;
        uint8_t header[RECORD_HEADER];
        struct iovec iov = {header, RECORD_HEADER};

        record_header(header, res->id, part);
        if (io_writev(res->fd, &iov, 1, err) < 0)
            return -1;
        len -= part;
        res->sent += part;
        while (part) {
            ssize_t n = sendfile(res->fd, fd, &offset, part);

            if (n < 0 && errno == EINTR)
                continue;
            if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
                return err_errno(err, ERR_PEER, errno, "cannot write");
            if (n < 0)
                return err_errno(err, ERR_IO, errno, "cannot read %s at offset %lld", what,
                                 (long long)offset);
            if (n == 0)
                return err_set(
                    err, ERR_IO,
                    "%s ends at offset %lld, before its size: it shrank while it was read", what,
                    (long long)offset);
            part -= (size_t)n;
        }
    }
    return 0;
}

int response_text(struct response *res, int status, const char *type, const char *body,
                  struct err *err)
{
    response_header(res, "Content-Type", "%s", type);
    response_header(res, "Content-Length", "%zu", strlen(body));
    /* Else lighttpd offers ranges when it has all of the body in time, and with HEAD it never has.
     */
    response_header(res, "Accept-Ranges", "none");
    if (response_begin(res, status, err) < 0)
        return -1;
    return response_write(res, body, strlen(body), err);
}

bool response_peer_left(const struct response *res)
{
    struct pollfd pfd = {.fd = res->fd, .events = POLLRDHUP};

    if (!res->id)
        return false;
    return poll(&pfd, 1, 0) > 0 && (pfd.revents & (POLLRDHUP | POLLHUP | POLLERR));
}
