/* SPDX-License-Identifier: Apache-2.0 */
/* JSON merge patches (RFC 7396). */
#pragma once

#include "json.h"

/* The patch that makes `to` of `from`, both objects: the caller's. An object without keys when they
 * are the same. A null within `to` cannot be told by such a patch, but for those within arrays. */
struct json *json_merge_patch(const struct json *from, const struct json *to);
