/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compare is of SHA-256 digests by CRYPTO_memcmp, so that its time tells neither the content
 * nor the length. Each candidate is compared, whether or not an earlier one matched.
 *
 * A proxy may send the header twice; HTTP joins the values with a comma (RFC 9110 §5.3), so each
 * part counts as a candidate, beside the whole, as a token may have a comma itself.
 */
#include "token.h"
#include "base/io.h"
#include "base/token_rule.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\r\n"

static bool is_blank(char c)
{
    return c && strchr(BLANKS, c);
}

static const char *token_file(void)
{
    const char *path = getenv("VMEXPORT_TOKEN_FILE");

    return path ? path : "/token/token";
}

static int take_token(const struct str *text, struct str *token, struct err *err)
{
    const char *start;
    size_t len;

    switch (token_rule(str_get(text), text->len, &start, &len)) {
    case TOKEN_RULE_KEPT:
        str_append(token, start, len);
        return 0;
    case TOKEN_RULE_CHARACTERS:
        return err_set(err, ERR_UNAVAILABLE,
                       "the token in the file '%s' has a control character in it", token_file());
    case TOKEN_RULE_EMPTY:
    case TOKEN_RULE_LONG: /* which reading it has refused */
        break;
    }
    return err_set(err, ERR_UNAVAILABLE, "the token file '%s' is empty", token_file());
}

int token_read(struct str *token, struct err *err)
{
    cleanup_str struct str text = STR_INIT;
    int rc;

    rc = io_read_file(token_file(), TOKEN_MAX, &text, err);
    if (rc == 0)
        rc = take_token(&text, token, err);
    if (text.data)
        OPENSSL_cleanse(text.data, text.len);
    if (rc < 0) {
        err->class = ERR_UNAVAILABLE;
        return err_wrap(err, "nobody gets in, as there is no token");
    }
    return 0;
}

static int matches(const unsigned char *digest, const char *value, size_t len)
{
    unsigned char given[SHA256_DIGEST_LENGTH];

    while (len && is_blank(value[0]))
        value++, len--;
    while (len && is_blank(value[len - 1]))
        len--;
    SHA256((const unsigned char *)value, len, given);
    return CRYPTO_memcmp(digest, given, sizeof(given)) == 0;
}

int token_check(const struct request *req, struct err *err)
{
    cleanup_str struct str token = STR_INIT, param = STR_INIT;
    unsigned char digest[SHA256_DIGEST_LENGTH];
    const char *header = request_param(req, "HTTP_X_KUBEVIRT_EXPORT_TOKEN");
    int match = 0;

    if (token_read(&token, err) < 0)
        return -1;
    SHA256((const unsigned char *)token.data, token.len, digest);
    OPENSSL_cleanse(token.data, token.len);
    if (request_query(req, TOKEN_NAME, &param))
        match |= matches(digest, str_get(&param), param.len);
    if (header) {
        match |= matches(digest, header, strlen(header));
        for (const char *part = header; part; part = strchr(part, ',')) {
            part += *part == ',';
            match |= matches(digest, part, strcspn(part, ","));
        }
    }
    return match;
}
