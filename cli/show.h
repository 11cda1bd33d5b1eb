/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of an export as people read them; shared by `list` and `status`. Each appends to `out`. */
#pragma once

#include "base/err.h"
#include "base/json.h"

/* The object without what only the API server needs; the caller frees. */
struct json *show_copy(const struct json *object);
/* Writes it to standard output. */
int show_json(const struct json *json, struct err *err);

/* "vm/web", "pvc/disk0"; at `length`: "VirtualMachine web". */
void show_source(const struct json *object, bool length, struct str *out);
/* How long ago an RFC 3339 time was; nothing for none. */
void show_age(const char *time, struct str *out);
/* Until it is deleted: "1h", "expired"; nothing while that is not known. */
void show_time_left(const struct json *object, struct str *out);
/* Of its apiVersion, without the version. */
void show_group(const struct json *object, struct str *out);
