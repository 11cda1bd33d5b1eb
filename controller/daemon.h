/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller as a process: its threads and the order in which they begin and end.
 *
 *   watches (one thread each) -> stores -> routes -> queue -> workers -> API server
 *                                          \-> surroundings (CA, way in, gate) -/
 *   lease, events, health: a thread each
 *
 * All replicas watch; only the one that holds the lease works, so that the next one is warm.
 */
#pragma once

#include "settings.h"

/* Runs until SIGTERM or SIGINT, or until it must not go on; gives the exit code. Signals must not
 * have been blocked before. */
int daemon_run(const struct settings *settings);
