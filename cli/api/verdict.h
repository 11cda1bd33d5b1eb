/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an export's state means for who waits for it, and why it is so. The reasons are those of
 * docs/api.md, which are KubeVirt's and some more. No I/O; texts belong to the object.
 */
#pragma once

#include "api/links.h"

#include <stdbool.h>
#include <time.h>

enum verdict {
    VERDICT_WAIT,
    VERDICT_READY,
    VERDICT_NO_EXTERNAL,    /* Ready, but there is no link from outside; it may come in a moment */
    VERDICT_NEVER_EXTERNAL, /* the same, for so long that none will come by itself */
    VERDICT_MISSING,        /* the source is not there; it may come */
    VERDICT_SKIPPED,        /* there is nothing to export */
    VERDICT_TERMINATED,
    VERDICT_DELETED, /* it is being deleted */
};

/* `now` tells how long it has been Ready. */
enum verdict verdict_of(const struct json *object, enum links_side side, bool need_service,
                        time_t now);

enum { VERDICT_REASONS_MAX = 4 };

struct verdict_reason {
    const char *reason, *message; /* never NULL; may be "" */
};

/* Why it is not Ready, each once; how many. 0 for one that is Ready, or has no status. */
size_t verdict_reasons(const struct json *object, struct verdict_reason out[VERDICT_REASONS_MAX]);
/* What the user of the client can do about it, to go behind "; "; NULL: see the message. */
const char *verdict_remedy(const struct json *object, const char *reason);
/* The message of a volume that cannot be read in whole; NULL when all can. */
const char *verdict_unreadable(const struct json *object);

/* Appends "REASON: MESSAGE", as far as there are. */
void verdict_print(const struct verdict_reason *reason, struct str *out);
/* Appends all reasons with their remedies; nothing when there are none. */
void verdict_explain(const struct json *object, struct str *out);
