/* SPDX-License-Identifier: Apache-2.0 */
/* --help, from the tables of flags.h. All append to `out`. */
#pragma once

#include "base/str.h"
#include "command_line/flags.h"

/* What the program is called by its user: "vmexport", or "kubectl vmexport" when it was started as
 * kubectl's plugin. A literal. */
const char *help_program(const char *argv0);

/* How the program is used, and its commands. */
void help_overview(const char *program, struct str *out);
/* The flags and examples of a command; with COMMAND_NONE the overview. */
void help_command(const char *program, enum command command, struct str *out);
