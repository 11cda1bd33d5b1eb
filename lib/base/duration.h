/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durations as Kubernetes writes them, which is Go's way: https://pkg.go.dev/time#ParseDuration.
 */
#pragma once

#include "err.h"
#include "str.h"

#include <stdint.h>

#define DURATION_SECOND INT64_C(1000000000)
#define DURATION_MINUTE (60 * DURATION_SECOND)
#define DURATION_HOUR (60 * DURATION_MINUTE)

/*
 * Reads "2h", "1h30m", "1.5h", "300ms", "-5m", "0" into nanoseconds; parts of a nanosecond are
 * dropped. ERR_INPUT for anything else, and for more than fits (292 years).
 */
int duration_parse(const char *text, int64_t *ret_ns, struct err *err);

/* Appends nanoseconds as people write them: "2h", "1h30m", "1.5s", "300ms", "-5m", "0s". */
void duration_print(int64_t ns, struct str *out);
