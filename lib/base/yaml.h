/* SPDX-License-Identifier: Apache-2.0 */
/* YAML out of a JSON tree: the one place that knows libyaml. */
#pragma once

#include "err.h"
#include "json.h"
#include "str.h"

/*
 * Appends `json` as a YAML document without markers, ending in a line break: block style, keys in
 * byte order. Readers of YAML 1.1 and of 1.2 get the same values back.
 */
int yaml_print(const struct json *json, struct str *out, struct err *err);
