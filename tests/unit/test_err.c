/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "support.h"

#include <errno.h>

static char long_text[3000];

static void a_failure_has_class_and_message(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(err_set(&err, ERR_INPUT, "no %s at %d", "volume", 7), -1);
    assert_int_equal(err.class, ERR_INPUT);
    assert_string_equal(err.msg, "no volume at 7");
}

static void errno_gives_text_and_class(void **state)
{
    static const struct {
        int errnum;
        enum err_class class;
    } rows[] = {
        {ENOENT, ERR_NOT_FOUND}, {ENOTDIR, ERR_NOT_FOUND}, {ENAMETOOLONG, ERR_NOT_FOUND},
        {ELOOP, ERR_NOT_FOUND},  {EXDEV, ERR_NOT_FOUND},   {EACCES, ERR_FORBIDDEN},
        {EPERM, ERR_FORBIDDEN},  {EPIPE, ERR_PEER},        {ECONNRESET, ERR_PEER},
        {EIO, ERR_IO},           {ENOSPC, ERR_IO},         {ESTALE, ERR_IO},
        {ENOMEM, ERR_SYSTEM},    {EMFILE, ERR_SYSTEM},     {99999, ERR_SYSTEM},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err err;
        char want[300];

        snprintf(want, sizeof(want), "cannot do 5: %s", strerror(rows[i].errnum));
        assert_int_equal(err_errno(&err, ERR_NONE, rows[i].errnum, "cannot do %d", 5), -1);
        assert_int_equal(err.class, rows[i].class);
        assert_string_equal(err.msg, want);
        assert_int_equal(err_errno(&err, ERR_UNAVAILABLE, rows[i].errnum, "x"), -1);
        assert_int_equal(err.class, ERR_UNAVAILABLE); /* a given class stays */
    }
}

static void each_layer_adds_what_it_knows(void **state)
{
    struct err err;

    (void)state;
    err_set(&err, ERR_IO, "inner");
    assert_int_equal(err_wrap(&err, "middle %d", 2), -1);
    assert_int_equal(err_wrap(&err, "outer"), -1);
    assert_string_equal(err.msg, "outer: middle 2: inner");
    assert_int_equal(err.class, ERR_IO);
}

static void long_messages_are_cut(void **state)
{
    struct err err;

    (void)state;
    memset(long_text, 'x', sizeof(long_text) - 1);
    for (size_t len = sizeof(err.msg) - 20; len < sizeof(err.msg) + 20; len++) {
        err_set(&err, ERR_IO, "%.*s", (int)len, long_text);
        assert_int_equal(strlen(err.msg), len < sizeof(err.msg) ? len : sizeof(err.msg) - 1);
    }
}

/* However long the path in a message: why it failed is still to be read. */
static void the_cause_is_never_cut_off(void **state)
{
    static const char cause[] = ": Input/output error";
    struct err err;

    (void)state;
    memset(long_text, 'x', sizeof(long_text) - 1);
    for (size_t len = sizeof(err.msg) - 40; len < sizeof(err.msg) + 20; len++) {
        err_errno(&err, ERR_NONE, EIO, "%.*s", (int)len, long_text);
        for (int layer = 0; layer < 300; layer++) {
            assert_true(strlen(err.msg) < sizeof(err.msg));
            assert_string_equal(err.msg + strlen(err.msg) - strlen(cause), cause);
            err_wrap(&err, "layer %d", layer);
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_has_class_and_message),
        cmocka_unit_test(errno_gives_text_and_class),
        cmocka_unit_test(each_layer_adds_what_it_knows),
        cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(the_cause_is_never_cut_off),
    };

    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
