/* SPDX-License-Identifier: Apache-2.0 */
/* One server of canned answers, one client with one connection to it. */
#pragma once

#include "canned.h"
#include "kube/client.h"

static const struct kube_resource pods = {"", "v1", "pods", "Pod", true};

#define POD "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"uid\":\"u\"}}"
#define STATUS(reason) "{\"kind\":\"Status\",\"reason\":\"" reason "\",\"message\":\"so it is\"}"

struct fixture {
    struct canned_server server;
    struct kube_client *client;
    struct kube_conn *conn;
    struct err err;
    struct str observed; /* "GET 200, ..." */
};

static inline void observe(void *ctx, const char *verb, int code, double seconds)
{
    struct fixture *f = ctx;

    assert_true(seconds >= 0);
    str_printf(&f->observed, "%s%s %d", f->observed.len ? ", " : "", verb, code);
}

static inline struct kube_config *config_for(int port)
{
    struct kube_config *config = calloc(1, sizeof(*config));

    assert_non_null(config);
    assert_true(asprintf(&config->server, "http://127.0.0.1:%d", port) > 0);
    return config;
}

static inline void start_with(struct fixture *f, const struct canned *table, size_t count,
                              const char *token_file)
{
    struct kube_config *config;

    *f = (struct fixture){0};
    canned_start(&f->server, table, count);
    config = config_for(f->server.port);
    if (token_file)
        config->token_file = strdup(token_file);
    else
        config->token = strdup("secret");
    f->client = kube_client_new(config, "tester/1.0");
    kube_client_observe(f->client, observe, f);
    f->conn = kube_conn_new(f->client);
}

#define START(f, table) start_with(f, table, COUNT(table), NULL)

static inline void stop(struct fixture *f)
{
    kube_conn_free(f->conn);
    kube_client_free(f->client);
    canned_stop(&f->server);
    str_free(&f->observed);
}

static inline bool asked(struct fixture *f, size_t n, const char *text)
{
    const char *request = canned_request(&f->server, n);

    if (strstr(request, text))
        return true;
    print_message("'%s' is not in:\n%s\n", text, request);
    return false;
}

static inline int get(struct fixture *f)
{
    return kube_get(f->conn, &pods, "ns", "p", NULL, &f->err);
}
