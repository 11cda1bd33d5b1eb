/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGINT, SIGTERM and SIGHUP end what is under way, in order: what came is kept. A second one, half a
 * second later or more, ends the program at once. SIGPIPE and SIGXFSZ are ignored: the write that
 * fails says it.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>

void interrupt_open(void);
/* Thread-safe. */
bool interrupt_came(void);
/* The signal, 0 when none came. */
int interrupt_signal(void);
/* Sleeps; false as soon as one came. */
bool interrupt_sleep(unsigned ms);
/* A descriptor that becomes readable when one came, for poll(2). Never read from it. */
int interrupt_fd(void);
