/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"
#include "str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"info", "warning", "error"};
static const char *log_program = "vmexport";
static bool log_text;

void log_open(const char *program)
{
    const char *format = getenv("VMEXPORT_LOG");

    log_program = program;
    log_text = format && strcmp(format, "text") == 0;
}

void log_line(enum log_level level, const char *fmt, ...)
{
    cleanup_str struct str line = STR_INIT;
    char msg[2048], when[32];
    struct timespec now;
    struct tm tm;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    clock_gettime(CLOCK_REALTIME, &now);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", gmtime_r(&now.tv_sec, &tm));
    if (log_text) {
        str_printf(&line, "%s.%03ldZ %s %s: %s\n", when, now.tv_nsec / 1000000, level_names[level],
                   log_program, msg);
    } else {
        str_printf(&line, "{\"ts\":\"%s.%03ldZ\",\"level\":\"%s\",\"program\":\"%s\",\"msg\":\"",
                   when, now.tv_nsec / 1000000, level_names[level], log_program);
        str_json(&line, msg);
        str_puts(&line, "\"}\n");
    }
    /* A log that cannot be written has nowhere to say so. */
    if (write(STDERR_FILENO, line.data, line.len) < 0)
        return;
}
