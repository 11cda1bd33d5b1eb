/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte string, always NUL-terminated. Owned by whoever holds the struct; start from
 * STR_INIT, end with str_free. Out of memory ends the program (str.c says why). Not shared between
 * threads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct str {
    char *data; /* never NULL after the first append; use str_get to be sure */
    size_t len;
    size_t cap;
};

#define STR_INIT \
    { \
        NULL, 0, 0 \
    }
#define cleanup_str __attribute__((cleanup(str_free)))

void str_free(struct str *s);
void str_clear(struct str *s);            /* keeps the memory */
const char *str_get(const struct str *s); /* "" when nothing was appended */
char *str_steal(struct str *s);           /* the caller frees; s is empty after */
void str_append(struct str *s, const void *data, size_t len);
void str_puts(struct str *s, const char *text);
void str_putc(struct str *s, char c);
void str_printf(struct str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- escaping, one function per context ---- */

/* HTML text and double-quoted attributes, in the spelling of Go's html.EscapeString: &amp; &lt;
 * &gt; &#34; &#39; */
void str_html(struct str *s, const char *text);
/* A URL path (RFC 3986 pchar and '/'), in the spelling of Go's url.URL.EscapedPath. */
void str_url_path(struct str *s, const char *path);
/* The inside of a JSON string (RFC 8259 §7). Bytes that are no UTF-8 become U+FFFD. */
void str_json(struct str *s, const char *text);

/* ---- tests ---- */

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* Whether all of `text` is well-formed UTF-8 (RFC 3629). */
bool str_is_utf8(const char *text);
