/* SPDX-License-Identifier: Apache-2.0 */
/* Private to auth.c: one run of a credential plugin. */
#pragma once

#include "kube/config.h"

#include <time.h>

struct kube_exec_answer {
    char *token; /* NULL: none */
    char *cert, *key;
    bool expires;
    struct timespec expiry; /* CLOCK_REALTIME */
};

/*
 * Runs the plugin without a shell and reads what it answers. `terminal`: it gets our standard input
 * and may ask a person. Its standard error is ours. Blocks until it ends, `timeout_ms` at most; it
 * is killed then. Secrets and the plugin's output are in no message. Thread-safe, as long as nobody
 * changes the environment. Free `out` with kube_exec_answer_free after success.
 */
int kube_exec_run(const struct kube_exec *exec, bool terminal, unsigned timeout_ms,
                  struct kube_exec_answer *out, struct err *err);
void kube_exec_answer_free(struct kube_exec_answer *answer);

/* The text of one run's output, taken for an answer. For tests and for kube_exec_run. */
int kube_exec_parse(const struct kube_exec *exec, const char *text, size_t len,
                    struct kube_exec_answer *out, struct err *err);
