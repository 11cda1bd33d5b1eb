/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handler notes the first signal and makes a pipe readable; nothing ever reads it, so that every
 * poll(2) on it, in any thread, returns at once from then on. System calls are not restarted: one that
 * waits for somebody (open(2) of a FIFO) gives EINTR, and its caller looks here.
 */
#include "interrupt.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

/* timeout(1) sends its signal to us and then to our process group: that is one wish, not two. */
enum { SAME_MS = 500 };

static atomic_int came;
static atomic_ullong came_ms; /* set before `came` */
static int wake[2] = {-1, -1};

static void on_signal(int signal)
{
    int saved = errno, none = 0;
    uint64_t now = clock_ms();

    if (!atomic_load(&came))
        atomic_store(&came_ms, now);
    if (!atomic_compare_exchange_strong(&came, &none, signal)) {
        if (now - atomic_load(&came_ms) >= SAME_MS)
            _exit(128 + signal);
        return;
    }
    if (write(wake[1], "", 1) <
        0) /* no pipe could be made: who sleeps is woken by the signal itself */
        errno = saved;
}

/* What is ignored stays so: nohup(1), and a shell that runs us in the background, want it. */
static void take(int signal)
{
    struct sigaction action, was;

    if (sigaction(signal, NULL, &was) == 0 && was.sa_handler == SIG_IGN)
        return;
    action = (struct sigaction){.sa_handler = on_signal};
    sigaction(signal, &action, NULL);
}

void interrupt_open(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    if (pipe2(wake, O_CLOEXEC | O_NONBLOCK) < 0)
        wake[0] = wake[1] = -1;
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL);
    take(SIGINT);
    take(SIGTERM);
    take(SIGHUP);
}

bool interrupt_came(void)
{
    return interrupt_signal() != 0;
}

int interrupt_signal(void)
{
    return atomic_load(&came);
}

bool interrupt_sleep(unsigned ms)
{
    uint64_t now = clock_ms(), end = now + ms;

    for (; !interrupt_came() && now < end; now = clock_ms()) {
        struct pollfd fd = {wake[0], POLLIN, 0};

        (void)poll(&fd, 1, (int)(end - now));
    }
    return !interrupt_came();
}

int interrupt_fd(void)
{
    return wake[0];
}
