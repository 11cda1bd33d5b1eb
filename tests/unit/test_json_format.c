/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "support.h"

#include <limits.h>
#include <signal.h>

/* Frees the tree. */
static void assert_text(struct json *json, const char *want)
{
    cleanup_str struct str text = STR_INIT;

    json_print(json, 0, &text);
    json_free(json);
    assert_string_equal(str_get(&text), want);
}

static void texts_without_values(void **state)
{
    (void)state;
    assert_text(json_format("{}"), "{}");
    assert_text(json_format("[ 1, 'a', true, null ]"), "[1,\"a\",true,null]");
    assert_text(json_format("{\"a\":'b'}"), "{\"a\":\"b\"}");
    assert_text(json_format("'\\u0027'"), "\"'\"");
}

static void values(void **state)
{
    cleanup_json struct json *tree = json_format("{'x':['y']}");

    (void)state;
    assert_text(json_format("%s", "a"), "\"a\"");
    assert_text(json_format("%s", NULL), "null");
    assert_text(json_format("[%d,%d,%d]", 0, INT_MIN, INT_MAX), "[0,-2147483648,2147483647]");
    assert_text(json_format("[%b,%b]", true, false), "[true,false]");
    assert_text(json_format("{'t':%j,'n':%j}", tree, NULL), "{\"t\":{\"x\":[\"y\"]},\"n\":null}");
    assert_text(json_format("{%s:%s}", "k", "v"), "{\"k\":\"v\"}");
    assert_int_equal(json_count(tree), 1); /* copied, not taken */
}

/* Whatever is in a string, it stays one. */
static void strings_are_escaped(void **state)
{
    static const char *const texts[] = {
        "\"",   "\\", "'", "'},{'x':1", "%s %d", "\n\t\x01\x1f\x7f", "\xc3\xa9\xf0\x9f\x98\x80",
        "</a>", "",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        cleanup_json struct json *json = json_format("{'a':%s}", texts[i]);

        assert_string_equal(json_text(json, "a"), texts[i]);
        assert_int_equal(json_count(json), 1);
    }
}

static void bytes_that_are_no_text(void **state)
{
    cleanup_json struct json *json = json_format("%s", "a\xff");

    (void)state;
    assert_string_equal(json_string(json), "a\xef\xbf\xbd");
}

/* A mistake in the program's own text ends it. */
static void mistakes(void **state)
{
    static const char *const texts[] = {"{", "%x", "{'a':1,'a':2}", ""};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
            close(2);
            signal(SIGABRT, SIG_DFL);
            json_free(json_format(texts[i], 1));
            _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_without_values),
        cmocka_unit_test(values),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(bytes_that_are_no_text),
        cmocka_unit_test(mistakes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
