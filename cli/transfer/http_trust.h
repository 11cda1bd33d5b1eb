/* SPDX-License-Identifier: Apache-2.0 */
/* Who is believed to be the export's server, and when it has ended a connection. Private to http.c. */
#pragma once

#include "transfer/http.h"

#include <curl/curl.h>

/* `*ended_well` becomes true when the server ends the connection by TLS; it must live as long as the
 * handle. */
void http_trust(CURL *easy, const struct http_peer *peer, bool *ended_well);
