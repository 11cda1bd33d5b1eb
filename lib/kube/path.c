/* SPDX-License-Identifier: Apache-2.0 */
#include "path.h"

#include <stdio.h>
#include <string.h>

/* All but RFC 3986's unreserved characters. */
static void put_encoded(struct str *out, const char *text)
{
    static const char unreserved[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    static const char hex[] = "0123456789ABCDEF";

    while (*text) {
        size_t plain = strspn(text, unreserved);
        unsigned char c = (unsigned char)text[plain];

        str_append(out, text, plain);
        text += plain;
        if (!c)
            break;
        str_append(out, (char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
        text++;
    }
}

void path_segment(struct str *path, const char *segment)
{
    str_putc(path, '/');
    put_encoded(path, segment);
}

void path_query(struct str *path, const char *key, const char *value)
{
    if (!value || !*value)
        return;
    str_putc(path, memchr(path->data, '?', path->len) ? '&' : '?');
    str_puts(path, key);
    str_putc(path, '=');
    put_encoded(path, value);
}

void path_query_number(struct str *path, const char *key, unsigned number)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", number);
    path_query(path, key, text);
}

bool path_is_segment(const char *text)
{
    return *text && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

void path_collection(struct str *path, const struct kube_resource *resource, const char *ns)
{
    str_clear(path);
    str_puts(path, *resource->group ? "/apis" : "/api");
    if (*resource->group)
        path_segment(path, resource->group);
    path_segment(path, resource->version);
    if (resource->namespaced && ns) {
        str_puts(path, "/namespaces");
        path_segment(path, ns);
    }
    path_segment(path, resource->plural);
}
