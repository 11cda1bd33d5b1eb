/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a command line that is being written can go on with. Answered by the hidden command
 * `__complete WORD...`, whose last word is the one that is being written, perhaps "". The answer is
 * that of kubectl's plugins (https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/, "shell
 * completion"): a candidate on each line, with a tab and what it is, and then ":4", or ":0" where files
 * and ":16" where folders go.
 */
#pragma once

#include "base/str.h"

/* Appends the answer. argv[0] does not count; the words may be changed. */
void complete(int argc, char **argv, struct str *out);
