/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is written into a Lease (coordination.k8s.io/v1) by whom, for lease.c. Fields that it does
 * not know (strategy, preferredHolder, labels) stay as they are.
 */
#pragma once

#include "base/json.h"

#include <time.h>

struct json *lease_record_new(const char *ns, const char *name);

/* Who holds it; NULL: nobody. */
const char *lease_record_holder(const struct json *lease);
/* For how long an unchanged record is valid; `otherwise` when it does not say. */
unsigned lease_record_seconds(const struct json *lease, unsigned otherwise);
/* A text that is another one once anything in the record is; the caller frees. */
char *lease_record_text(const struct json *lease);

/* Renews it for its holder, or takes it over: then there is one more transition, but for a new
 * Lease's first. */
void lease_record_claim(struct json *lease, const char *identity, unsigned seconds,
                        struct timespec now);
/* Gives it back: the next one need not wait. */
void lease_record_release(struct json *lease, struct timespec now);

/* The annotation `key`; NULL when there is none (or no key). */
const char *lease_record_note(const struct json *lease, const char *key);
void lease_record_put_note(struct json *lease, const char *key, const char *note);
