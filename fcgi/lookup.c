/* SPDX-License-Identifier: Apache-2.0 */
#include "lookup.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

enum { ADDRESSES_MAX = 8 };

/* "+HOST:PORT:ADDRESS,ADDRESS": '+' makes it an entry that is forgotten again. */
static void print_addresses(const char *host, int port, const struct addrinfo *address,
                            struct str *out)
{
    str_printf(out, "+%s:%d:", host, port);
    for (int n = 0; address && n < ADDRESSES_MAX; address = address->ai_next) {
        char text[INET6_ADDRSTRLEN];

        if (getnameinfo(address->ai_addr, address->ai_addrlen, text, sizeof(text), NULL, 0,
                        NI_NUMERICHOST) != 0)
            continue;
        str_printf(out, address->ai_family == AF_INET6 ? "%s[%s]" : "%s%s", n++ ? "," : "", text);
    }
}

enum lookup lookup_host(const char *host, int port, struct str *entry, const char **why)
{
    static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    cleanup_str struct str name = STR_INIT;
    struct addrinfo *found;
    int rc;

    /* With the dot: the search list of a pod's resolv.conf would make four more questions of one. */
    str_printf(&name, "%s.", host);
    rc = getaddrinfo(str_get(&name), NULL, &hints, &found);
    if (rc == EAI_NONAME || rc == EAI_NODATA)
        return LOOKUP_NO_NAME;
    if (rc != 0) {
        *why = gai_strerror(rc);
        return LOOKUP_FAILED;
    }
    print_addresses(host, port, found, entry);
    freeaddrinfo(found);
    return LOOKUP_FOUND;
}
