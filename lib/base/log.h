/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: one line per event on standard error, written by one write(2) so that lines of several
 * processes do not mix, up to PIPE_BUF bytes each (pipe(7)). JSON by default, text with
 * VMEXPORT_LOG=text. Programs log; libraries return errors (docs/errors.md). No secret is ever
 * passed to it. Thread-safe.
 */
#pragma once

enum log_level { LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

/* `program` is a literal; it appears in each line. Reads VMEXPORT_LOG. */
void log_open(const char *program);

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
