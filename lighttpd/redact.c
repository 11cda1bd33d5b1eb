/* SPDX-License-Identifier: Apache-2.0 */
#include "redact.h"

#include <string.h>

/* What ends a query string in a message: lighttpd escapes these in a URL. Not the single quote,
 * which it leaves as it is. */
#define ENDS_QUERY " \t\""

static void emit_line(const struct str *line, redact_fn *emit, void *arg)
{
    cleanup_str struct str out = STR_INIT;
    const char *text = str_get(line), *end = text + line->len;

    while (text < end) {
        const char *query = memchr(text, '?', (size_t)(end - text));

        str_append(&out, text, (size_t)((query ? query : end) - text));
        if (!query)
            break;
        str_puts(&out, "?-");
        for (text = query; text < end && (!*text || !strchr(ENDS_QUERY, *text)); text++)
            continue;
    }
    str_putc(&out, '\n');
    emit(out.data, out.len, arg);
}

void redact_feed(struct redact *redact, const char *data, size_t len, redact_fn *emit, void *arg)
{
    while (len) {
        const char *newline = memchr(data, '\n', len);
        size_t piece = newline ? (size_t)(newline - data) : len;
        size_t room = REDACT_LINE_MAX - redact->line.len;

        str_append(&redact->line, data, piece < room ? piece : room);
        if (newline) {
            emit_line(&redact->line, emit, arg);
            str_clear(&redact->line);
            piece++;
        }
        data += piece;
        len -= piece;
    }
}

void redact_end(struct redact *redact, redact_fn *emit, void *arg)
{
    if (redact->line.len)
        emit_line(&redact->line, emit, arg);
    str_free(&redact->line);
}
