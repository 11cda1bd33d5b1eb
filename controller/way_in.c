/* SPDX-License-Identifier: Apache-2.0 */
#include "way_in.h"
#include "base/base64.h"
#include "base/log.h"
#include "external.h"
#include "proxy_files.h"

#include <stdlib.h>
#include <string.h>

#define REMEDY ": put a certificate there, or clients get none with the links"

static struct json *own_ingresses(const struct cache *cache)
{
    cleanup_json struct json *all = kube_store_all(cache->stores[KIND_INGRESS]);
    struct json *own = json_new_array();

    for (const struct json *i = json_first(all); i; i = json_next(i)) {
        const char *ns = json_text(i, "metadata.namespace");

        if (ns && strcmp(ns, cache->settings->namespace_) == 0)
            json_append(own, json_copy(i));
    }
    return own;
}

/* The certificates in a Secret of the controller's namespace. */
static int secret_pem(const struct cache *cache, const char *name, struct str *out, struct err *err)
{
    const char *ns = cache->settings->namespace_;
    cleanup_json struct json *secret = kube_store_get(cache->stores[KIND_OWN_SECRET], ns, name);
    const char *text = json_string(json_get(json_get(secret, "data"), "tls.crt"));

    if (!secret)
        return err_set(err, ERR_NOT_FOUND,
                       "Secret %s/%s, which its Ingress names, does not exist" REMEDY, ns, name);
    if (!text || !*text)
        return err_set(err, ERR_INPUT, "Secret %s/%s has no 'tls.crt'" REMEDY, ns, name);
    if (base64_decode(text, out) < 0)
        return err_set(err, ERR_INPUT, "'tls.crt' of Secret %s/%s is no base64" REMEDY, ns, name);
    return 0;
}

/* The cluster's CAs, which vouch for a Route of the cluster's own domain. */
static void cluster_pem(struct kube_conn *conn, const struct cache *cache, struct str *out)
{
    static const struct kube_resource configmaps = {"", "v1", "configmaps", "ConfigMap", true};
    cleanup_json struct json *map = NULL;
    struct err err;

    if (kube_get(conn, &configmaps, cache->settings->namespace_, "kube-root-ca.crt", &map, &err) <
        0)
        log_warning("links to a Route are without the cluster's CA: %s", err.msg);
    else if (json_string(json_get(json_get(map, "data"), "ca.crt")))
        str_puts(out, json_string(json_get(json_get(map, "data"), "ca.crt")));
}

/* What of these certificates a client should trust. */
static int choose(const struct cache *cache, const struct external *external, const char *pem,
                  time_t now, struct str *cert, time_t *change, struct err *err)
{
    const char *ns = cache->settings->namespace_, *secret = external->cert_secret;

    if (external_certificate(pem, external->host, now, cert, change, err) < 0)
        return secret ? err_wrap(err, "Secret %s/%s cannot be used" REMEDY, ns, secret) : -1;
    if (secret && !cert->len)
        return err_set(err, ERR_INPUT, "Secret %s/%s has no certificate that is valid now" REMEDY,
                       ns, secret);
    return 0;
}

static int find_certificate(struct kube_conn *conn, struct cache *cache,
                            const struct surroundings *around, const struct external *external,
                            time_t now, struct str *cert, time_t *change, struct err *err)
{
    cleanup_str struct str pem = STR_INIT;

    if (external->direct && (external->route || cache->settings->trust == TRUST_PROXY))
        proxy_files_trust(cache, around->ca_bundle, &pem);
    else if (external->pem)
        str_puts(&pem, external->pem);
    else if (external->cert_secret && secret_pem(cache, external->cert_secret, &pem, err) < 0)
        return -1;
    else if (external->route)
        cluster_pem(conn, cache, &pem);
    return choose(cache, external, str_get(&pem), now, cert, change, err);
}

void way_in_find(struct kube_conn *conn, struct cache *cache, struct surroundings *around,
                 time_t now, time_t *next, struct str *trouble)
{
    const struct settings *settings = cache->settings;
    cleanup_json struct json *ingresses = own_ingresses(cache);
    cleanup_json struct json *routes = kube_store_all(cache->stores[KIND_ROUTE]);
    cleanup_str struct str cert = STR_INIT;
    struct external external;
    time_t change = 0;
    struct err err;

    if (settings->external == EXTERNAL_NONE)
        return;
    external_find(ingresses, routes, settings->proxy_service, settings->external_host, &external);
    if (external.host) {
        if (find_certificate(conn, cache, around, &external, now, &cert, &change, &err) < 0)
            str_printf(trouble, "the certificate of the way in at %s: %s", external.host, err.msg);
        if (change && change < *next)
            *next = change;
        around->external_host = strdup(external.host);
        around->external_cert = strdup(str_get(&cert));
    }
    external_free(&external);
}
