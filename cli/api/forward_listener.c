/* SPDX-License-Identifier: Apache-2.0 */
#include "api/forward_listener.h"
#include "base/cleanup.h"
#include "say.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
    BACKLOG = 16,
    PAUSE_MS = 100, /* before accepting again when that has failed */
};

/* Who has come, and the thread that sees to it. */
struct guest {
    const struct forward_listener *listener;
    int fd;
    pthread_t thread;
    bool begun; /* there is a thread; the accepting thread's */
    atomic_bool done;
};

struct forward_listener {
    int fd, ending;
    int left; /* an eventfd: readable when a guest is done */
    char *what;
    forward_accept_fn *accepted;
    void *ctx;
    pthread_t thread;
    struct guest guests[FORWARD_LISTENER_MOST];
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

/* ---- those who come ---- */

static void *see_to(void *arg)
{
    struct guest *guest = arg;
    const struct forward_listener *listener = guest->listener;

    listener->accepted(listener->ctx, guest->fd);
    atomic_store(&guest->done, true);
    eventfd_write(listener->left, 1);
    return NULL;
}

static void join(struct guest *guest)
{
    if (guest->begun)
        pthread_join(guest->thread, NULL);
    guest->begun = false;
}

/* NULL: there are as many as there may be. */
static struct guest *find_room(struct forward_listener *listener)
{
    for (size_t i = 0; i < FORWARD_LISTENER_MOST; i++) {
        struct guest *guest = &listener->guests[i];

        if (guest->begun && !atomic_load(&guest->done))
            continue;
        join(guest);
        return guest;
    }
    return NULL;
}

/* A thread for each: what one waits for holds up nobody else. */
static void receive(const struct forward_listener *listener, struct guest *guest, int fd)
{
    int rc;

    guest->listener = listener;
    guest->fd = fd;
    atomic_store(&guest->done, false);
    rc = pthread_create(&guest->thread, NULL, see_to, guest);
    guest->begun = rc == 0;
    if (rc) {
        say_warning("cannot start a thread for a connection to %s: %s", listener->what,
                    strerror(rc));
        close(fd);
    }
}

static void take_one(const struct forward_listener *listener, struct guest *guest)
{
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct pollfd ending = {.fd = listener->ending, .events = POLLIN};

    if (fd >= 0 && is_foreign(fd)) {
        close(fd);
    } else if (fd >= 0) {
        receive(listener, guest, fd);
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        say_warning("cannot accept a connection to %s: %s", listener->what, strerror(errno));
        (void)poll(&ending, 1, PAUSE_MS);
    }
}

static void *accept_all(void *arg)
{
    struct forward_listener *listener = arg;
    struct pollfd fds[] = {{.fd = listener->ending, .events = POLLIN},
                           {.fd = listener->left, .events = POLLIN},
                           {.events = POLLIN}};
    eventfd_t count;

    while (!fds[0].revents) {
        struct guest *room = find_room(listener);

        fds[2].fd = room ? listener->fd : -1;
        if (poll(fds, 3, -1) <= 0)
            continue;
        if (fds[1].revents)
            eventfd_read(listener->left, &count);
        if (fds[2].revents)
            take_one(listener, room);
    }
    for (size_t i = 0; i < FORWARD_LISTENER_MOST; i++)
        join(&listener->guests[i]);
    return NULL;
}

/* ---- the whole ---- */

static void release(struct forward_listener *listener)
{
    close(listener->fd);
    if (listener->left >= 0)
        close(listener->left);
    free(listener->what);
    free(listener);
}

struct forward_listener *forward_listener_start(int fd, const char *what, int ending,
                                                forward_accept_fn *accepted, void *ctx,
                                                struct err *err)
{
    struct forward_listener *listener = calloc(1, sizeof(*listener));
    int rc;

    if (!listener)
        abort();
    *listener = (struct forward_listener){.fd = fd,
                                          .ending = ending,
                                          .left = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                                          .what = strdup(what),
                                          .accepted = accepted,
                                          .ctx = ctx};
    if (!listener->what)
        abort();
    rc = listener->left < 0 ? errno : pthread_create(&listener->thread, NULL, accept_all, listener);
    if (rc == 0)
        return listener;
    err_errno(err, ERR_SYSTEM, rc, "cannot start a thread");
    release(listener);
    return NULL;
}

void forward_listener_join(struct forward_listener *listener)
{
    if (!listener)
        return;
    pthread_join(listener->thread, NULL);
    release(listener);
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
