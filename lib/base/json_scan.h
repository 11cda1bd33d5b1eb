/* SPDX-License-Identifier: Apache-2.0 */
/* Within json.c: what cJSON would take, and json_parse does not. */
#pragma once

#include "err.h"

#include <stddef.h>

/* Integers up to here are exact in a double, and no other one rounds to them: 2^53 - 1. */
static const double json_integer_max = 9007199254740991.0;

/* Goes over a text before it is parsed; ERR_INPUT as json_parse gives it. */
int json_scan(const char *text, size_t len, struct err *err);
