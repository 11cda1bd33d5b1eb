/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the program tells its user, all of it on standard error: standard output carries data only.
 * Thread-safe. Control characters in what servers said are shown as \xNN, so that no server can
 * speak to the terminal.
 */
#pragma once

#include <stdbool.h>

/* quiet: only warnings and errors. */
void say_open(bool quiet);

/* A line, without its end. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same with "warning: " before it, also when quiet. */
void say_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same with "error: ". */
void say_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Whether there is a terminal that a status can be drawn on; false when quiet. */
bool say_terminal(void);
/* Replaces the last line of the terminal by `text`, until the next call; other lines go above it.
 * "" takes it away. Nothing without a terminal. */
void say_status(const char *text);
