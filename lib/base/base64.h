/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64 (RFC 4648 §4, with padding), as the values of a Secret's `data` and the inline data of a
 * kubeconfig are written. What goes through here may be a key: no copy of it is left behind.
 */
#pragma once

#include "str.h"

#include <stddef.h>

/* Appends the text of `len` bytes. */
void base64_encode(const void *data, size_t len, struct str *out);

/*
 * Appends the bytes that `text` stands for: 0, or -1 with `out` as it was when it is no base64.
 * Line ends within it are skipped, as Kubernetes' own reader does.
 */
int base64_decode(const char *text, struct str *out);
