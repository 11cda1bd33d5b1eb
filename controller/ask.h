/* SPDX-License-Identifier: Apache-2.0 */
/* What a plan needs and no watch tells: the answer is put into the export's memo. */
#pragma once

#include "apply.h"

/* Negative when there is no answer now. */
int ask(struct apply *apply, struct world *world, const struct plan *plan, struct err *err);

/* The token's Secret was just made by us: it need not be asked for. */
void ask_token_made(struct world *world, const struct json *secret);
/* The certificate's Secret as it has just been written by us, or as it is found in the cache when
 * nothing is known of it yet. */
void ask_certificate_made(struct world *world, const struct json *secret);
void ask_certificate_seen(struct world *world);
