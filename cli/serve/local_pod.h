/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An export pod without a cluster: its programs (lighttpd/pod.c, which starts lighttpd and the
 * handlers) as a child of this one, over a private folder with everything that Kubernetes would
 * mount. One thread; no other thread of the program runs while it starts.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <sys/types.h>

/* The header that has the token. */
#define LOCAL_POD_HEADER "x-kubevirt-export-token"

struct local_pod {
    struct str
        folder;     /* mode 0700: token, curl-header (a line for curl -H @FILE), tls.crt, log... */
    struct str url; /* "https://127.0.0.1:8443" */
    struct str token; /* secret; letters and digits */

    /* private */
    struct str program, conf, address, connect;
    unsigned port;
    pid_t pid; /* 0 when it does not run */
    int pidfd;
};

#define LOCAL_POD_INIT \
    { \
        .folder = STR_INIT, .pidfd = -1 \
    }
#define cleanup_local_pod __attribute__((cleanup(local_pod_close)))

/*
 * Serves `disk` and `dir` (real paths; either may be NULL) as the volumes "disk" and "tree". `listen`
 * is as of base/listener.h; where its port is taken, another is chosen and that is said. Returns when
 * it answers. ERR_INPUT: no such address; ERR_SYSTEM: a program is missing, with what to install.
 * Close it also after a failure.
 */
int local_pod_start(struct local_pod *pod, const char *disk, const char *dir, const char *listen,
                    struct err *err);

/* Waits for an interrupt (interrupt.h). ERR_SYSTEM when the pod ended before one came; the end of its
 * log is said. */
int local_pod_wait(struct local_pod *pod, struct err *err);

/* Lets the downloads under way finish, for ten seconds at most (VMEXPORT_GRACE_SECONDS). Returns
 * whether all of them did. */
bool local_pod_stop(struct local_pod *pod);

/* Ends it if it runs, and removes the folder. */
void local_pod_close(struct local_pod *pod);
