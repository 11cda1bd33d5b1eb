/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One buffer for each way, and none is read into before it is empty: a side that does not read stops
 * the other one, through TCP, at the pod or at the caller.
 *
 * The protocol has no end of one direction: when the caller shuts down its side, or closes it, the
 * WebSocket is closed (RFC 6455 §7.1.2). What the pod still sends is delivered until the server closes,
 * too, for two seconds.
 *
 * A ping now and then keeps proxies in between from taking the connection for a dead one.
 */
#include "api/tunnel_private.h"

#include "base/clock.h"
#include "say.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINGER_MS = 2000 }; /* from our close to the server's */

/* ---- ends ---- */

void tunnel_leave(struct tunnel *tunnel, enum websocket_code code)
{
    if (tunnel->leaving)
        return;
    tunnel->leaving = tunnel->closing = true;
    tunnel->code = code;
    tunnel->leave_by = clock_ms() + LINGER_MS;
}

void tunnel_fail(struct tunnel *tunnel, enum websocket_code code, const struct err *err)
{
    if (!tunnel->leaving)
        say_warning("the connection to %s through the API server has ended: %s", tunnel->what,
                    err->msg);
    tunnel_leave(tunnel, code);
    tunnel->over = true;
}

/* ---- the thread ---- */

/* For poll: a ping has to wait for what is being sent, and for ever when nothing can be. */
static int milliseconds_left(const struct tunnel *tunnel, bool sending)
{
    uint64_t now = clock_ms();
    uint64_t end = tunnel->leaving ? tunnel->leave_by : tunnel->ping_at;

    if (!tunnel->leaving && (sending || tunnel->closed))
        return -1;
    return end > now ? (int)(end - now) : 0;
}

/* Sleeps until something can move. The server's end is left out where nothing is wanted of it: poll
 * would tell of its end at once, again and again. The user's is not: who has closed it (POLLHUP) is not
 * waited for, whatever the server does. */
static void wait_for_either(struct tunnel *tunnel)
{
    bool sending = tunnel->out_at < tunnel->out_end;
    struct pollfd fds[] = {
        {.fd = tunnel->stop, .events = POLLIN},
        {.fd = tunnel->deaf ? -1 : tunnel->user,
         .events = (short)((!sending && !tunnel->leaving && !tunnel->closed ? POLLIN : 0) |
                           (tunnel->due_len ? POLLOUT : 0))},
        {.fd = kube_upgrade_fd(tunnel->upgrade),
         .events = (short)((tunnel->due_len ? 0 : POLLIN) | (sending ? POLLOUT : 0))},
    };

    if (!fds[2].events)
        fds[2].fd = -1;
    if (poll(fds, sizeof(fds) / sizeof(fds[0]), milliseconds_left(tunnel, sending)) <= 0)
        return;
    if (fds[0].revents) {
        tunnel_leave(tunnel, WEBSOCKET_CODE_GOING_AWAY);
        tunnel->over = true;
    }
    if (fds[1].revents & (POLLHUP | POLLERR) && !(fds[1].revents & POLLIN)) {
        tunnel_leave(tunnel, WEBSOCKET_CODE_NORMAL);
        tunnel->deaf = true;
        tunnel->due_len = 0;
    }
}

static bool is_done(const struct tunnel *tunnel)
{
    if (tunnel->over)
        return true;
    if (!tunnel->leaving)
        return false;
    return clock_ms() >= tunnel->leave_by ||
           (tunnel->deaf && tunnel->closed && tunnel->out_at == tunnel->out_end);
}

static void *carry(void *arg)
{
    struct tunnel *tunnel = arg;

    while (!is_done(tunnel)) {
        bool out = tunnel_carry_out(tunnel);
        bool in = tunnel_carry_in(tunnel);

        if (!out && !in && !is_done(tunnel))
            wait_for_either(tunnel);
    }
    while (!tunnel->closed && tunnel_carry_out(tunnel)) {
    }
    kube_upgrade_free(tunnel->upgrade);
    close(tunnel->user);
    atomic_store(&tunnel->ended, true);
    return NULL;
}

struct tunnel *tunnel_start(const struct tunnel_ends *ends, struct err *err)
{
    struct tunnel *tunnel = calloc(1, sizeof(*tunnel));
    int rc;

    if (!tunnel)
        abort();
    tunnel->upgrade = ends->upgrade;
    tunnel->user = ends->user;
    tunnel->stop = ends->stop;
    tunnel->reader.port = ends->port;
    tunnel->what = strdup(ends->what);
    if (!tunnel->what)
        abort();
    tunnel->ping_ms = ends->ping_ms;
    tunnel->ping_at = clock_ms() + tunnel->ping_ms;
    atomic_init(&tunnel->ended, false);
    rc = pthread_create(&tunnel->thread, NULL, carry, tunnel);
    if (!rc)
        return tunnel;
    err_errno(err, ERR_SYSTEM, rc, "cannot start a thread");
    kube_upgrade_free(tunnel->upgrade);
    close(tunnel->user);
    free(tunnel->what);
    free(tunnel);
    return NULL;
}

bool tunnel_ended(const struct tunnel *tunnel)
{
    return atomic_load(&tunnel->ended);
}

void tunnel_join(struct tunnel *tunnel)
{
    pthread_join(tunnel->thread, NULL);
    free(tunnel->what);
    free(tunnel);
}
