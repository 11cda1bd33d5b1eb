/* SPDX-License-Identifier: Apache-2.0 */
#include "sockets.h"
#include "base/cleanup.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* Connections that may wait: as many as the server takes at all (common.conf, max-connections). */
enum { BACKLOG = 1024 };

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

int sockets_listen_unix(const char *path, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    mode_t mask;
    int rc;

    if (fd < 0)
        return err_errno(err, ERR_SYSTEM, errno, "cannot make a socket");
    if (strlen(path) >= sizeof(address.sun_path))
        return err_set(err, ERR_INPUT,
                       "the socket's path '%s' is longer than %zu bytes: choose a shorter "
                       "VMEXPORT_RUN_DIR",
                       path, sizeof(address.sun_path) - 1);
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_errno(err, ERR_NONE, errno, "cannot remove the old socket '%s'", path);
    mask = umask(0177);
    rc = bind(fd, (struct sockaddr *)&address, sizeof(address));
    umask(mask);
    if (rc < 0 || listen(fd, BACKLOG) < 0)
        return err_errno(err, ERR_NONE, errno, "cannot listen on '%s'", path);
    return steal_fd(&fd);
}

/* Takes a numeric address, with or without brackets; its length, 0 when it is none. */
static socklen_t parse_address(const char *text, uint16_t port, union address *out)
{
    cleanup_str struct str bare = STR_INIT;
    bool brackets = text[0] == '[' && str_ends(text, "]");

    str_append(&bare, text + brackets, strlen(text) - 2 * brackets);
    memset(out, 0, sizeof(*out));
    if (!brackets && inet_pton(AF_INET, str_get(&bare), &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        return sizeof(out->v4);
    }
    if (inet_pton(AF_INET6, str_get(&bare), &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(port);
        return sizeof(out->v6);
    }
    return 0;
}

static int tcp_socket(const union address *address)
{
    static const int off = 0, on = 1;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    if (address->any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    /* Accepted connections inherit it: the end of a response is never held back. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

int sockets_listen_tcp(const char *text, uint16_t port, uint16_t *ret_port, struct err *err)
{
    union address address;
    socklen_t len = parse_address(text, port, &address);
    cleanup_close int fd = -1;

    if (!len)
        return err_set(err, ERR_INPUT, "VMEXPORT_ADDRESS is no numeric address: '%s'", text);
    fd = tcp_socket(&address);
    if (fd < 0 && errno == EAFNOSUPPORT && strcmp(text, "[::]") == 0) {
        len = parse_address("0.0.0.0", port, &address);
        fd = tcp_socket(&address);
    }
    if (fd < 0 || bind(fd, &address.any, len) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, &address.any, &len) < 0)
        return err_errno(err, ERR_NONE, errno,
                         "cannot listen on VMEXPORT_ADDRESS %s, VMEXPORT_PORT %u", text, port);
    *ret_port =
        ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
    return steal_fd(&fd);
}

/* ---- what is under way ---- */

static bool unsent_in(const char *path, uint16_t port)
{
    FILE *file = fopen(path, "re");
    char line[512]; /* some 170; a line has the local port in hex, after a colon, and tx_queue */
    bool found = false;

    while (file && !found && fgets(line, sizeof(line), file)) {
        unsigned local, unsent;

        found = sscanf(line, " %*[0-9]: %*[0-9A-F]:%4x %*[0-9A-F]:%*4x %*2x %8x:", &local,
                       &unsent) == 2 &&
                local == port && unsent;
    }
    if (file)
        fclose(file);
    return found;
}

bool sockets_unsent(uint16_t port)
{
    return unsent_in("/proc/self/net/tcp", port) || unsent_in("/proc/self/net/tcp6", port);
}
