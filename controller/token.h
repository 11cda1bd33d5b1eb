/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: made, and judged as the export pod judges them (fcgi/token.c). */
#pragma once

#include "cache.h"

enum { TOKEN_LENGTH = 32, TOKEN_TEXT_MAX = TOKEN_LENGTH + 1 };

/* Random letters and digits: 190 bits. The caller wipes it. */
int token_make(char token[TOKEN_TEXT_MAX], struct err *err);
void token_wipe(char token[TOKEN_TEXT_MAX]);

/* Of a Secret with its data, by the rule of base/token_rule.h. */
enum token_state token_judge(const struct json *secret);
