/* SPDX-License-Identifier: Apache-2.0 */
/* Within options*.c: what of a command line goes together. */
#pragma once

#include "command_line/flags.h"

/* `misfit` is the first flag that the command doesn't have; NULL: all fit. As options_parse. */
int options_check(const struct options *options, const struct flag *misfit, struct err *err);
