/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The web server, as generations of lighttpd. All of them have the same listening socket, which the
 * supervisor owns. For a new certificate a new generation is started beside the serving one; once
 * it stands, the old one is told to take no more connections and ends when its last download has.
 */
#pragma once

#include "process.h"
#include "redact.h"

#include <poll.h>
#include <stddef.h>

/* Generations at a time, the draining ones with their last downloads included; with that many, a
 * new certificate waits. */
enum { WEB_MAX = 32 };

struct web_generation {
    struct process process;
    struct redact redact;
    int log;      /* the reading end of its standard error; -1: this place is free */
    bool leaving; /* is to take no more connections */
    bool told;    /* it was: SIGINT was sent, which must be done only once */
};

struct web {
    const char *lighttpd;
    const char *conf;
    int listener;                   /* -1 when no more connections are taken */
    struct web_generation *serving; /* NULL when none runs */
    struct web_generation *rising;  /* started for a new certificate, not known to stand yet */
    bool proven;                    /* a generation has stood: the configuration works */
    bool reload;                    /* a new generation is wanted */
    bool cut;                       /* a generation died while it had downloads to finish */
    int64_t due_ms;                 /* not to start a generation before */
    struct web_generation generation[WEB_MAX];
};

/* The listening socket and the strings stay the caller's. */
void web_init(struct web *web, const char *lighttpd, const char *conf, int listener);

/* Asks for a generation that reads the configuration and the certificate anew. */
void web_reload(struct web *web);

/* Starts and promotes what is due; returns the milliseconds until there is more to do, at most
 * `most`. */
int web_tick(struct web *web, int most);

/* No more connections: every generation ends after its last download. */
void web_drain(struct web *web);

/* Sends a signal to every generation that runs. */
void web_signal(const struct web *web, int signo);

/*
 * Takes note that a child ended. Negative when it is the first server, which never stood: it is of
 * no use to start that again. False (0) when the child is none of these.
 */
int web_ended(struct web *web, pid_t pid, int status);

/* Whether any generation runs. */
bool web_runs(const struct web *web);

/* Fills `fds` with the logs to wait for, at most WEB_MAX; returns their number. */
size_t web_poll_fds(const struct web *web, struct pollfd *fds);

/* Passes on what is in the logs, without their query strings; never waits. */
void web_copy_logs(struct web *web);
