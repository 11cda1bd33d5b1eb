/* SPDX-License-Identifier: Apache-2.0 */
#include "hop.h"

#include <string.h>
#include <strings.h>

/* A name that ends in '*' stands for all that begin so. */
static const char *const between_neighbours[] = {
    "Connection", "Keep-Alive",        "Proxy-*", "Proxy", "TE",
    "Trailer",    "Transfer-Encoding", "Upgrade", NULL,
};

/* The proxy writes Host and X-Forwarded-For itself, and no request has a body. */
static const char *const not_on[] = {
    "Host", "X-Forwarded-For", "Expect", "Content-Length", NULL,
};

/* To lighttpd the first are a handler's orders (Common Gateway Interface, X-Sendfile, rate limits). The
 * others would reach beyond the export's path, and all exports share one host. */
static const char *const not_back[] = {
    "Status",     "X-Sendfile*", "X-LIGHTTPD-*",    "Service-Worker-Allowed",
    "Set-Cookie", "Set-Cookie2", "Clear-Site-Data", "Strict-Transport-Security",
    NULL,
};

static bool in_table(const char *const *table, const char *name, size_t len)
{
    for (; *table; table++) {
        size_t want = strlen(*table);
        bool prefix = (*table)[want - 1] == '*';

        want -= prefix;
        if ((prefix ? len >= want : len == want) && strncasecmp(name, *table, want) == 0)
            return true;
    }
    return false;
}

bool hop_lists(const char *list, const char *name, size_t len)
{
    while (list && *list) {
        size_t item;

        list += strspn(list, ", \t");
        item = strcspn(list, ", \t");
        if (item == len && strncasecmp(list, name, len) == 0)
            return true;
        list += item;
    }
    return false;
}

static bool passes(const char *const *table, const char *name, size_t len, const char *connection)
{
    return len && !in_table(between_neighbours, name, len) && !in_table(table, name, len) &&
           !hop_lists(connection, name, len);
}

bool hop_passes_back(const char *name, size_t len, const char *connection)
{
    return passes(not_back, name, len, connection);
}

bool hop_passes_on(const char *variable, size_t len, const char *connection, struct str *name)
{
    static const char http[] = "HTTP_";
    bool first = true;

    if (len <= strlen(http) || strncmp(variable, http, strlen(http)) != 0)
        return false;
    str_clear(name);
    for (size_t i = strlen(http); i < len; i++) {
        char c = variable[i];

        if (!first && c >= 'A' && c <= 'Z')
            c = (char)(c | 0x20);
        first = c == '_';
        str_putc(name, first ? '-' : c);
    }
    return passes(not_on, str_get(name), name->len, connection);
}
