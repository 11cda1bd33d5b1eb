/* SPDX-License-Identifier: Apache-2.0 */
/* A child process that is kept running. */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    PROCESS_ARGS = 5,
    /* A process that lived shorter than this failed at its start, and is not started at once again:
     * it would most likely fail again, and fill the log. */
    PROCESS_STABLE_MS = 1000,
};

struct process {
    const char *name;
    const char *argv[PROCESS_ARGS + 1]; /* argv[0] is the program's path */
    int input;                          /* becomes descriptor 0; -1 is /dev/null */
    int errors;                         /* becomes descriptor 2; -1 leaves it as it is */
    int listener;       /* handed over as descriptor 3 as sd_listen_fds(3) says; -1 for none */
    bool session;       /* gets a session of its own: it signals its process group */
    pid_t pid;          /* 0 when it does not run */
    int64_t started_ms; /* of process_clock_ms, as all times here */
    int64_t due_ms;     /* when it should be started; -1 for never */
};

/* Milliseconds of a clock that never jumps. */
int64_t process_clock_ms(void);

/* Starts it. That the program cannot be executed is seen only by its end, with exit status 127. */
int process_start(struct process *process, struct err *err);

/* Notes its end, and sets when it is due again. Returns whether it had failed at its start. */
bool process_ended(struct process *process);

/* Says how a process ended, from waitpid's status: "was killed by signal 9 (Killed)". */
void process_describe(int status, char *buf, size_t size);

/* Sends a signal if it runs. */
void process_signal(const struct process *process, int signo);
