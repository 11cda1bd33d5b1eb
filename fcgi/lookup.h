/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of a host, for libcurl: which, when it looks names up itself, does not tell a name that
 * does not exist from a lookup that failed.
 */
#pragma once

#include "base/str.h"

enum lookup { LOOKUP_FOUND, LOOKUP_NO_NAME, LOOKUP_FAILED };

/*
 * `host` is an absolute DNS name, without its last dot. Appends an entry for CURLOPT_RESOLVE to
 * `entry`, which libcurl forgets again; `why` becomes a static text when the lookup failed. Blocks as
 * long as the resolver does.
 */
enum lookup lookup_host(const char *host, int port, struct str *entry, const char **why);
