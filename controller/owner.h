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

/*
 * Puts the owner, if one is set, into an object that is to be made. It is read each time: an object
 * whose owner has gone is collected at once. One that is not there is left out, with a line in the log.
 * Negative when it cannot be read: the object is to be made later.
 */
int owner_put(struct kube_conn *conn, const struct settings *settings, struct json *object,
              struct err *err);
