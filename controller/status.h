/* SPDX-License-Identifier: Apache-2.0 */
/* The status of an export: phase, conditions, links. */
#pragma once

#include "plan.h"

/* The status after the plan's steps. */
const struct json *status_make(struct children *children);

/* `status` with this condition in place of its own of that type, Pending and without links. */
const struct json *status_pending(struct world *world, const struct json *status,
                                  const struct condition *condition);
