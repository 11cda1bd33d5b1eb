/* SPDX-License-Identifier: Apache-2.0 */
#include "process.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LISTENER_FD = 3, CANNOT_EXECUTE = 127 };

int64_t process_clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void reset_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int signo = 1; signo < NSIG; signo++)
        sigaction(signo, &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Makes `fd` the descriptor `target` of the program that is executed next. */
static void place(int fd, int target)
{
    if (fd == target)
        fcntl(fd, F_SETFD, 0);
    else
        dup2(fd, target);
}

static void hand_over_listener(int fd)
{
    char pid[16];

    place(fd, LISTENER_FD);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
}

/* The child between fork and exec; never returns. The supervisor has one thread, so that all of the
 * library may be used. */
static void become(const struct process *process, pid_t supervisor)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != supervisor)
        _exit(EXIT_FAILURE);
    reset_signals();
    if (process->session)
        setsid();
    place(process->input >= 0 ? process->input : open("/dev/null", O_RDONLY | O_CLOEXEC),
          STDIN_FILENO);
    if (process->errors >= 0)
        place(process->errors, STDERR_FILENO);
    if (process->listener >= 0)
        hand_over_listener(process->listener);
    execv(process->argv[0], (char *const *)(uintptr_t)process->argv);
    log_error("cannot execute '%s': %s", process->argv[0], strerror(errno));
    _exit(CANNOT_EXECUTE);
}

int process_start(struct process *process, struct err *err)
{
    pid_t supervisor = getpid();
    pid_t pid = fork();

    if (pid == 0)
        become(process, supervisor);
    process->started_ms = process_clock_ms();
    if (pid < 0) {
        process->due_ms = process->started_ms + PROCESS_STABLE_MS;
        return err_errno(err, ERR_SYSTEM, errno, "cannot start %s", process->name);
    }
    process->pid = pid;
    process->due_ms = -1;
    return 0;
}

bool process_ended(struct process *process)
{
    int64_t now = process_clock_ms();
    bool early = now - process->started_ms < PROCESS_STABLE_MS;

    process->pid = 0;
    process->due_ms = early ? now + PROCESS_STABLE_MS : now;
    return early;
}

void process_describe(int status, char *buf, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(buf, size, "was killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(buf, size, "ended with exit status %d", WEXITSTATUS(status));
}

void process_signal(const struct process *process, int signo)
{
    if (process->pid > 0)
        kill(process->pid, signo);
}
