/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/*
 * The export's external prefix, cut off so that an Ingress can route to the export's Service as it
 * is. VMEXPORT_PREFIX holds one prefix or several (one an API version), with blanks between.
 */
static const char *cut_prefix(const char *path)
{
    const char *prefix = getenv("VMEXPORT_PREFIX");

    for (; prefix && *prefix; prefix += strcspn(prefix, " ")) {
        size_t len;

        prefix += strspn(prefix, " ");
        len = strcspn(prefix, " ");
        if (len && strncmp(path, prefix, len) == 0 && path[len] == '/')
            return path + len;
    }
    return path;
}

void request_init(struct request *req, char **envp, bool plain_cgi,
                  const struct volume_table *volumes)
{
    const char *path, *method;

    *req = (struct request){.envp = envp, .volumes = volumes};
    path = request_param(req, "PATH_INFO");
    req->path = cut_prefix(path && *path == '/' ? path : "/");
    req->query = request_param(req, "QUERY_STRING");
    if (!req->query)
        req->query = "";
    method = request_param(req, "REQUEST_METHOD");
    req->head = method && strcmp(method, "HEAD") == 0;
    /* Every web server sets GATEWAY_INTERFACE (RFC 3875 §4.1.4). */
    req->from_shell = plain_cgi && !request_param(req, "GATEWAY_INTERFACE");
}

const char *request_param(const struct request *req, const char *name)
{
    size_t len = strlen(name);

    for (char **p = req->envp; *p; p++)
        if (strncmp(*p, name, len) == 0 && (*p)[len] == '=')
            return *p + len + 1;
    return NULL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

/* application/x-www-form-urlencoded (https://url.spec.whatwg.org/#urlencoded-parsing). */
static void decode(const char *text, size_t len, struct str *out)
{
    for (size_t i = 0; i < len; i++) {
        int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text[i + 2]) : -1;

        if (text[i] == '%' && low >= 0) {
            str_putc(out, (char)(high * 16 + low));
            i += 2;
        } else {
            str_putc(out, text[i] == '+' ? ' ' : text[i]);
        }
    }
}

bool request_query(const struct request *req, const char *key, struct str *value)
{
    for (const char *pair = req->query; *pair; pair += *pair == '&') {
        cleanup_str struct str name = STR_INIT;
        size_t len = strcspn(pair, "&");
        const char *equals = memchr(pair, '=', len);
        size_t name_len = equals ? (size_t)(equals - pair) : len;

        decode(pair, name_len, &name);
        if (strcmp(str_get(&name), key) == 0) {
            if (equals)
                decode(equals + 1, len - name_len - 1, value);
            return true;
        }
        pair += len;
    }
    return false;
}

int request_volume(const struct request *req, const struct volume **volume, const char **rest,
                   struct err *err)
{
    static const char root[] = "/volumes/";
    const char *name;
    size_t len;

    if (!str_starts(req->path, root))
        return err_set(err, ERR_NOT_FOUND, "there is nothing at this path");
    name = req->path + sizeof(root) - 1;
    len = strcspn(name, "/");
    *volume = volume_find(req->volumes, name, len);
    if (!*volume)
        return err_set(err, ERR_NOT_FOUND, "this export has no volume '%.*s'",
                       (int)(len < 253 ? len : 253), name);
    *rest = name + len;
    return 0;
}

bool request_accepts(const struct request *req, const char *media_type)
{
    const char *accept = request_param(req, "HTTP_ACCEPT");
    size_t want = strlen(media_type);

    while (accept && *accept) {
        accept += strspn(accept, ", \t");
        if (strcspn(accept, ",; \t") == want && strncasecmp(accept, media_type, want) == 0)
            return true;
        accept += strcspn(accept, ",");
    }
    return false;
}
