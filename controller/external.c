/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host with a wildcard in it is nobody's address: such rules never give a link. The order of
 * names decides between several objects, so that a link does not depend on what the cache returned
 * first.
 */
#include "external.h"
#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- hosts ---- */

static bool is_host(const char *host)
{
    return host && *host && !strchr(host, '*');
}

/* Whether `pattern` is the host, or its wildcard: one label more, in lower or upper case. */
static bool host_matches(const char *pattern, const char *host)
{
    const char *dot = strchr(host, '.');

    if (strcasecmp(pattern, host) == 0)
        return true;
    return dot && dot > host && pattern[0] == '*' && strcasecmp(pattern + 1, dot) == 0;
}

char *external_name(const char *host)
{
    const char *colon = strchr(host, ':');
    char *name;

    if (*host == '[')
        name = strndup(host + 1, strcspn(host + 1, "]"));
    else if (colon && !strchr(colon + 1, ':'))
        name = strndup(host, (size_t)(colon - host));
    else
        name = strdup(host);
    if (!name)
        abort();
    return name;
}

/* ---- Ingress ---- */

static bool leads_to(const struct json *backend, const char *service)
{
    const char *name = json_text(backend, "service.name");

    return name && strcmp(name, service) == 0;
}

static bool rule_leads_to(const struct json *rule, const char *service)
{
    const struct json *path = json_first(json_at(rule, "http.paths"));

    for (; path; path = json_next(path))
        if (leads_to(json_get(path, "backend"), service))
            return true;
    return false;
}

/* The host of the first rule to the service or, with `any` backend, of the first that has one. */
static const char *rule_host(const struct json *ingress, const char *service, bool any)
{
    const struct json *rule = json_first(json_at(ingress, "spec.rules"));

    for (; rule; rule = json_next(rule)) {
        const char *host = json_text(rule, "host");

        if (is_host(host) && (any || rule_leads_to(rule, service)))
            return host;
    }
    return NULL;
}

static bool ingress_leads_to(const struct json *ingress, const char *service)
{
    const struct json *rule = json_first(json_at(ingress, "spec.rules"));

    if (leads_to(json_at(ingress, "spec.defaultBackend"), service))
        return true;
    for (; rule; rule = json_next(rule))
        if (rule_leads_to(rule, service))
            return true;
    return false;
}

static const char *ingress_host(const struct json *ingress, const char *service)
{
    const char *host = rule_host(ingress, service, false);

    if (!host && leads_to(json_at(ingress, "spec.defaultBackend"), service))
        host = rule_host(ingress, service, true);
    return host;
}

/* The Secret of the TLS entry for the host; else, unless it must be `exact`, the first of all. */
static const char *tls_secret(const struct json *ingress, const char *host, bool exact)
{
    const struct json *tls = json_first(json_at(ingress, "spec.tls"));
    const char *first = NULL;

    for (; tls; tls = json_next(tls)) {
        const char *secret = json_text(tls, "secretName");
        const struct json *name = json_first(json_get(tls, "hosts"));

        if (!secret || !*secret)
            continue;
        first = first ? first : secret;
        for (; name; name = json_next(name))
            if (json_string(name) && host_matches(json_string(name), host))
                return secret;
    }
    return exact ? NULL : first;
}

/* ---- Route ---- */

/* An entry of status.ingress that a router has not refused: without the condition, it is taken. */
static bool admitted(const struct json *entry)
{
    const struct json *condition = json_first(json_get(entry, "conditions"));

    for (; condition; condition = json_next(condition)) {
        const char *type = json_text(condition, "type"), *status = json_text(condition, "status");

        if (type && strcmp(type, "Admitted") == 0)
            return status && strcmp(status, "True") == 0;
    }
    return true;
}

static bool route_leads_to(const struct json *route, const char *service)
{
    const char *kind = json_text(route, "spec.to.kind"), *name = json_text(route, "spec.to.name");

    return (!kind || strcmp(kind, "Service") == 0) && name && strcmp(name, service) == 0;
}

static const char *route_host(const struct json *route, const char *service)
{
    const struct json *entry;

    if (!route_leads_to(route, service))
        return NULL;
    for (entry = json_first(json_at(route, "status.ingress")); entry; entry = json_next(entry))
        if (is_host(json_text(entry, "host")) && admitted(entry))
            return json_text(entry, "host");
    return NULL;
}

/* The certificates in the Route, which its router presents instead of its own; NULL: none. */
static char *route_pem(const struct json *route)
{
    const char *cert = json_text(route, "spec.tls.certificate");
    const char *ca = json_text(route, "spec.tls.caCertificate");
    struct str pem = STR_INIT;

    if (!cert || !*cert)
        return NULL;
    str_printf(&pem, "%s\n%s", cert, ca ? ca : "");
    return str_steal(&pem);
}

/* ---- finding ---- */

static const char *name_of(const struct json *object)
{
    const char *name = json_text(object, "metadata.name");

    return name ? name : "";
}

static int by_name(const void *a, const void *b)
{
    return strcmp(name_of(*(const struct json *const *)a), name_of(*(const struct json *const *)b));
}

/* The objects in the order of their names, NULL at the end; the caller frees. */
static const struct json **sorted(const struct json *objects)
{
    size_t count = 0;
    const struct json **list = calloc(json_count(objects) + 1, sizeof(const struct json *));

    if (!list)
        abort();
    for (const struct json *object = json_first(objects); object; object = json_next(object))
        list[count++] = object;
    qsort(list, count, sizeof(const struct json *), by_name);
    return list;
}

static char *copy(const char *text)
{
    char *text_copy = text ? strdup(text) : NULL;

    if (text && !text_copy)
        abort();
    return text_copy;
}

static void take_ingress(const char *host, const char *secret, struct external *out)
{
    out->host = copy(host);
    out->cert_secret = copy(secret);
}

static void take_route(const struct json *route, const char *host, struct external *out)
{
    const char *termination = json_text(route, "spec.tls.termination");

    out->host = copy(host);
    out->direct = termination && strcmp(termination, "passthrough") == 0;
    out->pem = route_pem(route);
    out->route = true;
}

static void find(const struct json **ingresses, const struct json **routes, const char *service,
                 struct external *out)
{
    const char *host;

    for (; !out->host && *ingresses; ingresses++)
        if ((host = ingress_host(*ingresses, service)))
            take_ingress(host, tls_secret(*ingresses, host, false), out);
    for (; !out->host && *routes; routes++)
        if ((host = route_host(*routes, service)))
            take_route(*routes, host, out);
}

/* The host is known; an object that speaks of it says which certificate it has. */
static void find_fixed(const struct json **ingresses, const struct json **routes,
                       const char *service, const char *fixed, struct external *out)
{
    cleanup_free char *name = external_name(fixed);
    const char *found;

    for (; !out->host && *ingresses; ingresses++)
        if (ingress_leads_to(*ingresses, service) && (found = tls_secret(*ingresses, name, true)))
            take_ingress(fixed, found, out);
    for (; !out->host && *routes; routes++)
        if ((found = route_host(*routes, service)) && strcasecmp(found, name) == 0)
            take_route(*routes, fixed, out);
    if (!out->host) {
        out->host = copy(fixed);
        out->direct = true;
    }
}

void external_find(const struct json *ingresses, const struct json *routes,
                   const char *proxy_service, const char *fixed_host, struct external *out)
{
    cleanup_free const struct json **by_ingress = sorted(ingresses);
    cleanup_free const struct json **by_route = sorted(routes);

    *out = (struct external){0};
    if (fixed_host && *fixed_host)
        find_fixed(by_ingress, by_route, proxy_service, fixed_host, out);
    else
        find(by_ingress, by_route, proxy_service, out);
}

void external_free(struct external *external)
{
    free(external->host);
    free(external->cert_secret);
    free(external->pem);
    *external = (struct external){0};
}
