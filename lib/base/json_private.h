/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of JSON share: a struct json is cJSON's item. */
#pragma once

#include "json.h"

#include <cjson/cJSON.h>

static inline const cJSON *c_json(const struct json *json)
{
    return (const cJSON *)json;
}
