/* SPDX-License-Identifier: Apache-2.0 */
#include "token.h"
#include "base/base64.h"
#include "base/token_rule.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

int token_make(char token[TOKEN_TEXT_MAX], struct err *err)
{
    static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    enum { LETTERS = sizeof(alphabet) - 1, FAIR = 256 - 256 % LETTERS };
    unsigned char bytes[TOKEN_LENGTH];
    size_t made = 0;

    while (made < TOKEN_LENGTH) {
        if (RAND_bytes(bytes, sizeof(bytes)) != 1)
            return err_set(err, ERR_SYSTEM, "cannot make a token: no random numbers");
        for (size_t i = 0; i < sizeof(bytes) && made < TOKEN_LENGTH; i++)
            if (bytes[i] < FAIR)
                token[made++] = alphabet[bytes[i] % LETTERS];
    }
    OPENSSL_cleanse(bytes, sizeof(bytes));
    token[TOKEN_LENGTH] = '\0';
    return 0;
}

void token_wipe(char token[TOKEN_TEXT_MAX])
{
    OPENSSL_cleanse(token, TOKEN_TEXT_MAX);
}

enum token_state token_judge(const struct json *secret)
{
    static const enum token_state states[] = {[TOKEN_RULE_KEPT] = TOKEN_GOOD,
                                              [TOKEN_RULE_EMPTY] = TOKEN_EMPTY,
                                              [TOKEN_RULE_CHARACTERS] = TOKEN_CHARACTERS,
                                              [TOKEN_RULE_LONG] = TOKEN_LONG};
    const char *text = json_text(secret, "data.token");
    cleanup_str struct str token = STR_INIT;
    const char *start;
    size_t len;
    enum token_rule rule;

    if (!text)
        return TOKEN_NO_KEY;
    if (base64_decode(text, &token) < 0)
        return TOKEN_NO_KEY;
    rule = token_rule(str_get(&token), token.len, &start, &len);
    if (token.len)
        OPENSSL_cleanse(token.data, token.len);
    return states[rule];
}
