/* SPDX-License-Identifier: Apache-2.0 */
/* The listening sockets of the pod. They stay open in the supervisor, so that no connection is lost
 * when the program behind one is started again. */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* A FastCGI handler's socket, for this user only; a stale one is replaced. Returns a descriptor. */
int sockets_listen_unix(const char *path, struct err *err);

/*
 * The server's port on a numeric address ("127.0.0.1", "[::1]"; "[::]" takes IPv4 too, and is every
 * IPv4 address on a machine without IPv6). Port 0 is a free one. Returns a descriptor, and in
 * `ret_port` the port.
 */
int sockets_listen_tcp(const char *address, uint16_t port, uint16_t *ret_port, struct err *err);

/*
 * Whether the kernel still has something to send for connections of this port, whoever had them, that
 * their clients have not taken (proc_pid_net(5), tx_queue). It is lost when a pod's network ends.
 */
bool sockets_unsent(uint16_t port);
