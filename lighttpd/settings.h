/* SPDX-License-Identifier: Apache-2.0 */
/* The pod's settings: environment variables, the container's own. Handlers and lighttpd inherit
 * them. */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { SETTINGS_HANDLERS = 16, SETTINGS_NAME = 16 };

struct settings {
    const char *cert_file;
    const char *key_file;
    const char *address;
    const char *run_dir;
    const char *lighttpd;
    const char *handler_dir;
    const char *conf;
    uint16_t port;
    int64_t grace_ms;
    char handler[SETTINGS_HANDLERS][SETTINGS_NAME];
    size_t handlers;
};

/*
 * Reads the environment and sets in it what was not set, so that lighttpd finds it. The strings
 * are the environment's. ERR_INPUT names the variable whose value makes no sense.
 */
int settings_read(struct settings *settings, struct err *err);

/* Prints the table of variables with their defaults to standard output. */
void settings_help(void);
