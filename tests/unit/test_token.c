/* SPDX-License-Identifier: Apache-2.0 */
#include "base/token_rule.h"
#include "support.h"
#include "token.h"

/* What a request with this header and query is worth; NULL is none. */
static int check(const char *header, const char *query, struct err *err)
{
    char lines[2][TOKEN_MAX * 2 + 200];
    char *envp[3] = {NULL};
    struct request req;
    size_t n = 0;

    if (header) {
        snprintf(lines[n], sizeof(lines[n]), "HTTP_X_KUBEVIRT_EXPORT_TOKEN=%s", header);
        envp[n] = lines[n];
        n++;
    }
    if (query) {
        snprintf(lines[n], sizeof(lines[n]), "QUERY_STRING=%s", query);
        envp[n] = lines[n];
    }
    request_init(&req, envp, false, NULL);
    return token_check(&req, err);
}

struct row {
    const char *header, *query;
    int want;
};

static void check_rows(const char *token, const struct row *rows, size_t count)
{
    scratch_puts("token", token);
    for (size_t i = 0; i < count; i++) {
        struct err err;

        if (check(rows[i].header, rows[i].query, &err) != rows[i].want)
            fail_msg("token '%s', row %zu: header '%s', query '%s'", token, i,
                     rows[i].header ? rows[i].header : "-", rows[i].query ? rows[i].query : "-");
    }
}

#define CHECK(token, rows) check_rows(token, rows, COUNT(rows))

static void header_and_query(void **state)
{
    static const struct row rows[] = {
        {NULL, NULL, 0},
        {"secret", NULL, 1},
        {" secret\t", NULL, 1},
        {"Secret", NULL, 0},
        {"secre", NULL, 0},
        {"secrett", NULL, 0},
        {"s", NULL, 0},
        {"", NULL, 0},
        {" ", NULL, 0},
        {NULL, TOKEN_NAME "=secret", 1},
        {NULL, TOKEN_NAME "=secret%0A", 1},
        {NULL, TOKEN_NAME "=%73ecret", 1},
        {NULL, TOKEN_NAME "=+secret", 1},
        {NULL, "a=b&" TOKEN_NAME "=secret", 1},
        {NULL, TOKEN_NAME "=wrong&" TOKEN_NAME "=secret", 0}, /* only the first counts */
        {NULL, TOKEN_NAME "=", 0},
        {NULL, TOKEN_NAME, 0},
        {NULL, "X-Kubevirt-Export-Token=secret", 0},
        {NULL, "token=secret", 0},
        {NULL, TOKEN_NAME "=secret%00", 0},
        {NULL, TOKEN_NAME "=%00secret", 0},
        {NULL, TOKEN_NAME "=secret%00x", 0},
        {"wrong", TOKEN_NAME "=secret", 1},
        {"secret", TOKEN_NAME "=wrong", 1},
        {"wrong", TOKEN_NAME "=wrong", 0},
    };

    (void)state;
    CHECK("secret", rows);
    CHECK("secret\n", rows);
    CHECK(" \t\r\nsecret \r\n\n", rows);
}

static void a_header_that_came_twice(void **state)
{
    static const struct row rows[] = {
        {"secret, secret", NULL, 1},
        {"secret,secret", NULL, 1},
        {"wrong, secret", NULL, 1},
        {"secret, wrong", NULL, 1},
        {", secret ,", NULL, 1},
        {"wrong, wrong", NULL, 0},
        {",", NULL, 0},
        {", ,", NULL, 0},
        {"sec,ret", NULL, 0},
        {"secret secret", NULL, 0},
    };

    (void)state;
    CHECK("secret", rows);
}

static void a_token_with_a_comma(void **state)
{
    static const struct row rows[] = {
        {"one,two", NULL, 1}, {" one,two ", NULL, 1}, {"one", NULL, 0},
        {"two", NULL, 0},     {"one, two", NULL, 0},  {NULL, TOKEN_NAME "=one,two", 1},
    };

    (void)state;
    CHECK("one,two", rows);
}

static void without_a_token_nobody_gets_in(void **state)
{
    static const char *const contents[] = {"", "\n", " \t\r\n", "\0secret"};
    struct err err;

    (void)state;
    for (size_t i = 0; i < COUNT(contents); i++) {
        scratch_puts("token", contents[i]);
        assert_int_equal(check("secret", NULL, &err), -1);
        assert_int_equal(err.class, ERR_UNAVAILABLE);
        assert_int_equal(check("", TOKEN_NAME "=", &err), -1);
        assert_int_equal(check(NULL, NULL, &err), -1);
    }
    unlink(scratch_path("token"));
    assert_int_equal(check("secret", NULL, &err), -1);
    assert_int_equal(err.class, ERR_UNAVAILABLE);
    assert_non_null(strstr(err.msg, scratch_path("token")));
    scratch_mkdir("token");
    assert_int_equal(check("secret", NULL, &err), -1);
    assert_int_equal(err.class, ERR_UNAVAILABLE);
    rmdir(scratch_path("token"));
}

/* Not even whoever sends the very same. */
static void a_token_that_nobody_can_send_lets_nobody_in(void **state)
{
    static const struct {
        const char *content;
        size_t len;
        const char *sent;
    } rows[] = {
        {"one\ntwo", 7, "one\ntwo"}, {"one\rtwo", 7, "one\rtwo"}, {"one\0two", 7, "one"},
        {"one\0", 4, "one"},         {"\0one", 4, "one"},         {"one\x7f", 4, "one\x7f"},
        {"\x01", 1, "\x01"},
    };
    struct err err;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        scratch_write("token", rows[i].content, rows[i].len);
        assert_int_equal(check(rows[i].sent, NULL, &err), -1);
        assert_int_equal(err.class, ERR_UNAVAILABLE);
        assert_non_null(strstr(err.msg, "has a control character in it"));
        assert_null(strstr(err.msg, "one"));
    }
}

static void the_longest_token(void **state)
{
    static char token[TOKEN_MAX + 2];
    struct err err;

    (void)state;
    memset(token, 'x', TOKEN_MAX);
    scratch_puts("token", token);
    assert_int_equal(check(token, NULL, &err), 1);
    token[TOKEN_MAX] = 'x';
    assert_int_equal(check(token, NULL, &err), 0);
    scratch_puts("token", token);
    assert_int_equal(check(token, NULL, &err), -1);
    assert_int_equal(err.class, ERR_UNAVAILABLE);
}

static void a_replaced_token_counts_at_once(void **state)
{
    struct err err;

    (void)state;
    scratch_puts("token", "first");
    assert_int_equal(check("first", NULL, &err), 1);
    scratch_puts("token", "second");
    assert_int_equal(check("first", NULL, &err), 0);
    assert_int_equal(check("second", NULL, &err), 1);
}

static void messages_do_not_have_the_token(void **state)
{
    static char token[TOKEN_MAX + 2];
    struct err err;

    (void)state;
    memset(token, 'S', TOKEN_MAX + 1);
    scratch_puts("token", token);
    assert_int_equal(check("GIVEN", NULL, &err), -1);
    assert_null(strstr(err.msg, "SSS"));
    assert_null(strstr(err.msg, "GIVEN"));
}

static int set_up(void **state)
{
    if (scratch_set_up(state) < 0)
        return -1;
    return setenv("VMEXPORT_TOKEN_FILE", scratch_path("token"), 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_and_query),
        cmocka_unit_test(a_header_that_came_twice),
        cmocka_unit_test(a_token_with_a_comma),
        cmocka_unit_test(without_a_token_nobody_gets_in),
        cmocka_unit_test(a_token_that_nobody_can_send_lets_nobody_in),
        cmocka_unit_test(the_longest_token),
        cmocka_unit_test(a_replaced_token_counts_at_once),
        cmocka_unit_test(messages_do_not_have_the_token),
    };

    return cmocka_run_group_tests_name("token", tests, set_up, scratch_tear_down);
}
