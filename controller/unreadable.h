/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an export pod's user cannot read: from the pod's answer (fcgi/readable.h) to the condition
 * Readable, which names the remedy. There is no such condition as long as every pod could read all.
 * No I/O.
 */
#pragma once

#include "plan.h"

#define UNREADABLE_CONDITION "Readable"

/*
 * Takes a pod's answer apart. `*inspecting`: it is not done yet; else `*found`, which the caller
 * frees: {"uid","gid","volumes":[{"name","unreadable","more","block"}]}, those volumes only of which
 * something cannot be read; NULL: there are none. ERR_INPUT when it is no such answer.
 */
int unreadable_parse(const char *text, size_t len, bool *inspecting, struct json **found,
                     struct err *err);

/* The condition by what is known of the pod that is there; as it was while nothing is. Type NULL:
 * none. */
struct condition unreadable_condition(struct world *world, const struct source *source);

/* The plan's event about it, and whether the pod is to be asked; once the plan has its status. */
void unreadable_plan(struct children *children);
