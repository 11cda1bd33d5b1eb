/* SPDX-License-Identifier: Apache-2.0 */
/* Whether this controller is wanted: KubeVirt's feature gate, and who serves the API group. */
#pragma once

#include "base/json.h"

#include <stdbool.h>

/*
 * Why exports are not enabled, for people; NULL: they are. `kubevirts` are the KubeVirt objects of
 * the cluster. KubeVirt before 1.9 has the gate VMExport; later ones and clusters without KubeVirt
 * have none.
 */
char *gate_closed(const struct json *kubevirts);

/* Whether the CRD of our own kind was put there by KubeVirt, whose controller then serves the group.
 * Says in `message` what to do. */
bool gate_taken(const struct json *crd, const char *group, struct str *message);
