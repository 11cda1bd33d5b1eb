/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which headers a proxy passes on: all but those that are between two neighbours only (RFC 9110
 * §7.6.1), and those with a meaning of their own to the server on either side.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>

/* Whether a list of header names ("close, X-Mine"; NULL is an empty one) has the name. */
bool hop_lists(const char *list, const char *name, size_t len);

/* Whether the header of a response is passed on; `connection` is its Connection header, NULL when it
 * has none. */
bool hop_passes_back(const char *name, size_t len, const char *connection);

/*
 * Appends the name of the request header behind a CGI meta-variable (RFC 3875 §4.1.18):
 * "Accept-Encoding" of "HTTP_ACCEPT_ENCODING". False when it is none, or is not passed on.
 */
bool hop_passes_on(const char *variable, size_t len, const char *connection, struct str *name);
