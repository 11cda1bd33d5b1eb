/* SPDX-License-Identifier: Apache-2.0 */
/* The status of an export: phase, conditions, links. */
#pragma once

#include "plan.h"

/* ": REASON: MESSAGE", as far as the pod says what its trouble is; "" when it does not. */
const char *status_pod_trouble(struct world *world, const struct json *pod);

/* The condition of that type in an array of them; NULL: none. */
const struct json *status_find(const struct json *conditions, const char *type);

/* The status after the plan's steps. */
const struct json *status_make(struct children *children);

/* `status` with this condition in place of its own of that type, Pending and without links. */
const struct json *status_pending(struct world *world, const struct json *status,
                                  const struct condition *condition);
