/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a connection stays from request to request: where the server is, how its identity is
 * checked, and who we are to it. Private to lib/kube/http.c and upgrade.c.
 */
#pragma once

#include "base/str.h"
#include "kube/auth.h"

#include <curl/curl.h>

struct endpoint {
    const struct kube_config *config;
    struct str base;            /* what a request's path is put after */
    struct curl_slist *connect; /* where to connect instead of to the URL's host; NULL: there */
    struct curl_slist *headers; /* that each request has; not checked for line breaks */
    char *ca;                   /* PEM, as last used; NULL: the system's */
    bool has_credential;
    unsigned generation; /* of the credential that the handle has */
};

/* Sets what `config` says on the handle. `config` must outlive it, it must outlive the handle. */
void endpoint_init(struct endpoint *endpoint, const struct kube_config *config, CURL *easy);
void endpoint_free(struct endpoint *endpoint);

/*
 * Sets certificate, key and password; the bearer token is the request's. After a change the next
 * request makes a connection of its own: the old one's TLS session has the old certificate.
 */
void endpoint_use_credential(struct endpoint *endpoint, const struct kube_credential *credential,
                             CURL *easy);

/* Whether it failed for the server's certificate, maybe: then its CA may have changed. */
bool endpoint_is_tls_failure(CURLcode result);
/* Reads the CA's file again. Whether the handle has another CA now, so that trying again may help. */
bool endpoint_reload_ca(struct endpoint *endpoint, CURL *easy);

/* ERR_INPUT for a header line with a line break in its value, which would be a header of its own. */
int endpoint_check_line(const char *line, struct err *err);
/* Appends a header line, or whatever else is such a list. Out of memory ends the program. */
void endpoint_add_line(struct curl_slist **list, const char *line);
