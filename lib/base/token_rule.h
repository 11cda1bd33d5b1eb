/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a token may be: one rule for the export pod, which lets nobody in with another, and for the
 * controller, which says so in the export's status. Blanks around it do not count, as a text file
 * ends in a newline. Within it there are no control characters but tabs: no client could send them
 * in a header (RFC 9110 §5.5), and what they are there for is a mistake.
 */
#pragma once

#include <stddef.h>

/* The longest file, with what is around the token. */
enum { TOKEN_MAX = 4096 };

enum token_rule { TOKEN_RULE_KEPT, TOKEN_RULE_EMPTY, TOKEN_RULE_CHARACTERS, TOKEN_RULE_LONG };

/* Looks at a file or a Secret's value; `*token` and `*token_len` become what counts of it. */
enum token_rule token_rule(const char *text, size_t len, const char **token, size_t *token_len);
