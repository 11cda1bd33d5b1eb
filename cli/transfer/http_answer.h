/* SPDX-License-Identifier: Apache-2.0 */
/* What the head of an answer says. Private to http.c. */
#pragma once

#include "transfer/http.h"

#include <curl/curl.h>

/* A header's value, of the last answer; NULL when there is none. */
const char *http_answer_header(CURL *easy, const char *name);
/* All of it; what is malformed counts as not there. */
void http_answer_read(CURL *easy, struct http_answer *answer);
