/* SPDX-License-Identifier: Apache-2.0 */
#include "token.h"
#include "base/base64.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

int token_make(char token[TOKEN_TEXT_MAX], struct err *err)
{
    static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    enum { LETTERS = sizeof(alphabet) - 1, FAIR = 256 - 256 % LETTERS };
    unsigned char byte;

    for (size_t i = 0; i < TOKEN_LENGTH;) {
        if (RAND_bytes(&byte, 1) != 1)
            return err_set(err, ERR_SYSTEM, "cannot make a token: no random numbers");
        if (byte < FAIR)
            token[i++] = alphabet[byte % LETTERS];
    }
    token[TOKEN_LENGTH] = '\0';
    return 0;
}

void token_wipe(char token[TOKEN_TEXT_MAX])
{
    OPENSSL_cleanse(token, TOKEN_TEXT_MAX);
}

enum token_state token_judge(const struct json *secret)
{
    const char *text = json_text(secret, "data.token");
    cleanup_str struct str token = STR_INIT;
    bool empty;

    if (!text)
        return TOKEN_NO_KEY;
    if (base64_decode(text, &token) < 0)
        return TOKEN_NO_KEY;
    empty = strspn(str_get(&token), " \t\r\n") == token.len;
    if (token.len)
        OPENSSL_cleanse(token.data, token.len);
    return empty ? TOKEN_EMPTY : TOKEN_GOOD;
}
