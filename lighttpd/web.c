/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lighttpd can replace itself (SIGUSR1 with server.graceful-restart-bg), but then the process that
 * goes on with the downloads is no child of the supervisor, a failure of the new one leaves no
 * server at all, and a SIGTERM in between cuts every download: lighttpd takes a second SIGINT, or
 * one that follows SIGUSR1, as the order to stop at once. Generations that the supervisor starts
 * itself have none of this. SIGINT, the graceful stop, is sent to each exactly once.
 *
 * Each generation has a log pipe of its own, so that lines of two never mix.
 */
#include "web.h"
#include "base/cleanup.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RETRY_MS = 10 * 1000 }; /* after a new generation failed beside a serving one */

void web_init(struct web *web, const char *lighttpd, const char *conf, int listener)
{
    *web = (struct web){.lighttpd = lighttpd, .conf = conf, .listener = listener};
    for (size_t i = 0; i < WEB_MAX; i++)
        web->generation[i].log = -1;
}

void web_reload(struct web *web)
{
    web->reload = true;
}

static struct web_generation *free_place(struct web *web)
{
    for (size_t i = 0; i < WEB_MAX; i++)
        if (web->generation[i].log < 0 && !web->generation[i].process.pid)
            return &web->generation[i];
    return NULL;
}

static struct web_generation *start(struct web *web, struct err *err)
{
    struct web_generation *generation = free_place(web);
    cleanup_close int write_end = -1;
    int ends[2];

    if (!generation) {
        err_set(err, ERR_UNAVAILABLE, "%d web servers still have downloads to finish", WEB_MAX);
        return NULL;
    }
    if (pipe2(ends, O_CLOEXEC) < 0) {
        err_errno(err, ERR_SYSTEM, errno, "cannot make a pipe");
        return NULL;
    }
    write_end = ends[1];
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    *generation = (struct web_generation){
        .process = {.name = "lighttpd",
                    .argv = {web->lighttpd, "-D", "-f", web->conf},
                    .input = -1,
                    .errors = write_end,
                    .listener = web->listener,
                    .session = true},
        .redact = REDACT_INIT,
        .log = ends[0],
    };
    if (process_start(&generation->process, err) < 0) {
        close(ends[0]);
        generation->log = -1;
        return NULL;
    }
    return generation;
}

static bool stands(const struct web_generation *generation, int64_t now)
{
    return generation && now - generation->process.started_ms >= PROCESS_STABLE_MS;
}

static void leave(struct web_generation *generation)
{
    if (generation)
        generation->leaving = true;
}

/*
 * Sends SIGINT to those that are to leave, once each. One that has just been started waits for it until it
 * stands: before, it would die of the signal, or take it for nothing and stay for ever. Returns the
 * milliseconds to the next, at most `most`.
 */
static int64_t tell_leaving(struct web *web, int64_t now, int64_t most)
{
    for (size_t i = 0; i < WEB_MAX; i++) {
        struct web_generation *generation = &web->generation[i];
        int64_t left = generation->process.started_ms + PROCESS_STABLE_MS - now;

        if (!generation->leaving || generation->told || !generation->process.pid)
            continue;
        if (left > 0) {
            most = left < most ? left : most;
            continue;
        }
        generation->told = true;
        process_signal(&generation->process, SIGINT);
    }
    return most;
}

static void promote(struct web *web)
{
    leave(web->serving);
    web->serving = web->rising;
    web->rising = NULL;
}

/* Starts the server that is missing, or the one for a new certificate. */
static void start_due(struct web *web, int64_t now)
{
    struct web_generation **place = web->serving ? &web->rising : &web->serving;
    struct err err;

    *place = start(web, &err);
    if (*place) {
        web->reload = false;
    } else {
        log_error("%s; trying again", err.msg);
        web->due_ms = now + RETRY_MS;
    }
}

int web_tick(struct web *web, int most)
{
    int64_t now = process_clock_ms(), wait;

    if (stands(web->rising, now) && web->listener >= 0)
        promote(web);
    wait = tell_leaving(web, now, most);
    if (web->listener < 0)
        return (int)wait;
    if (stands(web->serving, now))
        web->proven = true;
    if ((!web->serving || (web->reload && !web->rising)) && now >= web->due_ms)
        start_due(web, now);
    if (!web->serving && web->due_ms - now < wait)
        wait = web->due_ms - now;
    return wait > 0 ? (int)wait : 0;
}

void web_drain(struct web *web)
{
    web->listener = -1;
    for (size_t i = 0; i < WEB_MAX; i++)
        leave(&web->generation[i]);
    tell_leaving(web, process_clock_ms(), 0);
}

void web_signal(const struct web *web, int signo)
{
    for (size_t i = 0; i < WEB_MAX; i++)
        process_signal(&web->generation[i].process, signo);
}

/* The end of a generation that was to go on serving; negative when it never stood. */
static int ended_unasked(struct web *web, struct web_generation *generation, pid_t pid,
                         const char *how, bool early)
{
    if (generation == web->rising) {
        log_error("the new web server (pid %d) %s; the old one goes on with its certificate",
                  (int)pid, how);
        web->rising = NULL;
        web->reload = true;
        web->due_ms = process_clock_ms() + RETRY_MS;
        return 1;
    }
    log_error("the web server (pid %d) %s", (int)pid, how);
    if (early && !web->proven)
        return -1;
    web->serving = web->rising;
    web->rising = NULL;
    web->due_ms = generation->process.due_ms;
    return 1;
}

static struct web_generation *find(struct web *web, pid_t pid)
{
    for (size_t i = 0; i < WEB_MAX; i++)
        if (web->generation[i].process.pid == pid)
            return &web->generation[i];
    return NULL;
}

/* lighttpd takes SIGINT from when it has read its configuration: one that dies of it had not begun
 * to serve, and has no download to lose. */
static bool had_not_begun(int status)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGINT;
}

int web_ended(struct web *web, pid_t pid, int status)
{
    struct web_generation *generation = find(web, pid);
    char how[64];
    bool early;

    if (!generation)
        return 0;
    process_describe(status, how, sizeof(how));
    early = process_ended(&generation->process);
    if (!generation->leaving)
        return ended_unasked(web, generation, pid, how, early);
    if (generation == web->serving)
        web->serving = NULL;
    if (status != 0 && !had_not_begun(status)) {
        log_error("a web server that had downloads to finish (pid %d) %s", (int)pid, how);
        web->cut = true;
    }
    return 1;
}

bool web_runs(const struct web *web)
{
    for (size_t i = 0; i < WEB_MAX; i++)
        if (web->generation[i].process.pid)
            return true;
    return false;
}

size_t web_poll_fds(const struct web *web, struct pollfd *fds)
{
    size_t count = 0;

    for (size_t i = 0; i < WEB_MAX; i++)
        if (web->generation[i].log >= 0)
            fds[count++] = (struct pollfd){.fd = web->generation[i].log, .events = POLLIN};
    return count;
}

static void write_line(const char *line, size_t len, void *unused)
{
    (void)unused;
    /* A log that cannot be written has nowhere to say so. */
    if (write(STDERR_FILENO, line, len) < 0)
        return;
}

static void copy_log(struct web_generation *generation)
{
    char buf[16384];

    for (;;) {
        ssize_t n = read(generation->log, buf, sizeof(buf));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            break;
        redact_feed(&generation->redact, buf, (size_t)n, write_line, NULL);
    }
    redact_end(&generation->redact, write_line, NULL);
    close(generation->log);
    generation->log = -1;
}

void web_copy_logs(struct web *web)
{
    for (size_t i = 0; i < WEB_MAX; i++)
        if (web->generation[i].log >= 0)
            copy_log(&web->generation[i]);
}
