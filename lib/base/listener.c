/* SPDX-License-Identifier: Apache-2.0 */
#include "listener.h"
#include "cleanup.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BACKLOG = 64 };

/* As getaddrinfo takes 65536 for 0. */
static bool is_port(const char *text)
{
    size_t len = strspn(text, "0123456789");

    return len > 0 && len <= 5 && !text[len] && strtoul(text, NULL, 10) <= UINT16_MAX;
}

/* Splits "host:port" or "[host]:port" in place. */
static int split_address(char *address, const char **host, const char **port)
{
    char *colon = strrchr(address, ':');

    if (!colon || !is_port(colon + 1))
        return -1;
    *colon = '\0';
    *port = colon + 1;
    *host = address[0] ? address : NULL;
    if (address[0] == '[') {
        if (colon[-1] != ']')
            return -1;
        colon[-1] = '\0';
        *host = address + 1;
    }
    return 0;
}

static int listen_on(const struct addrinfo *address)
{
    cleanup_close int fd =
        socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    static const int on = 1, off = 0;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (address->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
        return -1;
    return steal_fd(&fd);
}

/* Of every address, [::] is tried first: it takes IPv4 as well. */
static int listen_first(const struct addrinfo *all)
{
    static const int families[] = {AF_INET6, AF_INET};

    errno = EADDRNOTAVAIL;
    for (size_t i = 0; i < 2; i++) {
        for (const struct addrinfo *address = all; address; address = address->ai_next) {
            int fd = address->ai_family == families[i] ? listen_on(address) : -1;

            if (fd >= 0)
                return fd;
        }
    }
    return -1;
}

/* The caller frees what is found. */
static int look_up(const char *address, struct addrinfo **found, struct err *err)
{
    static const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
                                          .ai_socktype = SOCK_STREAM};
    cleanup_free char *text = strdup(address);
    const char *host, *port;

    if (!text)
        abort();
    if (split_address(text, &host, &port) < 0 || getaddrinfo(host, port, &hints, found) != 0)
        return err_set(err, ERR_INPUT,
                       "'%s' is no address to listen on: it must be like ':8080', "
                       "'127.0.0.1:8080' or '[::1]:8080'",
                       address);
    return 0;
}

int listener_check(const char *address, struct err *err)
{
    struct addrinfo *found;

    if (look_up(address, &found, err) < 0)
        return -1;
    freeaddrinfo(found);
    return 0;
}

int listener_open(const char *address, struct err *err)
{
    struct addrinfo *found;
    int fd;

    if (look_up(address, &found, err) < 0)
        return -1;
    fd = listen_first(found);
    if (fd < 0)
        err_errno(err, ERR_NONE, errno, "cannot listen on '%s'", address);
    freeaddrinfo(found);
    return fd;
}

uint16_t listener_port(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    char port[8] = "0";

    getsockname(fd, (struct sockaddr *)&address, &len);
    getnameinfo((struct sockaddr *)&address, len, NULL, 0, port, sizeof(port), NI_NUMERICSERV);
    return (uint16_t)strtoul(port, NULL, 10);
}
