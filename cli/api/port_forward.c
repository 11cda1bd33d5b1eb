/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection is asked for in the thread that wants it (which pod, then the WebSocket to it), so that
 * a refusal is the caller's to see; a thread of its own (tunnel.h) carries the bytes after. One more
 * thread waits for an interrupt, which ends the requests under way, and one per listener for those
 * who come (forward_listener.h).
 */
#include "api/port_forward.h"

#include "api/channel.h"
#include "api/forward_listener.h"
#include "api/pod_choice.h"
#include "api/tunnel.h"
#include "base/cleanup.h"
#include "base/listener.h"
#include "interrupt.h"
#include "say.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

enum {
    SERVICE_PORT = 443,
    HINT_ROOM = 400, /* in a message, for what the user can do */
    PING_MS = 30 * 1000,
};

static const struct kube_resource pods = {"", "v1", "pods", "Pod", true};

struct port_forward {
    struct cluster *cluster;
    char *service;
    int ending; /* an eventfd: readable from port_forward_free on */
    atomic_bool ended;
    pthread_t watchman;
    struct forward_listener *on_port, *on_socket; /* NULL: none */
    unsigned port;
    char name[FORWARD_NAME_SIZE]; /* of the socket */

    pthread_mutex_t asking; /* for `conn`, but for cancelling it */
    struct kube_conn *conn;
    pthread_mutex_t lock; /* for what follows */
    struct tunnel **tunnels;
    size_t count;
};

/* ---- tunnels ---- */

/* With the lock. */
static void forget_ended(struct port_forward *forward)
{
    size_t kept = 0;

    for (size_t i = 0; i < forward->count; i++) {
        if (tunnel_ended(forward->tunnels[i]))
            tunnel_join(forward->tunnels[i]);
        else
            forward->tunnels[kept++] = forward->tunnels[i];
    }
    forward->count = kept;
}

static void keep(struct port_forward *forward, struct tunnel *tunnel)
{
    struct tunnel **grown;

    pthread_mutex_lock(&forward->lock);
    forget_ended(forward);
    grown = realloc(forward->tunnels, (forward->count + 1) * sizeof(struct tunnel *));
    if (!grown)
        abort();
    forward->tunnels = grown;
    forward->tunnels[forward->count++] = tunnel;
    pthread_mutex_unlock(&forward->lock);
}

/* ---- a connection ---- */

static bool is_stopped(void *ctx)
{
    const struct port_forward *forward = ctx;

    return atomic_load(&forward->ended) || interrupt_came();
}

static void add_hint(struct err *err, const char *hint)
{
    cleanup_str struct str message = STR_INIT;

    str_puts(&message, err->msg);
    err_set(err, err->class, "%.*s; %s", (int)sizeof(err->msg) - HINT_ROOM, str_get(&message),
            hint);
}

/* Who refuses for another cause than the rights may take the protocol of kubectl. */
static int explain(const struct port_forward *forward, int rc, struct err *err)
{
    cleanup_str struct str hint = STR_INIT;

    cluster_fail(rc, err);
    if (rc == -KUBE_FORBIDDEN)
        add_hint(err, "it takes the rights 'get' and 'create' on pods/portforward");
    if (rc != -KUBE_BAD_REQUEST && rc != -KUBE_MALFORMED && rc != -KUBE_OTHER && rc != -KUBE_SERVER)
        return -1;
    err->class = ERR_PEER;
    str_printf(&hint,
               "the API server or the node may not take port-forwarding over WebSocket: run "
               "`kubectl port-forward --namespace %s service/%s 8443:%d` and use "
               "--service-url=127.0.0.1:8443 instead",
               forward->cluster->ns, forward->service, SERVICE_PORT);
    add_hint(err, str_get(&hint));
    return -1;
}

static int choose(struct port_forward *forward, struct pod_choice *pod, struct err *err)
{
    int rc;

    pthread_mutex_lock(&forward->asking);
    rc = pod_choose(forward->conn, forward->cluster->ns, forward->service, SERVICE_PORT, pod, err);
    pthread_mutex_unlock(&forward->asking);
    return rc;
}

/* Takes `user` over, whatever comes of it. */
static int connect_user(struct port_forward *forward, int user, struct err *err)
{
    cleanup_close int owned = user;
    cleanup_str struct str what = STR_INIT;
    struct pod_choice pod;
    struct kube_upgrade *upgrade;
    struct tunnel *tunnel;
    int rc;

    if (choose(forward, &pod, err) < 0)
        return -1;
    rc = kube_upgrade_open(forward->cluster->client,
                           &(struct kube_upgrade_target){.resource = &pods,
                                                         .ns = forward->cluster->ns,
                                                         .name = pod.name,
                                                         .subresource = "portforward",
                                                         .key = "ports",
                                                         .value = pod.port,
                                                         .protocol = CHANNEL_PROTOCOL},
                           is_stopped, forward, &upgrade, err);
    if (rc < 0)
        return explain(forward, rc, err);
    str_printf(&what, "port %u of the pod '%s'", pod.port, pod.name);
    tunnel = tunnel_start(&(struct tunnel_ends){.upgrade = upgrade,
                                                .user = steal_fd(&owned),
                                                .stop = forward->ending,
                                                .port = pod.port,
                                                .ping_ms = PING_MS,
                                                .what = str_get(&what)},
                          err);
    if (!tunnel)
        return -1;
    keep(forward, tunnel);
    return 0;
}

int port_forward_connect(struct port_forward *forward, struct err *err)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return err_errno(err, ERR_SYSTEM, errno, "cannot make a pair of sockets");
    if (connect_user(forward, ends[1], err) == 0)
        return ends[0];
    close(ends[0]);
    return -1;
}

/* ---- listening ---- */

static void accepted_on_socket(void *ctx, int fd)
{
    struct port_forward *forward = ctx;
    struct err err;

    if (connect_user(forward, fd, &err) < 0 && !is_stopped(forward))
        say_warning("no connection to the export: %s", err.msg);
}

static void accepted_on_port(void *ctx, int fd)
{
    struct port_forward *forward = ctx;
    struct err err;
    int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* an optimisation */
    say("Handling connection for %u", forward->port);
    if (connect_user(forward, fd, &err) < 0 && !is_stopped(forward))
        say_warning("no connection for port %u: %s", forward->port, err.msg);
}

int port_forward_listen(struct port_forward *forward, unsigned port, struct err *err)
{
    cleanup_str struct str address = STR_INIT;
    struct pod_choice pod;
    int fd;

    str_printf(&address, "127.0.0.1:%u", port);
    if (choose(forward, &pod, err) < 0 || (fd = listener_open(str_get(&address), err)) < 0)
        return -1;
    forward->port = listener_port(fd);
    forward->on_port = forward_listener_start(fd, str_get(&address), forward->ending,
                                              accepted_on_port, forward, err);
    if (!forward->on_port)
        return -1;
    say("Forwarding from 127.0.0.1:%u -> %u", forward->port, pod.port);
    return 0;
}

const char *port_forward_socket(struct port_forward *forward, struct err *err)
{
    int fd;

    if (forward->on_socket)
        return forward->name;
    fd = forward_listener_abstract(forward->name, err);
    if (fd < 0)
        return NULL;
    forward->on_socket =
        forward_listener_start(fd, "the export", forward->ending, accepted_on_socket, forward, err);
    return forward->on_socket ? forward->name : NULL;
}

/* ---- the whole ---- */

static void *watch_out(void *arg)
{
    struct port_forward *forward = arg;
    struct pollfd fds[] = {{.fd = forward->ending, .events = POLLIN},
                           {.fd = interrupt_fd(), .events = POLLIN}};

    while (poll(fds, 2, -1) < 0 && errno == EINTR) {
    }
    kube_conn_cancel(forward->conn);
    return NULL;
}

struct port_forward *port_forward_new(struct cluster *cluster, const char *service)
{
    struct port_forward *forward = calloc(1, sizeof(*forward));

    if (!forward)
        abort();
    *forward = (struct port_forward){.cluster = cluster};
    forward->service = strdup(service);
    forward->ending = eventfd(0, EFD_CLOEXEC);
    if (!forward->service || forward->ending < 0)
        abort();
    atomic_init(&forward->ended, false);
    pthread_mutex_init(&forward->asking, NULL);
    pthread_mutex_init(&forward->lock, NULL);
    forward->conn = kube_conn_new(cluster->client);
    if (cluster->timeout_s)
        kube_conn_timeout(forward->conn, cluster->timeout_s);
    if (pthread_create(&forward->watchman, NULL, watch_out, forward))
        abort();
    return forward;
}

void port_forward_free(struct port_forward *forward)
{
    if (!forward)
        return;
    atomic_store(&forward->ended, true);
    eventfd_write(forward->ending, 1);
    pthread_join(forward->watchman, NULL);
    forward_listener_join(forward->on_port);
    forward_listener_join(forward->on_socket);
    for (size_t i = 0; i < forward->count; i++)
        tunnel_join(forward->tunnels[i]);
    free(forward->tunnels);
    kube_conn_free(forward->conn);
    pthread_mutex_destroy(&forward->lock);
    pthread_mutex_destroy(&forward->asking);
    close(forward->ending);
    free(forward->service);
    free(forward);
}
