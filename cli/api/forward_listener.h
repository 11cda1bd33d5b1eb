/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that takes the connections of others, until it is told to end. */
#pragma once

#include "base/err.h"

/* Takes `fd`, a connected socket, over. Called by the thread of the listener. */
typedef void forward_accept_fn(void *ctx, int fd);

struct forward_listener;

/* `fd` is a non-blocking socket that listens, and is taken over, whatever comes of it; `what` is its
 * name in messages. It ends once `ending` is readable. NULL on failure. */
struct forward_listener *forward_listener_start(int fd, const char *what, int ending,
                                                forward_accept_fn *accepted, void *ctx,
                                                struct err *err);
/* Waits for its end, and frees it. NULL is fine. */
void forward_listener_join(struct forward_listener *listener);

/* An abstract Unix socket (unix(7)) that listens, for this user's processes only: `name` becomes its
 * name, without the NUL before it. There is nothing of it in the file system, and nobody else's
 * connection is handed on by forward_listener. -1 on failure. */
enum { FORWARD_NAME_SIZE = 48 };
int forward_listener_abstract(char name[FORWARD_NAME_SIZE], struct err *err);
