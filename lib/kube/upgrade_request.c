/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"
#include "kube/path.h"
#include "kube/secret.h"
#include "kube/upgrade_private.h"

#include <string.h>

static int put_line(struct str *out, const char *line, struct err *err)
{
    if (endpoint_check_line(line, err) < 0)
        return -KUBE_BAD_REQUEST;
    str_puts(out, line);
    str_puts(out, "\r\n");
    return 0;
}

/* The lines that every request has; those without a value are for libcurl. */
static int put_configured(const struct upgrade_request *request, struct str *out, struct err *err)
{
    for (const struct curl_slist *h = request->endpoint->headers; h; h = h->next)
        if (!str_ends(h->data, ":") && put_line(out, h->data, err) < 0)
            return -KUBE_BAD_REQUEST;
    return 0;
}

static int put_authorization(const struct upgrade_request *request, struct str *out,
                             struct err *err)
{
    const struct kube_config *config = request->endpoint->config;
    cleanup_secret struct str line = STR_INIT, pair = STR_INIT;

    str_puts(&line, "Authorization: ");
    if (request->credential->bearer) {
        str_puts(&line, "Bearer ");
        str_puts(&line, request->credential->bearer);
    } else if (config->username) {
        str_puts(&pair, config->username);
        str_putc(&pair, ':');
        str_puts(&pair, config->password ? config->password : "");
        str_puts(&line, "Basic ");
        base64_encode(str_get(&pair), pair.len, &line);
    } else {
        return 0;
    }
    return put_line(out, str_get(&line), err);
}

/* The server's URL may have a path of its own, which is before that of the API; its host is the Host
 * header unless that is configured (endpoint.c). */
static int put_place(const struct upgrade_request *request, struct str *out, struct err *err)
{
    const struct kube_upgrade_target *target = request->target;
    const struct endpoint *endpoint = request->endpoint;
    const char *scheme = strstr(str_get(&endpoint->base), "://");
    const char *host = scheme ? scheme + 3 : str_get(&endpoint->base);
    size_t len = strcspn(host, "/");
    cleanup_str struct str path = STR_INIT, line = STR_INIT;

    path_collection(&path, target->resource, target->ns);
    path_segment(&path, target->name);
    path_segment(&path, target->subresource);
    path_query_number(&path, target->key, target->value);
    str_printf(&line, "GET %s%s HTTP/1.1", host + len, str_get(&path));
    if (put_line(out, str_get(&line), err) < 0)
        return -KUBE_BAD_REQUEST;
    str_clear(&line);
    str_printf(&line, "Host: %.*s", (int)len, host);
    return endpoint->config->tls_server_name ? 0 : put_line(out, str_get(&line), err);
}

int upgrade_put_request(const struct upgrade_request *request, struct str *out, struct err *err)
{
    int rc = put_place(request, out, err);

    if (rc == 0)
        rc = put_configured(request, out, err);
    if (rc == 0)
        rc = put_authorization(request, out, err);
    str_puts(out, "Accept: application/json, */*\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
    str_printf(out, "User-Agent: %s\r\n", request->agent);
    str_printf(out, "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n", request->key);
    str_printf(out, "Sec-WebSocket-Protocol: %s\r\n\r\n", request->target->protocol);
    return rc;
}
