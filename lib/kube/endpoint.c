/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl checks the server's certificate against the host of the URL. A kubeconfig's
 * tls-server-name therefore becomes the URL's host, CURLOPT_CONNECT_TO has the real one, and the
 * Host header names it.
 */
#include "endpoint.h"
#include "base/cleanup.h"
#include "base/io.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { CA_MAX = 1 << 20 };

/*
 * Seconds. A peer that vanished is noticed after 15 + 30 by the kernel, without waking us while it
 * lives: probes on an idle connection, the user timeout on one with unanswered bytes (RFC 5482).
 */
enum { CONNECT_TIMEOUT = 10, KEEPALIVE_IDLE = 15, KEEPALIVE_INTERVAL = 5, UNANSWERED_MAX = 30 };

void endpoint_add_line(struct curl_slist **headers, const char *line)
{
    struct curl_slist *grown = curl_slist_append(*headers, line);

    if (!grown)
        abort();
    *headers = grown;
}

int endpoint_check_line(const char *line, struct err *err)
{
    if (!line[strcspn(line, "\r\n")])
        return 0;
    return err_set(err, ERR_INPUT, "a line break in the header %.*s, whose value is configured",
                   (int)strcspn(line, ":"), line);
}

static void add_header(struct curl_slist **headers, const char *name, const char *value)
{
    cleanup_str struct str line = STR_INIT;

    str_printf(&line, "%s: %s", name, value);
    endpoint_add_line(headers, str_get(&line));
}

static int set_user_timeout(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
    unsigned ms = UNANSWERED_MAX * 1000;

    (void)ctx;
    (void)purpose;
    /* An optimisation: on a kernel without it, the request's own deadline decides. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
    return CURL_SOCKOPT_OK;
}

/* As Go's proxy rules have it, which kubectl follows: no proxy of the environment for this host. */
static bool is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || str_starts(host, "127.") || strcmp(host, "[::1]") == 0;
}

/* The URL's host becomes `name`; the connection goes to where it went. */
static void set_server_name(struct endpoint *endpoint, CURLU *url, const char *host,
                            const char *name)
{
    cleanup_str struct str to = STR_INIT, real = STR_INIT;
    char *port = NULL, *changed = NULL;

    if (curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
        curl_url_set(url, CURLUPART_HOST, name, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_URL, &changed, CURLU_NO_DEFAULT_PORT) == CURLUE_OK) {
        str_printf(&to, "::%s:%s", host, port);
        str_printf(&real, "%s:%s", host, port);
        endpoint_add_line(&endpoint->connect, str_get(&to));
        add_header(&endpoint->headers, "Host", str_get(&real));
        str_clear(&endpoint->base);
        str_puts(&endpoint->base, changed);
    }
    curl_free(port);
    curl_free(changed);
}

static void set_server(struct endpoint *endpoint, CURL *easy)
{
    const struct kube_config *config = endpoint->config;
    CURLU *url = curl_url();
    char *host = NULL;

    if (!url)
        abort();
    str_puts(&endpoint->base, config->server);
    /* A URL that makes no sense is refused by the first request, with libcurl's words. */
    if (curl_url_set(url, CURLUPART_URL, config->server, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        if (config->tls_server_name)
            set_server_name(endpoint, url, host, config->tls_server_name);
        if (is_loopback(host))
            curl_easy_setopt(easy, CURLOPT_PROXY, "");
    }
    while (endpoint->base.len && endpoint->base.data[endpoint->base.len - 1] == '/')
        endpoint->base.data[--endpoint->base.len] = '\0';
    if (config->proxy_url)
        curl_easy_setopt(easy, CURLOPT_PROXY, config->proxy_url);
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, endpoint->connect);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR,
                     str_starts(config->server, "http://") ? "http" : "https");
    curl_free(host);
    curl_url_cleanup(url);
}

static void set_ca(struct endpoint *endpoint, CURL *easy)
{
    struct curl_blob blob = {.data = endpoint->ca, .flags = CURL_BLOB_NOCOPY};

    if (!endpoint->ca)
        return;
    blob.len = strlen(endpoint->ca);
    curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* the system's CAs are not asked */
}

bool endpoint_is_tls_failure(CURLcode result)
{
    return result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CONNECT_ERROR ||
           result == CURLE_SSL_CACERT_BADFILE;
}

bool endpoint_reload_ca(struct endpoint *endpoint, CURL *easy)
{
    cleanup_str struct str text = STR_INIT;
    struct err ignored; /* the caller has a better one: what TLS says */

    if (!endpoint->config->ca_file || endpoint->config->insecure)
        return false;
    if (io_read_file(endpoint->config->ca_file, CA_MAX, &text, &ignored) < 0 || !text.len)
        return false;
    if (endpoint->ca && strcmp(endpoint->ca, text.data) == 0)
        return false;
    free(endpoint->ca);
    endpoint->ca = str_steal(&text);
    set_ca(endpoint, easy);
    return true;
}

static void set_tls(struct endpoint *endpoint, CURL *easy)
{
    const struct kube_config *config = endpoint->config;

    if (config->ca) {
        endpoint->ca = strdup(config->ca);
        if (!endpoint->ca)
            abort();
    }
    set_ca(endpoint, easy);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, config->insecure ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, config->insecure ? 0L : 2L);
}

/* https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation */
static void set_impersonation(struct endpoint *endpoint)
{
    const struct kube_config *config = endpoint->config;

    if (config->impersonate_user)
        add_header(&endpoint->headers, "Impersonate-User", config->impersonate_user);
    if (config->impersonate_uid)
        add_header(&endpoint->headers, "Impersonate-Uid", config->impersonate_uid);
    for (char **group = config->impersonate_groups; group && *group; group++)
        add_header(&endpoint->headers, "Impersonate-Group", *group);
}

static void set_limits(CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_INTERVAL);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, set_user_timeout);
}

static void set_blob(CURL *easy, CURLoption option, char *text)
{
    struct curl_blob blob = {.data = text, .flags = CURL_BLOB_COPY};

    if (text)
        blob.len = strlen(text);
    curl_easy_setopt(easy, option, text ? &blob : NULL);
}

void endpoint_use_credential(struct endpoint *endpoint, const struct kube_credential *credential,
                             CURL *easy)
{
    const struct kube_config *config = endpoint->config;
    bool same = endpoint->has_credential && endpoint->generation == credential->generation;

    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, endpoint->has_credential && !same ? 1L : 0L);
    if (same)
        return;
    set_blob(easy, CURLOPT_SSLCERT_BLOB, credential->cert ? credential->cert : config->client_cert);
    set_blob(easy, CURLOPT_SSLKEY_BLOB, credential->key ? credential->key : config->client_key);
    curl_easy_setopt(easy, CURLOPT_SSLCERTTYPE, "PEM");
    curl_easy_setopt(easy, CURLOPT_SSLKEYTYPE, "PEM");
    if (config->username && !credential->bearer) {
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(easy, CURLOPT_USERNAME, config->username);
        curl_easy_setopt(easy, CURLOPT_PASSWORD, config->password ? config->password : "");
    }
    endpoint->generation = credential->generation;
    endpoint->has_credential = true;
}

void endpoint_init(struct endpoint *endpoint, const struct kube_config *config, CURL *easy)
{
    *endpoint = (struct endpoint){.config = config};
    set_impersonation(endpoint);
    endpoint_add_line(&endpoint->headers, "Expect:"); /* no 100-continue: it costs a round trip */
    set_server(endpoint, easy);
    set_tls(endpoint, easy);
    set_limits(easy);
}

void endpoint_free(struct endpoint *endpoint)
{
    str_free(&endpoint->base);
    curl_slist_free_all(endpoint->connect);
    curl_slist_free_all(endpoint->headers);
    free(endpoint->ca);
    *endpoint = (struct endpoint){0};
}
