/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the cluster's objects, for completion. */
#pragma once

#include "base/str.h"
#include "command_line/options.h"

/*
 * Appends the names of what `kind` says, one on each line: "@exports", "@claims", "@machines",
 * "@snapshots", "@namespaces". Nothing when the cluster does not answer within two seconds or does
 * not tell: completion has nobody to tell either.
 */
void complete_names(const char *kind, const struct options *options, struct str *out);
