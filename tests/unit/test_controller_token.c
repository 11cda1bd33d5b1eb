/* SPDX-License-Identifier: Apache-2.0 */
#include "../../controller/token.h"
#include "base/base64.h"
#include "base/token_rule.h"
#include "support.h"

#include <ctype.h>

static void tokens_are_made(void **state)
{
    enum { TOKENS = 64 };
    static char tokens[TOKENS][TOKEN_TEXT_MAX];
    unsigned seen[256] = {0}, letters = 0;
    struct err err;

    (void)state;
    for (size_t i = 0; i < TOKENS; i++) {
        assert_int_equal(token_make(tokens[i], &err), 0);
        assert_int_equal(strlen(tokens[i]), TOKEN_LENGTH);
        for (size_t j = 0; j < TOKEN_LENGTH; j++) {
            assert_true(isalnum((unsigned char)tokens[i][j]));
            letters += seen[(unsigned char)tokens[i][j]]++ == 0;
        }
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(tokens[i], tokens[j]);
    }
    assert_int_equal(letters, 62); /* that one never comes: 1 of 10^12 */
    token_wipe(tokens[0]);
    assert_int_equal(tokens[0][0], 0);
    assert_int_equal(tokens[0][TOKEN_LENGTH - 1], 0);
}

static void secrets_are_judged(void **state)
{
    static const struct {
        const char *secret;
        enum token_state want;
    } rows[] = {
        {"{'data':{'token':'dG9rZW4='}}", TOKEN_GOOD},
        {"{'data':{'token':'IHRva2VuCg=='}}", TOKEN_GOOD}, /* with white space around */
        {"{'data':{'token':'eA==','other':'eQ=='}}", TOKEN_GOOD},
        {"{'data':{'token':''}}", TOKEN_EMPTY},
        {"{'data':{'token':'IAkNCg=='}}", TOKEN_EMPTY},  /* nothing but white space */
        {"{'data':{'token':'YSBi'}}", TOKEN_GOOD},       /* "a b" */
        {"{'data':{'token':'YQpi'}}", TOKEN_CHARACTERS}, /* a newline */
        {"{'data':{'token':'YQBi'}}", TOKEN_CHARACTERS}, /* a NUL */
        {"{'data':{'token':'AHNlY3JldA=='}}", TOKEN_CHARACTERS},
        {"{'data':{'token':'YX9i'}}", TOKEN_CHARACTERS}, /* DEL */
        {"{'data':{'token':'w6QsYg=='}}", TOKEN_GOOD},   /* no ASCII, and a comma */
        {"{'data':{'token':'?'}}", TOKEN_NO_KEY},
        {"{'data':{'token':1}}", TOKEN_NO_KEY},
        {"{'data':{'tokens':'eA=='}}", TOKEN_NO_KEY},
        {"{'data':{}}", TOKEN_NO_KEY},
        {"{'data':null}", TOKEN_NO_KEY},
        {"{}", TOKEN_NO_KEY},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_json struct json *secret = json_format(rows[i].secret);

        if (token_judge(secret) != rows[i].want)
            fail_msg("%s: %d", rows[i].secret, token_judge(secret));
    }
}

/* The longest that the export pod reads, with what is around it. */
static void long_tokens(void **state)
{
    (void)state;
    for (size_t len = TOKEN_MAX - 1; len <= TOKEN_MAX + 1; len++) {
        cleanup_str struct str text = STR_INIT, encoded = STR_INIT;
        cleanup_json struct json *secret = NULL;

        while (text.len < len)
            str_putc(&text, text.len ? 'x' : '\n');
        base64_encode(text.data, text.len, &encoded);
        secret = json_format("{'data':{'token':%s}}", str_get(&encoded));
        assert_int_equal(token_judge(secret), len <= TOKEN_MAX ? TOKEN_GOOD : TOKEN_LONG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_made),
        cmocka_unit_test(secrets_are_judged),
        cmocka_unit_test(long_tokens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
