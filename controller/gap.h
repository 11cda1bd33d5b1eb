/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happened to pods while no controller led. A foreign pod may have come, written to a volume
 * and gone: nothing of it is left to be seen, and what was downloaded before must not be continued
 * with what comes after. So the leader notes in its lease up to which resourceVersion all pods are
 * accounted for, and the next one reads the history from there on. Where the API server no longer
 * has it (some minutes are kept), all volumes count as written to.
 */
#pragma once

#include "routes.h"

/* `note`: the resourceVersion in the lease, `now` that of the store of pods; NULL: none. Blocks for a
 * second or two, and longer where the server hangs. False when `conn` was cancelled before all was
 * known: then nothing is accounted for, and the note must stay. */
bool gap_close(struct kube_conn *conn, struct routes *routes, const char *note, const char *now);
