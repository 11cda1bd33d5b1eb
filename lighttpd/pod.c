/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process of an export pod, and of the proxy. It starts the handlers, each with its listening socket as
 * descriptor 0 (FastCGI 1.0 §2.2), and the web server; starts again what dies; and ends when told
 * to, after the last download.
 *
 * The sockets belong to this process and are never closed before the end: a connection that comes
 * while a handler is started again waits in the socket's queue.
 *
 * Ends: SIGTERM or SIGINT → no new connections, wait for the web server's generations and then for
 * what is still in the kernel's buffers (at most the grace period) → stop the handlers → exit 0, or 1
 * when downloads were cut.
 */
#include "base/log.h"
#include "base/str.h"
#include "certificate.h"
#include "settings.h"
#include "sockets.h"
#include "web.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    FLUSH_MS = 100,     /* how often it is looked whether all has arrived */
    TICK_MS = 1000,     /* how often the certificate is looked at */
    STOP_MS = 5 * 1000, /* from SIGTERM to SIGKILL, for a process that has nothing left to do */
    USAGE = 2,          /* exit status */
};

enum stage {
    SERVING,
    DRAINING, /* downloads finish */
    FLUSHING, /* ... and the last of them is on its way: the network must not end before */
    CUTTING,  /* the grace period is over: the web server is told to drop them */
    STOPPING, /* no web server is left, the handlers end */
};

struct pod {
    struct settings settings;
    struct certificate certificate;
    struct web web;
    struct process handler[SETTINGS_HANDLERS];
    struct str handler_path[SETTINGS_HANDLERS];
    struct str socket_path[SETTINGS_HANDLERS];
    int listener;
    int signals;
    uint16_t port;
    enum stage stage;
    int64_t deadline_ms; /* of the stage */
    bool failed;
};

/* ---- start ---- */

/* What an earlier server that was killed left of its buffers. */
static void clear_dir(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (str_starts(entry->d_name, "lighttpd-upload-"))
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
}

static int prepare_run_dir(const char *run_dir, struct err *err)
{
    cleanup_str struct str tmp = STR_INIT;

    str_printf(&tmp, "%s/tmp", run_dir);
    /* Where lighttpd cannot write its buffers, it ends a body too early without an error. */
    if ((mkdir(str_get(&tmp), 0700) < 0 && errno != EEXIST) ||
        access(str_get(&tmp), R_OK | W_OK | X_OK) < 0) {
        err_errno(err, ERR_NONE, errno, "cannot write to '%s'", str_get(&tmp));
        return err_wrap(err, "VMEXPORT_RUN_DIR must be a writable directory");
    }
    clear_dir(str_get(&tmp));
    return 0;
}

static int prepare_handler(struct pod *pod, size_t i, struct err *err)
{
    const char *name = pod->settings.handler[i];
    struct str *program = &pod->handler_path[i], *path = &pod->socket_path[i];
    int fd;

    str_printf(program, "%s/%s", pod->settings.handler_dir, name);
    str_printf(path, "%s/%s.sock", pod->settings.run_dir, name);
    if (access(str_get(program), X_OK) < 0)
        return err_errno(err, ERR_NONE, errno, "VMEXPORT_HANDLER_DIR: cannot execute '%s'",
                         str_get(program));
    fd = sockets_listen_unix(str_get(path), err);
    if (fd < 0)
        return -1;
    pod->handler[i] = (struct process){
        .name = name, .argv = {str_get(program)}, .input = fd, .errors = -1, .listener = -1};
    return 0;
}

static int prepare(struct pod *pod, struct err *err)
{
    const struct settings *settings = &pod->settings;

    if (settings_read(&pod->settings, err) < 0)
        return -1;
    if (access(settings->lighttpd, X_OK) < 0 || !strchr(settings->lighttpd, '/'))
        return err_set(err, ERR_INPUT, "VMEXPORT_LIGHTTPD is no program: '%s'", settings->lighttpd);
    if (access(settings->conf, R_OK) < 0)
        return err_errno(err, ERR_NONE, errno, "VMEXPORT_LIGHTTPD_CONF: cannot read '%s'",
                         settings->conf);
    certificate_init(&pod->certificate, settings->cert_file, settings->key_file);
    if (certificate_poll(&pod->certificate, err) < 0 || prepare_run_dir(settings->run_dir, err) < 0)
        return -1;
    pod->listener = sockets_listen_tcp(settings->address, settings->port, &pod->port, err);
    if (pod->listener < 0)
        return -1;
    for (size_t i = 0; i < pod->settings.handlers; i++)
        if (prepare_handler(pod, i, err) < 0)
            return -1;
    web_init(&pod->web, settings->lighttpd, settings->conf, pod->listener);
    log_info("serving on %s port %u, certificate valid until %s", settings->address, pod->port,
             pod->certificate.not_after);
    return 0;
}

/* No standard descriptor is closed, so that none is taken for something else; what else was
 * inherited does not go on to the children. */
static void tidy_descriptors(void)
{
    int fd;

    while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO)
        continue;
    if (fd >= 0)
        close(fd);
    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
}

/* As many as the container may have, for the children too: an archive holds one descriptor for each
 * level of its tree. */
static void allow_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* The process itself: no core dump (a private key passes through), signals by a descriptor, which
 * is returned. */
static int set_up_process(struct err *err)
{
    static const struct rlimit no_core = {0, 0};
    sigset_t set;
    int fd;

    tidy_descriptors();
    allow_descriptors();
    setrlimit(RLIMIT_CORE, &no_core);
    prctl(PR_SET_DUMPABLE, 0);
    signal(SIGPIPE, SIG_IGN);
    setenv("TZ", "UTC", 1); /* lighttpd logs local time */
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return err_errno(err, ERR_SYSTEM, errno, "cannot make a signalfd");
    return fd;
}

/* ---- running ---- */

static void look_at_certificate(struct pod *pod)
{
    struct err err;
    int rc = certificate_poll(&pod->certificate, &err);

    if (rc < 0)
        log_warning("the new certificate is not taken: %s", err.msg);
    if (rc > 0) {
        log_info("new certificate, valid until %s", pod->certificate.not_after);
        web_reload(&pod->web);
    }
}

/* Starts the handlers that are due; returns the milliseconds to the next. */
static int start_handlers(struct pod *pod, int most)
{
    int64_t now = process_clock_ms(), wait = most;
    struct err err;

    for (size_t i = 0; i < pod->settings.handlers; i++) {
        struct process *handler = &pod->handler[i];

        if (handler->due_ms >= 0 && now >= handler->due_ms && process_start(handler, &err) < 0)
            log_error("%s", err.msg);
        if (handler->due_ms >= 0 && handler->due_ms - now < wait)
            wait = handler->due_ms - now;
    }
    return wait > 0 ? (int)wait : 0;
}

static void handler_ended(struct pod *pod, struct process *handler, int status)
{
    pid_t pid = handler->pid;
    bool early = process_ended(handler);
    char how[64];

    if (pod->stage == STOPPING) {
        handler->due_ms = -1;
        return;
    }
    process_describe(status, how, sizeof(how));
    log_error("handler %s (pid %d) %s; starting it again%s", handler->name, (int)pid, how,
              early ? " in a second" : "");
}

static void reap(struct pod *pod)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        int rc = web_ended(&pod->web, pid, status);

        if (rc < 0) {
            log_error("the web server does not start: see its messages");
            pod->failed = true;
            web_drain(&pod->web);
            pod->stage = CUTTING;
        }
        for (size_t i = 0; rc == 0 && i < pod->settings.handlers; i++)
            if (pod->handler[i].pid == pid)
                handler_ended(pod, &pod->handler[i], status);
    }
}

static void begin_drain(struct pod *pod)
{
    if (pod->stage != SERVING)
        return;
    log_info("stopping: no new connections, downloads under way have %lld seconds to finish",
             (long long)pod->settings.grace_ms / 1000);
    close(pod->listener);
    web_drain(&pod->web);
    pod->stage = DRAINING;
    pod->deadline_ms = process_clock_ms() + pod->settings.grace_ms;
}

static void take_signals(struct pod *pod)
{
    struct signalfd_siginfo info;

    while (read(pod->signals, &info, sizeof(info)) == sizeof(info))
        if (info.ssi_signo != SIGCHLD)
            begin_drain(pod);
    reap(pod); /* SIGCHLDs merge, so that each wake-up looks */
}

static bool handlers_run(const struct pod *pod)
{
    for (size_t i = 0; i < pod->settings.handlers; i++)
        if (pod->handler[i].pid)
            return true;
    return false;
}

static void signal_handlers(struct pod *pod, int signo)
{
    for (size_t i = 0; i < pod->settings.handlers; i++) {
        process_signal(&pod->handler[i], signo);
        pod->handler[i].due_ms = -1;
    }
}

/* Whether all that was sent has arrived, or there is no time left for it. */
static bool flushed(struct pod *pod, int64_t now)
{
    if (!sockets_unsent(pod->port))
        return true;
    if (now < pod->deadline_ms)
        return false;
    log_warning("the grace period is over: the end of downloads was cut");
    pod->failed = true;
    return true;
}

/* Goes from stage to stage; false when the last one is over. */
static bool advance(struct pod *pod)
{
    int64_t now = process_clock_ms();

    if (pod->stage == DRAINING && now >= pod->deadline_ms && web_runs(&pod->web)) {
        log_warning("the grace period is over: downloads were cut");
        pod->failed = true;
        web_signal(&pod->web, SIGTERM);
        pod->stage = CUTTING;
        pod->deadline_ms = now + STOP_MS;
    }
    if (pod->stage == CUTTING && now >= pod->deadline_ms)
        web_signal(&pod->web, SIGKILL);
    if (pod->stage == DRAINING && !web_runs(&pod->web))
        pod->stage = FLUSHING;
    if ((pod->stage == FLUSHING && flushed(pod, now)) ||
        (pod->stage == CUTTING && !web_runs(&pod->web))) {
        signal_handlers(pod, SIGTERM);
        pod->stage = STOPPING;
        pod->deadline_ms = now + STOP_MS;
    }
    if (pod->stage == STOPPING && now >= pod->deadline_ms)
        signal_handlers(pod, SIGKILL);
    return pod->stage != STOPPING || handlers_run(pod);
}

static void run(struct pod *pod)
{
    int64_t look_ms = process_clock_ms() + TICK_MS;

    while (advance(pod)) {
        struct pollfd fds[1 + WEB_MAX] = {{.fd = pod->signals, .events = POLLIN}};
        size_t count = 1 + web_poll_fds(&pod->web, fds + 1);
        int wait =
            web_tick(&pod->web, start_handlers(pod, pod->stage == FLUSHING ? FLUSH_MS : TICK_MS));

        if (poll(fds, count, wait) < 0 && errno != EINTR)
            log_error("cannot poll: %s", strerror(errno));
        web_copy_logs(&pod->web);
        take_signals(pod);
        if (pod->stage == SERVING && process_clock_ms() >= look_ms) {
            look_at_certificate(pod);
            look_ms = process_clock_ms() + TICK_MS;
        }
    }
    web_copy_logs(&pod->web);
    for (size_t i = 0; i < pod->settings.handlers; i++)
        unlink(str_get(&pod->socket_path[i]));
}

int main(int argc, char **argv)
{
    static struct pod pod;
    struct err err;

    log_open("pod");
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        settings_help();
        return EXIT_SUCCESS;
    }
    if (argc > 1) {
        log_error("unknown argument '%s': settings are environment variables, see pod --help",
                  argv[1]);
        return USAGE;
    }
    pod.signals = set_up_process(&err);
    if (pod.signals < 0 || prepare(&pod, &err) < 0) {
        log_error("%s", err.msg);
        return EXIT_FAILURE;
    }
    run(&pod);
    log_info("stopped");
    return pod.failed || pod.web.cut ? EXIT_FAILURE : EXIT_SUCCESS;
}
