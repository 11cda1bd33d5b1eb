/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate that vouches for itself, for a server that is there for an hour: `vmexport serve`. */
#pragma once

#include "base/err.h"

#include <stddef.h>

/*
 * Writes a certificate (PEM, mode 0644) and its key (PEM, mode 0600), both new files: ECDSA P-256, 30
 * days, for these names and addresses; what can be neither is left out. It is no CA: whoever trusts it
 * trusts this one server.
 */
int self_signed_write(const char *cert_path, const char *key_path, const char *const *names,
                      size_t count, struct err *err);
