/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The path by which an export is reached from outside, as the proxy and an Ingress have it:
 *
 *     /api/GROUP/VERSION/namespaces/NAMESPACE/virtualmachineexports/NAME/REST
 *
 * Pure: text in, text out. What leads to a host (NAMESPACE, NAME) is checked letter by letter; REST
 * is passed on as the client wrote it.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "export/names.h"

#include <stdbool.h>

struct export_path {
    const char *group;                 /* the caller's */
    char version[16];                  /* as the client wrote it: v1, v1beta1 or v1alpha1 */
    char ns[NAME_LABEL_MAX + 1];       /* a DNS label */
    char name[NAME_SUBDOMAIN_MAX + 1]; /* a DNS subdomain */
    const char *rest; /* in the URI that was parsed: "/..." and the query, visible ASCII only */
};

/* Whether it is DNS labels of lower-case letters with dots between. */
bool export_path_is_domain(const char *text);

/*
 * Takes a request target (RFC 9112 §3.2.1: path and query, encoded) apart. `path` points into both
 * strings. ERR_INPUT when it is no such path; the message has nothing of the query in it.
 */
int export_path_parse(const char *uri, const char *group, struct export_path *path,
                      struct err *err);

/* Appends the target for the export's pod, which knows the path by version v1 only. */
void export_path_inside(const struct export_path *path, struct str *out);

/*
 * Appends what a Location (RFC 9110 §10.2.2) of the pod is for the client. `hosts`, which ends with
 * NULL, are the names by which the pod may call itself: URLs of others, and relative ones, stay as they are.
 */
void export_path_location(const struct export_path *path, const char *location,
                          const char *const *hosts, struct str *out);
