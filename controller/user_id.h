/* SPDX-License-Identifier: Apache-2.0 */
/* Users and groups as people write them. */
#pragma once

#include <stdbool.h>

/* The highest that Kubernetes takes (core validation, IsValidUserID). */
#define USER_ID_MAX 2147483647

/* One number from 1 to USER_ID_MAX in decimal digits, nothing around it; `text` may be NULL. */
bool user_id_read(const char *text, int *id);
/* "UID:GID". */
bool user_ids_read(const char *text, int *user, int *group);
