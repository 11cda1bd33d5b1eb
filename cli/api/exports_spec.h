/* SPDX-License-Identifier: Apache-2.0 */
/* What exports.h sends: objects and their parts, without I/O. Private to cli/api. */
#pragma once

#include "api/exports.h"

enum { EXPORTS_TOKEN_LENGTH = 20 }; /* characters of 62: 119 bits */

/* The export as `virtctl vmexport create` makes it; the caller frees. NULL with ERR_INPUT, with the
 * flag that cannot be meant. */
struct json *exports_object(const struct options *options, const struct option_source *source,
                            const struct kube_resource *resource, const char *ns, const char *name,
                            struct err *err);
/* The Secret of its token; `object` is the export as the server answered. The caller frees. */
struct json *exports_secret(const struct json *object, const char *name, const char *token);

/* Appends seconds as Go prints a time.Duration: "1h30m0s". */
void exports_duration(uint64_t seconds, struct str *out);
/* Appends EXPORTS_TOKEN_LENGTH letters and digits, each as likely as any other. */
void exports_random_token(struct str *out);

/* Whether a Secret of the name that we need is what an earlier export of the name has left, and will
 * be collected with it. */
bool exports_is_left_over(const struct json *secret, const struct json *object);
bool exports_has_token(const struct json *secret);
