/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gets in: whoever sends the content of the token file, in the header or the query parameter
 * x-kubevirt-export-token (https://kubevirt.io/user-guide/storage/export_api/).
 */
#pragma once

#include "request.h"

/* The name of the header and of the query parameter. */
#define TOKEN_NAME "x-kubevirt-export-token"

/*
 * Reads the token file with the blanks around the token taken off. ERR_UNAVAILABLE when it is
 * missing, unreadable or no token (base/token_rule.h): without a token nobody gets in. The file is read at each call, as a
 * secret is replaced without a restart.
 */
int token_read(struct str *token, struct err *err);

/* 1 when the request carries the token, 0 when it does not, negative as token_read. */
int token_check(const struct request *req, struct err *err);
