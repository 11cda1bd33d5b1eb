/* SPDX-License-Identifier: Apache-2.0 */
#include "token_rule.h"

#include <stdbool.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

enum token_rule token_rule(const char *text, size_t len, const char **token, size_t *token_len)
{
    const char *end = text + len;

    if (len > TOKEN_MAX)
        return TOKEN_RULE_LONG;
    while (text < end && is_blank(*text))
        text++;
    while (text < end && is_blank(end[-1]))
        end--;
    *token = text;
    *token_len = (size_t)(end - text);
    if (text == end)
        return TOKEN_RULE_EMPTY;
    for (; text < end; text++)
        if (((unsigned char)*text < ' ' && *text != '\t') || *text == 0x7f)
            return TOKEN_RULE_CHARACTERS;
    return TOKEN_RULE_KEPT;
}
