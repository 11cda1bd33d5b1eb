/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract is Kubernetes' (client-authentication.v1,
 * https://kubernetes.io/docs/reference/config-api/client-authentication.v1/), and what client-go
 * makes of it (plugin/pkg/client/auth/exec/exec.go).
 *
 * The plugin's output and its end are waited for together, through a pidfd: one that keeps its
 * output open behind itself, in a helper that lives on, is not waited for.
 */
#include "kube/exec.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "kube/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

enum { OUTPUT_MAX = 1024 * 1024 };

static const char info_name[] = "KUBERNETES_EXEC_INFO";

/* ---- the environment ---- */

/* The ExecCredential that tells the plugin what it is asked for. */
static char *exec_info(const struct kube_exec *exec, bool terminal)
{
    struct str text = STR_INIT;

    str_printf(&text, "%s={\"kind\":\"ExecCredential\",\"apiVersion\":\"%s\",\"spec\":{", info_name,
               exec->api_version);
    if (exec->cluster_info)
        str_printf(&text, "\"cluster\":%s,", exec->cluster_info);
    str_printf(&text, "\"interactive\":%s}}", terminal ? "true" : "false");
    return str_steal(&text);
}

/* Whether both begin with the same "NAME=". */
static bool same_name(const char *a, const char *b)
{
    size_t len = strcspn(a, "=");

    return strncmp(a, b, len) == 0 && b[len] == '=';
}

static bool is_replaced(const char *variable, char *const *by, const char *info)
{
    for (; by && *by; by++)
        if (same_name(variable, *by))
            return true;
    return same_name(variable, info);
}

/* Ours, but for the names that the kubeconfig sets. The caller frees the array only. */
static char **make_env(const struct kube_exec *exec, char *info)
{
    size_t count = 2;
    char **env, **end;

    for (char **variable = environ; *variable; variable++)
        count++;
    for (char **variable = exec->env; variable && *variable; variable++)
        count++;
    env = end = calloc(count, sizeof(char *));
    if (!env)
        abort();
    for (char **variable = environ; *variable; variable++)
        if (!is_replaced(*variable, exec->env, info))
            *end++ = *variable;
    for (char **variable = exec->env; variable && *variable; variable++)
        if (!is_replaced(*variable, variable + 1, info))
            *end++ = *variable;
    *end = info;
    return env;
}

/* ---- running ---- */

struct run {
    pid_t pid;
    int pidfd, out;
    bool group; /* it has a process group of its own */
    uint64_t deadline;
};

static int missing(const struct kube_exec *exec, int errnum, struct err *err)
{
    cleanup_free char *hint = secret_copy(
        exec->install_hint ? exec->install_hint
                           : "install it, or name its path in the kubeconfig's exec.command");

    for (char *p = hint; *p; p++) /* on one line, and no escapes for a terminal */
        *p = (unsigned char)*p < ' ' || *p == 0x7f ? ' ' : *p;
    return err_set(err, ERR_UNAVAILABLE, "cannot run the credential plugin '%s': %s; %s",
                   exec->argv[0], strerrordesc_np(errnum), hint);
}

/* Signals as a new program expects them, whatever this thread blocks or ignores. A plugin without a
 * terminal gets a process group of its own, to be killed as a whole; with one it must stay in the
 * group that the terminal belongs to. */
static int set_attributes(posix_spawnattr_t *attr, bool group)
{
    sigset_t none, all;
    int rc;

    sigemptyset(&none);
    sigfillset(&all);
    rc = posix_spawnattr_setflags(attr, (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                (group ? POSIX_SPAWN_SETPGROUP : 0)));
    rc = rc ? rc : posix_spawnattr_setsigmask(attr, &none);
    return rc ? rc : posix_spawnattr_setsigdefault(attr, &all);
}

static int set_files(posix_spawn_file_actions_t *files, bool terminal, int out)
{
    int rc = terminal
                 ? 0
                 : posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

    return rc ? rc : posix_spawn_file_actions_adddup2(files, out, STDOUT_FILENO);
}

/* An errno, or 0. */
static int spawn(const struct kube_exec *exec, bool terminal, int out, pid_t *pid)
{
    cleanup_free char *info = exec_info(exec, terminal);
    cleanup_free char **env = make_env(exec, info);
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    int rc;

    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    rc = set_files(&files, terminal, out);
    rc = rc ? rc : set_attributes(&attr, !terminal);
    rc = rc ? rc : posix_spawnp(pid, exec->argv[0], &files, &attr, exec->argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

static void kill_and_reap(const struct run *run)
{
    kill(run->group ? -run->pid : run->pid, SIGKILL);
    while (waitpid(run->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

/* Reads what is there. 0 at the end, 1 when more may come, -1 when it is too much or fails. */
static int read_some(const struct run *run, const char *command, struct str *text, struct err *err)
{
    char buf[4096];
    ssize_t n = read(run->out, buf, sizeof(buf));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 1;
    if (n < 0)
        return err_errno(err, ERR_SYSTEM, errno, "cannot read from the credential plugin '%s'",
                         command);
    if (text->len + (size_t)n > OUTPUT_MAX)
        return err_set(err, ERR_INPUT, "the credential plugin '%s' wrote more than %d bytes",
                       command, OUTPUT_MAX);
    str_append(text, buf, (size_t)n);
    explicit_bzero(buf, (size_t)n);
    return n > 0;
}

/* Until the plugin has ended and there is nothing left to read. */
static int read_output(struct run *run, const char *command, struct str *text, struct err *err)
{
    struct pollfd fds[] = {{.fd = run->out, .events = POLLIN},
                           {.fd = run->pidfd, .events = POLLIN}};

    for (;;) {
        uint64_t now = clock_ms();
        int rc = now < run->deadline ? poll(fds, 2, (int)(run->deadline - now)) : 0;

        if (rc < 0 && errno != EINTR)
            return err_errno(err, ERR_SYSTEM, errno, "cannot wait for the credential plugin '%s'",
                             command);
        if (rc == 0)
            return err_set(err, ERR_UNAVAILABLE,
                           "the credential plugin '%s' did not answer in time; run it by hand to "
                           "see what it waits for",
                           command);
        if (rc > 0 && fds[0].revents) {
            int more = read_some(run, command, text, err);

            if (more < 0)
                return -1;
            if (!more)
                fds[0].fd = -1;
        } else if (rc > 0 && fds[1].revents) {
            return 0;
        }
    }
}

static int check_status(pid_t pid, const char *command, struct err *err)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_errno(err, ERR_SYSTEM, errno, "cannot wait for the credential plugin '%s'",
                             command);
    if (WIFSIGNALED(status))
        return err_set(err, ERR_UNAVAILABLE, "the credential plugin '%s' was ended by signal %d",
                       command, WTERMSIG(status));
    if (WEXITSTATUS(status))
        return err_set(err, ERR_UNAVAILABLE,
                       "the credential plugin '%s' failed with exit code %d; see what it says on "
                       "standard error",
                       command, WEXITSTATUS(status));
    return 0;
}

static int run_plugin(const struct kube_exec *exec, bool terminal, unsigned timeout_ms,
                      struct str *text, struct err *err)
{
    cleanup_close int in = -1, out = -1, pidfd = -1;
    struct run run = {.group = !terminal, .deadline = clock_ms() + timeout_ms};
    int ends[2], rc;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(err, ERR_SYSTEM, errno, "cannot make a pipe");
    out = ends[0];
    in = ends[1];
    fcntl(out, F_SETFL, O_NONBLOCK);
    rc = spawn(exec, terminal, in, &run.pid);
    if (rc)
        return missing(exec, rc, err);
    close(steal_fd(&in));
    pidfd = pidfd_open(run.pid, 0);
    run.out = out;
    run.pidfd = pidfd;
    if (pidfd < 0)
        err_errno(err, ERR_SYSTEM, errno, "cannot watch the credential plugin '%s'", exec->argv[0]);
    if (pidfd < 0 || read_output(&run, exec->argv[0], text, err) < 0) {
        kill_and_reap(&run);
        return -1;
    }
    return check_status(run.pid, exec->argv[0], err);
}

int kube_exec_run(const struct kube_exec *exec, bool terminal, unsigned timeout_ms,
                  struct kube_exec_answer *out, struct err *err)
{
    cleanup_secret struct str text = STR_INIT;

    if (exec->needs_terminal && !terminal)
        return err_set(
            err, ERR_UNAVAILABLE,
            "the credential plugin '%s' wants to ask a person (interactiveMode: Always), "
            "and standard input is no terminal",
            exec->argv[0]);
    if (run_plugin(exec, terminal, timeout_ms, &text, err) < 0)
        return -1;
    return kube_exec_parse(exec, str_get(&text), text.len, out, err);
}
