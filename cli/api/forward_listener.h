/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that takes the connections of others, until it is told to end, and hands each to a thread of
 * its own. When FORWARD_LISTENER_MOST of those are at work, the next who come wait in the queue of the
 * system.
 */
#pragma once

#include "base/err.h"

enum { FORWARD_LISTENER_MOST = 16 };

/* Takes `fd`, a connected socket, over. Called by several threads at once; returns soon after `ending`
 * is readable. */
typedef void forward_accept_fn(void *ctx, int fd);

struct forward_listener;

/* `fd` is a non-blocking socket that listens, and is taken over, whatever comes of it; `what` is its
 * name in messages. It ends once `ending` is readable. NULL on failure. */
struct forward_listener *forward_listener_start(int fd, const char *what, int ending,
                                                forward_accept_fn *accepted, void *ctx,
                                                struct err *err);
/* Waits for its end and that of all its threads, and frees it. NULL is fine. */
void forward_listener_join(struct forward_listener *listener);

/* An abstract Unix socket (unix(7)) that listens, for this user's processes only: `name` becomes its
 * name, without the NUL before it. There is nothing of it in the file system, and nobody else's
 * connection is handed on by forward_listener. -1 on failure. */
enum { FORWARD_NAME_SIZE = 48 };
int forward_listener_abstract(char name[FORWARD_NAME_SIZE], struct err *err);
