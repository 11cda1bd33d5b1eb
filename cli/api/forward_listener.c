/* SPDX-License-Identifier: Apache-2.0 */
#include "api/forward_listener.h"
#include "base/cleanup.h"
#include "say.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
    BACKLOG = 16,
    PAUSE_MS = 100, /* before accepting again when that has failed */
};

struct forward_listener {
    int fd, ending;
    char *what;
    forward_accept_fn *accepted;
    void *ctx;
    pthread_t thread;
};

/* Whoever is not us has no business with a Unix socket of ours; TCP has no such check, as the user
 * asked for the port. */
static bool is_foreign(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    int domain = 0;
    socklen_t domain_len = sizeof(domain);

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_len) < 0)
        return true;
    if (domain != AF_UNIX)
        return false;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.uid != geteuid();
}

static void take_one(const struct forward_listener *listener)
{
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct pollfd ending = {.fd = listener->ending, .events = POLLIN};

    if (fd >= 0 && is_foreign(fd)) {
        close(fd);
    } else if (fd >= 0) {
        listener->accepted(listener->ctx, fd);
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        say_warning("cannot accept a connection to %s: %s", listener->what, strerror(errno));
        (void)poll(&ending, 1, PAUSE_MS);
    }
}

static void *accept_all(void *arg)
{
    const struct forward_listener *listener = arg;
    struct pollfd fds[] = {{.fd = listener->ending, .events = POLLIN},
                           {.fd = listener->fd, .events = POLLIN}};

    while (!fds[0].revents) {
        if (poll(fds, 2, -1) > 0 && fds[1].revents)
            take_one(listener);
    }
    return NULL;
}

struct forward_listener *forward_listener_start(int fd, const char *what, int ending,
                                                forward_accept_fn *accepted, void *ctx,
                                                struct err *err)
{
    struct forward_listener *listener = calloc(1, sizeof(*listener));
    int rc;

    if (!listener)
        abort();
    *listener = (struct forward_listener){
        .fd = fd, .ending = ending, .what = strdup(what), .accepted = accepted, .ctx = ctx};
    if (!listener->what)
        abort();
    rc = pthread_create(&listener->thread, NULL, accept_all, listener);
    if (rc == 0)
        return listener;
    err_errno(err, ERR_SYSTEM, rc, "cannot start a thread");
    close(fd);
    free(listener->what);
    free(listener);
    return NULL;
}

void forward_listener_join(struct forward_listener *listener)
{
    if (!listener)
        return;
    pthread_join(listener->thread, NULL);
    close(listener->fd);
    free(listener->what);
    free(listener);
}

int forward_listener_abstract(char name[FORWARD_NAME_SIZE], struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    uint64_t random[2];

    if (fd < 0 || getrandom(random, sizeof(random), 0) != sizeof(random))
        return err_errno(err, ERR_SYSTEM, errno, "cannot make a socket");
    snprintf(name, FORWARD_NAME_SIZE, "vmexport-%016llx%016llx", (unsigned long long)random[0],
             (unsigned long long)random[1]);
    memcpy(address.sun_path + 1, name, strlen(name));
    if (bind(fd, (struct sockaddr *)&address,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))) < 0 ||
        listen(fd, BACKLOG) < 0)
        return err_errno(err, ERR_SYSTEM, errno, "cannot listen on a Unix socket");
    return steal_fd(&fd);
}
