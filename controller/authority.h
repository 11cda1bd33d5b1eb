/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller's CA: kept in one Secret, renewed with overlap, and the certificates of export
 * pods that it signs. No I/O: what is to be written is returned as data, the time is an argument.
 *
 * The Secret's data, each PEM:
 *   tls.crt, tls.key    the signer: what signs now
 *   next.crt, next.key  its successor while that is only being made known (else not there)
 *   previous.crt        earlier CAs, newest first, that certificates in use may still be signed by
 */
#pragma once

#include "base/json.h"
#include "pki.h"

struct authority_settings {
    const char *group;     /* the CA is named GROUP@SECONDS, after the time it was made */
    int64_t ca_duration;   /* all in seconds */
    int64_t leaf_duration; /* of an export pod's certificate */
    int64_t publish;       /* how long a new CA is in the bundle before it signs */
};

/* ERR_INPUT when the durations leave no room for an overlap: says which must be how long. */
int authority_settings_check(const struct authority_settings *settings, struct err *err);

/* ---- the Secret ---- */

struct authority_plan {
    struct json *wanted; /* {"type", "data"} to write as they are; NULL: all is as it should be */
    const char *what;    /* what writing it does, for an event; NULL without `wanted` */
    time_t next;         /* when to ask again at the latest, once `wanted` is written */
};

/*
 * What is to be done about the Secret now. `secret` is NULL when there is none. `since` is when
 * this controller began to give out the bundle: a successor that was made before counts as known
 * only from then on. Whoever writes `wanted` does it under the Secret's resourceVersion, and asks
 * again with the new Secret. ERR_INPUT when the Secret cannot be used; the message has the remedy.
 */
int authority_step(const struct json *secret, const struct authority_settings *settings,
                   time_t since, time_t now, struct authority_plan *plan, struct err *err);
void authority_plan_free(struct authority_plan *plan);

struct authority {
    struct pki_pair *signer;
    struct pki_bundle trusted; /* the signer, then all others of the Secret, newest first */
    char *bundle;              /* the same as one text without a newline at its end */
};

/* `authority` is the caller's to free, also after a failure. Errors as those of authority_step. */
int authority_load(const struct json *secret, struct authority *authority, struct err *err);
void authority_free(struct authority *authority);

/* ---- certificates of export pods and of the export proxy ---- */

/* The time at which a certificate of this life is to be replaced: after two thirds of it. */
time_t authority_renewal(time_t not_before, time_t not_after);

/*
 * Whether such a Secret must be given a new certificate now: why, as in "its
 * certificate WHY", or NULL while it is good; then `*next` is when it is to be replaced. The names
 * must be the very ones in their order. It reads a key and verifies a signature, half a
 * millisecond: to be asked once for each state of the two Secrets, and at `*next`.
 */
const char *authority_leaf_stale(const struct authority *authority, const struct json *secret,
                                 const char *const *names, size_t count, time_t now, time_t *next);

/* The `data` of a new one: {"tls.crt", "tls.key"}; NULL with an error. */
struct json *authority_issue(const struct authority *authority, const char *const *names,
                             size_t count, const struct authority_settings *settings, time_t now,
                             struct err *err);
