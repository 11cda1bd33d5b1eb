/* SPDX-License-Identifier: Apache-2.0 */
/*
 * With what the controller's own objects go: its CA, the proxy's certificate and ConfigMap, the
 * Lease. Nobody else knows of them, so without an owner they would stay when the controller is
 * uninstalled. The owner is a ConfigMap of its namespace (the setting `owner`), that of its settings
 * in the chart; garbage collection does the rest
 * (https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/).
 */
#pragma once

#include "kube/client.h"
#include "settings.h"

/* The array for metadata.ownerReferences, which the caller frees; NULL when no owner is set, or when
 * it cannot be read, which is logged. */
struct json *owner_references(struct kube_conn *conn, const struct settings *settings);

/* Puts a copy of the array, unless it is NULL, into an object that is to be made. */
void owner_put(struct json *object, const struct json *references);
