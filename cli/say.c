/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each call is one write(2), so that lines of several threads and programs do not mix. The status is
 * kept, to be drawn again below a line that came in between; it is cut to the terminal's width, as a
 * line that wraps could not be taken away again.
 */
#include "say.h"

#include "base/io.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CLEAR_LINE "\r\033[K"

enum { LINE_MAX_BYTES = 8192, COLUMNS_OTHERWISE = 80 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_quiet, is_terminal;
static struct str status = STR_INIT;

void say_open(bool quiet)
{
    const char *term = getenv("TERM");

    pthread_mutex_lock(&lock);
    is_quiet = quiet;
    is_terminal = !quiet && isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0);
    pthread_mutex_unlock(&lock);
}

/* ---- what a terminal may get ---- */

/* How many bytes at `p` are one character that only shows itself; 0: the byte is a control
 * character (C0, or of C1, which begin with C2 in UTF-8), a part of none, or no UTF-8. */
static size_t plain_length(const unsigned char *p)
{
    char one[5] = "";
    size_t len = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;

    if (*p < ' ' || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0))
        return 0;
    for (size_t i = 0; i < len; i++) {
        if (!p[i])
            return 0;
        one[i] = (char)p[i];
    }
    return str_is_utf8(one) ? len : 0;
}

/* Appends up to `columns` of them, one for each character. */
static void append_plain(struct str *out, const char *text, size_t columns)
{
    for (const unsigned char *p = (const unsigned char *)text; *p && columns > 0; columns--) {
        size_t len = plain_length(p);

        if (len > 0)
            str_append(out, p, len);
        else
            str_printf(out, "\\x%02x", *p);
        p += len > 0 ? len : 1;
    }
}

/* ---- output ---- */

static void put(const struct str *out)
{
    struct iovec iov = {out->data, out->len};
    struct err err;

    if (out->len > 0)
        (void)io_writev(STDERR_FILENO, &iov, 1, &err); /* there is nowhere to say so */
}

static void say_line(const char *before, const char *text)
{
    cleanup_str struct str out = STR_INIT;

    pthread_mutex_lock(&lock);
    if (status.len > 0)
        str_puts(&out, CLEAR_LINE);
    str_puts(&out, before);
    append_plain(&out, text, SIZE_MAX);
    str_putc(&out, '\n');
    str_puts(&out, str_get(&status));
    put(&out);
    pthread_mutex_unlock(&lock);
}

__attribute__((format(printf, 2, 0))) static void say_text(const char *before, const char *fmt,
                                                           va_list ap)
{
    char text[LINE_MAX_BYTES];

    vsnprintf(text, sizeof(text), fmt, ap);
    say_line(before, text);
}

void say(const char *fmt, ...)
{
    va_list ap;

    if (is_quiet)
        return;
    va_start(ap, fmt);
    say_text("", fmt, ap);
    va_end(ap);
}

void say_warning(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say_text("warning: ", fmt, ap);
    va_end(ap);
}

void say_error(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say_text("error: ", fmt, ap);
    va_end(ap);
}

bool say_terminal(void)
{
    return is_terminal;
}

static size_t columns(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col
                                                                           : COLUMNS_OTHERWISE;
}

void say_status(const char *text)
{
    cleanup_str struct str out = STR_INIT;

    if (!is_terminal)
        return;
    pthread_mutex_lock(&lock);
    if (*text || status.len > 0) {
        str_clear(&status);
        append_plain(&status, text, columns() - 1); /* not the last one: some wrap there */
        str_printf(&out, CLEAR_LINE "%s", str_get(&status));
        put(&out);
    }
    pthread_mutex_unlock(&lock);
}
