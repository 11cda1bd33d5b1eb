/* SPDX-License-Identifier: Apache-2.0 */
/* The commands: each does all of its work and says what came of it. 0, or -1 with what failed, which
 * main says and turns into the exit code. */
#pragma once

#include "command_line/options.h"

int command_create(const struct options *options, struct err *err);
int command_delete(const struct options *options, struct err *err);
int command_download(const struct options *options, struct err *err);
int command_list(const struct options *options, struct err *err);
int command_status(const struct options *options, struct err *err);
int command_serve(const struct options *options, struct err *err);
int command_completion(const struct options *options, struct err *err);
int command_man(const struct options *options, struct err *err);
