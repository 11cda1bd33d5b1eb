/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts that are secret: wiped before their memory is given back, never part of a message. What the
 * parsers of JSON and YAML use in between is not wiped.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

/* Wipes a text and frees it; NULL is fine. */
void secret_free(char *text);
/* The same for a buffer, over all that it has held. */
void secret_str_free(struct str *s);
#define cleanup_secret __attribute__((cleanup(secret_str_free)))

/* strdup that never fails; NULL stays NULL. */
char *secret_copy(const char *text);

/* The text that base64 stands for, which the caller frees; NULL when it is none, or holds a NUL. */
char *secret_from_base64(const char *text);

/* Whether it may stand in an "Authorization: Bearer" header: not empty, visible ASCII only
 * (RFC 6750 §2.1 allows less). */
bool secret_is_bearer(const char *token);
/* Whether it holds PEM of `label` ("CERTIFICATE", "PRIVATE KEY"), as far as its frame tells. */
bool secret_is_pem(const char *text, const char *label);
