/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths of the API (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris) and
 * their queries. A text never goes in as it came: each segment and each value is percent-encoded
 * (RFC 3986). Private to lib/kube.
 */
#pragma once

#include "base/str.h"
#include "kube/client.h"

/* Clears `path` and puts in where the objects of the resource are; `ns` NULL: of all namespaces. */
void path_collection(struct str *path, const struct kube_resource *resource, const char *ns);
void path_segment(struct str *path, const char *segment);
/* False for "", and for "." and "..", which are no names of the API's and would lead elsewhere. */
bool path_is_segment(const char *text);

/* After the last segment. Nothing for a value that is NULL or "". */
void path_query(struct str *path, const char *key, const char *value);
void path_query_number(struct str *path, const char *key, unsigned number);
