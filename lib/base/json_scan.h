/* SPDX-License-Identifier: Apache-2.0 */
/* Within lib/base: what cJSON would take, and json_parse does not. */
#pragma once

#include "err.h"

#include <stdbool.h>
#include <stddef.h>

/* Integers up to here are exact in a double, and no other one rounds to them: 2^53 - 1. */
static const double json_integer_max = 9007199254740991.0;

/* Goes over a text before it is parsed; ERR_INPUT as json_parse gives it. `big`: whether it has an
 * integer beyond json_integer_max. */
int json_scan(const char *text, size_t len, bool *big, struct err *err);

/* The next number in a text that was parsed; there must be one. `at` moves on behind it. */
const char *json_scan_number(const char **at, size_t *len);
/* Whether a number as it is written is an integer beyond json_integer_max. */
bool json_is_big(const char *number, size_t len);
