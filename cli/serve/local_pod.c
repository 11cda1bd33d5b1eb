/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pod is in a session of its own, so that a Ctrl-C at the terminal reaches this program only, which
 * then stops the pod in order. However this program ends, the kernel tells the pod to end as well.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/listener.h"
#include "interrupt.h"
#include "kube/fetch.h"
#include "kube/secret.h"
#include "say.h"
#include "serve/local_pod_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum {
    READY_MS = 60 * 1000, /* to start; it takes a tenth of a second where nothing else runs */
    LOOK_MS = 50,
    FETCH_MS = 2000,
    ANSWER_MAX = 64 * 1024,
    LOG_TAIL = 4096,
    CANNOT_EXECUTE = 127,
};

/* What the pod is told of the folder. */
static const struct {
    const char *variable, *name;
} in_folder[] = {{"VMEXPORT_TOKEN_FILE", "token"},
                 {"VMEXPORT_CERT_FILE", "tls.crt"},
                 {"VMEXPORT_KEY_FILE", "tls.key"},
                 {"VMEXPORT_RUN_DIR", "run"},
                 {"VMEXPORT_MANIFEST_DIR", "manifests"}};

/* Meant for another pod, and of no use to this one. */
static const char *const not_inherited[] = {"VMEXPORT_PREFIX", "VMEXPORT_HANDLERS",
                                            "VMEXPORT_METRICS_ADDRESS"};

/* ---- the address ---- */

static bool is_wildcard(const char *host)
{
    return !*host || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/* Splits `listen`, which makes sense, into what the pod, a client and a URL have to know. */
static void take_address(struct local_pod *pod, const char *listen)
{
    size_t len = (size_t)(strrchr(listen, ':') - listen);
    bool brackets = listen[0] == '[';

    str_append(&pod->address, listen, len);
    str_append(&pod->connect, listen + brackets, len - 2 * brackets);
    str_puts(&pod->url, "https://");
    if (is_wildcard(str_get(&pod->connect))) {
        if (!pod->address.len)
            str_puts(&pod->address, "[::]");
        str_clear(&pod->connect);
        str_puts(&pod->connect, "127.0.0.1");
        str_puts(&pod->url, "localhost");
    } else {
        str_append(&pod->url, listen, len);
    }
    str_printf(&pod->url, ":%u", pod->port);
}

/* Tries the port, which the pod then listens on. */
static int choose_port(const char *listen, unsigned *port, struct err *err)
{
    cleanup_close int fd = listener_open(listen, err);
    cleanup_str struct str any = STR_INIT;
    struct err ignored;

    if (fd < 0 && err->class == ERR_SYSTEM) { /* taken, unless the address is not this machine's */
        str_printf(&any, "%.*s:0", (int)(strrchr(listen, ':') - listen), listen);
        fd = listener_open(str_get(&any), &ignored);
        if (fd >= 0)
            say("port %s is taken: using %u", strrchr(listen, ':') + 1, listener_port(fd));
    }
    if (fd < 0)
        return -1;
    *port = listener_port(fd);
    return 0;
}

/* ---- the process ---- */

/* One line a volume. Nobody tells when somebody writes to them: each start is another identity. */
static int list_volumes(const char *disk, const char *dir, struct str *volumes, struct err *err)
{
    cleanup_str struct str identity = STR_INIT;

    if (local_pod_random(&identity, err) < 0)
        return -1;
    if (disk)
        str_printf(volumes, "disk disk %s %s\n", str_get(&identity), disk);
    if (dir)
        str_printf(volumes, "tree archive %s %s\n", str_get(&identity), dir);
    return 0;
}

/* In the child. What is for all pods (threads, codec, log) may come from our own environment. */
static void set_environment(const struct local_pod *pod, const char *volumes)
{
    cleanup_str struct str text = STR_INIT;

    for (size_t i = 0; i < sizeof(not_inherited) / sizeof(not_inherited[0]); i++)
        unsetenv(not_inherited[i]);
    for (size_t i = 0; i < sizeof(in_folder) / sizeof(in_folder[0]); i++) {
        local_pod_path(pod, in_folder[i].name, &text);
        setenv(in_folder[i].variable, str_get(&text), 1);
    }
    str_clear(&text);
    str_printf(&text, "%u", pod->port);
    setenv("VMEXPORT_PORT", str_get(&text), 1);
    setenv("VMEXPORT_ADDRESS", str_get(&pod->address), 1);
    setenv("VMEXPORT_VOLUMES", volumes, 1);
    setenv("VMEXPORT_GRACE_SECONDS", "10", 0);
    setenv("VMEXPORT_LOG", "text", 0);
    if (pod->conf.len)
        setenv("VMEXPORT_LIGHTTPD_CONF", str_get(&pod->conf), 0);
}

/* The child between fork and exec; never returns. */
static void become(const struct local_pod *pod, const char *volumes, int log, pid_t parent)
{
    const char *argv[] = {str_get(&pod->program), NULL};
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sigset_t none;

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(EXIT_FAILURE);
    setsid();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(null, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    set_environment(pod, volumes);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    perror(argv[0]);
    _exit(CANNOT_EXECUTE);
}

static int start_process(struct local_pod *pod, const char *volumes, struct err *err)
{
    cleanup_str struct str path = STR_INIT;
    cleanup_close int log = -1;
    pid_t parent = getpid();

    local_pod_path(pod, "log", &path);
    log = open(str_get(&path), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0)
        return err_errno(err, ERR_IO, errno, "cannot make '%s'", str_get(&path));
    pod->pid = fork();
    if (pod->pid == 0)
        become(pod, volumes, log, parent);
    if (pod->pid < 0) {
        pod->pid = 0;
        return err_errno(err, ERR_SYSTEM, errno, "cannot start '%s'", str_get(&pod->program));
    }
    pod->pidfd = pidfd_open(pod->pid, 0);
    return pod->pidfd < 0 ? err_errno(err, ERR_SYSTEM, errno, "cannot watch a child") : 0;
}

/* Says the end of the log, and sets the error: the pod has ended by itself. */
static int fail_ended(struct local_pod *pod, const char *how, struct err *err)
{
    cleanup_str struct str path = STR_INIT;
    cleanup_close int fd = -1;
    char text[LOG_TAIL + 1], *save = NULL;
    const char *last = "none";
    struct stat st;
    ssize_t got = 0;

    waitpid(pod->pid, NULL, 0);
    pod->pid = 0;
    local_pod_path(pod, "log", &path);
    fd = open(str_get(&path), O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0)
        got = pread(fd, text, LOG_TAIL, st.st_size > LOG_TAIL ? st.st_size - LOG_TAIL : 0);
    text[got > 0 ? got : 0] = '\0';
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        say("%s", line);
        last = line;
    }
    return err_set(err, ERR_SYSTEM, "the export server %s; its last words: %s", how, last);
}

/* Whether it has ended; waits for that, or an interrupt, up to `ms` (-1: for ever). */
static bool has_ended(const struct local_pod *pod, int ms)
{
    struct pollfd fds[] = {{.fd = pod->pidfd, .events = POLLIN},
                           {.fd = interrupt_fd(), .events = POLLIN}};

    while (poll(fds, 2, ms) < 0 && errno == EINTR)
        continue;
    return fds[0].revents != 0;
}

static int wait_ready(struct local_pod *pod, struct err *err)
{
    static atomic_bool never;
    cleanup_str struct str path = STR_INIT, ca = STR_INIT, body = STR_INIT;
    uint64_t end = clock_ms() + READY_MS;
    struct kube_fetch fetch = {.host = "localhost",
                               .address = str_get(&pod->connect),
                               .port = pod->port,
                               .path = "/exportready",
                               .accept = "Accept: */*",
                               .connect_timeout_ms = FETCH_MS,
                               .timeout_ms = FETCH_MS,
                               .max = ANSWER_MAX,
                               .cancelled = &never};

    local_pod_path(pod, "tls.crt", &path);
    if (io_read_file(str_get(&path), ANSWER_MAX, &ca, err) < 0)
        return -1;
    fetch.ca = str_get(&ca);
    while (!interrupt_came() && kube_fetch(&fetch, &body, err) < 0) {
        if (has_ended(pod, LOOK_MS))
            return fail_ended(pod, "did not start", err);
        if (clock_ms() > end)
            return err_wrap(err, "the export server does not answer");
        str_clear(&body);
    }
    return 0;
}

/* ---- all of it ---- */

static int check_lighttpd(struct err *err)
{
    const char *program = getenv("VMEXPORT_LIGHTTPD");

    if (!program)
        program = "/usr/sbin/lighttpd";
    if (access(program, X_OK) == 0)
        return 0;
    return err_errno(err, ERR_SYSTEM, errno,
                     "serve needs the web server lighttpd, with mod_openssl: install it (Debian: "
                     "lighttpd and lighttpd-mod-openssl) or name it in VMEXPORT_LIGHTTPD: '%s'",
                     program);
}

int local_pod_start(struct local_pod *pod, const char *disk, const char *dir, const char *listen,
                    struct err *err)
{
    cleanup_str struct str volumes = STR_INIT;

    if (local_pod_find(&pod->program, &pod->conf, err) < 0 || check_lighttpd(err) < 0 ||
        list_volumes(disk, dir, &volumes, err) < 0 || choose_port(listen, &pod->port, err) < 0)
        return -1;
    take_address(pod, listen);
    if (local_pod_fill(pod, err) < 0 || start_process(pod, str_get(&volumes), err) < 0)
        return -1;
    return wait_ready(pod, err);
}

int local_pod_wait(struct local_pod *pod, struct err *err)
{
    while (!interrupt_came())
        if (has_ended(pod, -1))
            return fail_ended(pod, "has ended", err);
    return 0;
}

bool local_pod_stop(struct local_pod *pod)
{
    int status = 0;

    if (pod->pid) {
        kill(pod->pid, SIGTERM);
        while (waitpid(pod->pid, &status, 0) < 0 && errno == EINTR)
            continue;
        pod->pid = 0;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

void local_pod_close(struct local_pod *pod)
{
    local_pod_stop(pod);
    local_pod_remove(pod);
    cleanup_close_(&pod->pidfd);
    secret_str_free(&pod->token);
    for (struct str *const *s =
             (struct str *const[]){&pod->folder, &pod->url, &pod->program, &pod->conf,
                                   &pod->address, &pod->connect, NULL};
         *s; s++)
        str_free(*s);
}
