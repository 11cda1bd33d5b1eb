/* SPDX-License-Identifier: Apache-2.0 */
/* A TCP socket to accept connections from, by an address as people write it. */
#pragma once

#include "err.h"

#include <stdint.h>

/*
 * `address` is "10.0.0.1:8080", "[::1]:8080" or ":8080" (every address, IPv6 and IPv4); names are not
 * looked up; port 0 is any free one. Returns a non-blocking socket that listens; ERR_INPUT when the
 * address makes no sense.
 */
int listener_open(const char *address, struct err *err);
/* Whether the address makes sense; ERR_INPUT as listener_open. */
int listener_check(const char *address, struct err *err);
uint16_t listener_port(int fd);
