/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory: these strings are names, headers and pages, some kilobytes each. When not even those can
 * be had, no message could be made either, so the program ends and its supervisor starts it again.
 */
#include "str.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void str_reserve(struct str *s, size_t more)
{
    size_t want = s->len + more + 1;
    size_t cap = s->cap ? s->cap : 64;

    if (want <= s->cap)
        return;
    while (cap < want)
        cap *= 2;
    s->data = realloc(s->data, cap);
    if (!s->data)
        abort();
    s->cap = cap;
}

void str_free(struct str *s)
{
    free(s->data);
    *s = (struct str)STR_INIT;
}

void str_clear(struct str *s)
{
    s->len = 0;
    if (s->data)
        s->data[0] = '\0';
}

const char *str_get(const struct str *s)
{
    return s->data ? s->data : "";
}

char *str_steal(struct str *s)
{
    char *out;

    str_reserve(s, 0);
    s->data[s->len] = '\0';
    out = s->data;
    *s = (struct str)STR_INIT;
    return out;
}

void str_append(struct str *s, const void *data, size_t len)
{
    str_reserve(s, len);
    if (len)
        memcpy(s->data + s->len, data, len);
    s->len += len;
    s->data[s->len] = '\0';
}

void str_puts(struct str *s, const char *text)
{
    str_append(s, text, strlen(text));
}

void str_putc(struct str *s, char c)
{
    str_reserve(s, 1);
    s->data[s->len++] = c;
    s->data[s->len] = '\0';
}

void str_printf(struct str *s, const char *fmt, ...)
{
    va_list ap, again;
    int len;

    va_start(ap, fmt);
    va_copy(again, ap);
    len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (len < 0)
        abort();
    str_reserve(s, (size_t)len);
    vsnprintf(s->data + s->len, (size_t)len + 1, fmt, again);
    va_end(again);
    s->len += (size_t)len;
}

void str_html(struct str *s, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            str_puts(s, "&amp;");
            break;
        case '<':
            str_puts(s, "&lt;");
            break;
        case '>':
            str_puts(s, "&gt;");
            break;
        case '"':
            str_puts(s, "&#34;");
            break;
        case '\'':
            str_puts(s, "&#39;");
            break;
        default:
            str_putc(s, *text);
        }
    }
}

void str_url_path(struct str *s, const char *path)
{
    static const char hex[] = "0123456789ABCDEF";
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "-_.~$&+,/:;=@";

    for (; *path; path++) {
        unsigned char c = (unsigned char)*path;

        if (strchr(plain, c)) {
            str_putc(s, (char)c);
        } else {
            str_putc(s, '%');
            str_putc(s, hex[c >> 4]);
            str_putc(s, hex[c & 15]);
        }
    }
}

/* Length of the well-formed UTF-8 sequence at `p`, 0 when there is none (RFC 3629 §4). */
static size_t utf8_len(const unsigned char *p)
{
    static const struct {
        unsigned char lead_min, lead_max, next_min, next_max;
        size_t len;
    } forms[] = {
        {0x01, 0x7f, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (p[0] < forms[i].lead_min || p[0] > forms[i].lead_max)
            continue;
        if (forms[i].len > 1 && (p[1] < forms[i].next_min || p[1] > forms[i].next_max))
            continue;
        for (size_t k = 2; k < forms[i].len; k++)
            if ((p[k] & 0xc0) != 0x80)
                return 0;
        return forms[i].len;
    }
    return 0;
}

bool str_is_utf8(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;

    while (*p) {
        size_t len = *p < 0x80 ? 1 : utf8_len(p);

        if (!len)
            return false;
        p += len;
    }
    return true;
}

/* How many bytes from `p` on stand for themselves in a JSON string, and are ASCII. */
static size_t plain_len(const unsigned char *p)
{
    size_t len = 0;

    while (p[len] >= 0x20 && p[len] < 0x7f && p[len] != '"' && p[len] != '\\')
        len++;
    return len;
}

void str_json(struct str *s, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;

    for (;;) {
        size_t plain = plain_len(p), len;

        str_append(s, p, plain);
        p += plain;
        if (!*p)
            return;
        len = utf8_len(p);
        if (*p == '"' || *p == '\\')
            str_printf(s, "\\%c", *p);
        else if (*p == '\n' || *p == '\t')
            str_puts(s, *p == '\n' ? "\\n" : "\\t");
        else if (*p < 0x20 || *p == 0x7f)
            str_printf(s, "\\u%04x", *p);
        else if (len)
            str_append(s, p, len);
        else
            str_puts(s, "\xef\xbf\xbd");
        p += len ? len : 1;
    }
}

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t len = strlen(s), end = strlen(suffix);

    return len >= end && strcmp(s + len - end, suffix) == 0;
}
