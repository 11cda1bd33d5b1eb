/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How users outside of the cluster reach the export proxy: the host of an Ingress or an OpenShift
 * Route that leads to the proxy's Service, and the certificates that a client should trust there.
 * No I/O: the objects and the time are arguments.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

#include <stdbool.h>
#include <time.h>

struct external {
    char *host;        /* NULL: there is no way in from outside */
    char *cert_secret; /* the Secret of the Ingress' certificate; NULL: it names none */
    char *pem;         /* the certificates that the Route itself has; NULL: it has none */
    bool route;        /* the host is a Route's: without `pem` the cluster's CAs vouch for it */
    bool direct;       /* nothing that is known ends TLS before the proxy itself */
};

/*
 * Finds the host. `ingresses` and `routes` are arrays of objects (networking.k8s.io/v1 Ingress,
 * route.openshift.io/v1 Route; NULL: none) of the proxy's namespace, in any order. `fixed_host` (a
 * host name or address, perhaps with a port) is the one that was configured, NULL or "" for none:
 * it beats what the objects say, which then only tell its certificate. Ingresses come before
 * Routes, and of each kind the first by name that gives a host counts. `out` is the caller's to
 * free.
 */
void external_find(const struct json *ingresses, const struct json *routes,
                   const char *proxy_service, const char *fixed_host, struct external *out);
void external_free(struct external *external);

/* The name or address of "host", "host:port", "[address]" or "[address]:port"; the caller frees. */
char *external_name(const char *host);

/*
 * Appends what a client should trust at `host` (as above) of the PEM texts in `pem` (of a Secret: tls.crt,
 * and ca.crt when there is one), without a newline at the end: the valid certificate for the host
 * that expires last and the issuers that are there, up to the root; when none is for the host, all
 * that are valid; nothing when there is none of those either, which to clients means the public
 * CAs they know. `*next_change` is when the answer may be another, 0 for never. ERR_INPUT when the
 * text cannot be read, and nothing is appended.
 */
int external_certificate(const char *pem, const char *host, time_t now, struct str *out,
                         time_t *next_change, struct err *err);
