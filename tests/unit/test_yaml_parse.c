/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include "base/cleanup.h"
#include "base/yaml.h"

static const struct good {
    const char *yaml, *json;
} values[] = {
    /* nothing */
    {"", "null"},
    {"\n# only a comment\n", "null"},
    {"---\n", "null"},
    {"~", "null"},
    {"null", "null"},
    {"Null", "null"},
    {"nUll", "\"nUll\""},
    /* words of YAML 1.1 */
    {"[true, True, TRUE, yes, Yes, YES, on, On, ON, y, Y]",
     "[true,true,true,true,true,true,true,true,true,true,true]"},
    {"[false, no, off, n, N, Off, NO]", "[false,false,false,false,false,false,false]"},
    {"[yES, tRUE, nO]", "[\"yES\",\"tRUE\",\"nO\"]"},
    {"['yes', \"null\", 'true', '1']", "[\"yes\",\"null\",\"true\",\"1\"]"},
    {"[!!str 12, !!str yes, ! 7]", "[\"12\",\"yes\",\"7\"]"},
    /* integers */
    {"[0, -0, +7, 12, -12, 1_000]", "[0,0,7,12,-12,1000]"},
    {"[0x1F, 0o17, 017, 0b101, -0x10, -0b11]", "[31,15,15,5,-16,-3]"},
    {"9007199254740991", "9007199254740991"},
    {"9007199254740993", "9007199254740993"},
    {"-9_007_199_254_740_993", "-9007199254740993"},
    {"18446744073709551615", "18446744073709551615"},
    {"[08, 0x, 0b2, 0o8, +, -, 1__, _1]", "[8,\"0x\",\"0b2\",\"0o8\",\"+\",\"-\",1,\"_1\"]"},
    /* floats */
    {"[1.5, .5, 1., 1e3, 1E-3, -1.5e+3, 0.5]", "[1.5,0.5,1,1000,0.001,-1500,0.5]"},
    {"[1.2.3, 1e, 1e+, ., .e1, 1e1000]", "[\"1.2.3\",\"1e\",\"1e+\",\".\",\".e1\",\"1e1000\"]"},
    {"1.0e+21", "1e+21"},
    /* what only looks like one */
    {"[12:30:00, 2001-01-01, 10.0.0.1, 1-2]", "[\"12:30:00\",\"2001-01-01\",\"10.0.0.1\",\"1-2\"]"},
    /* strings */
    {"plain text", "\"plain text\""},
    {"'it''s'", "\"it's\""},
    {"\"tab\\t \\u00e9\"", "\"tab\\t \xc3\xa9\""},
    {"|\n  one\n  two\n", "\"one\\ntwo\\n\""},
    {">-\n  one\n  two\n", "\"one two\""},
    {"''", "\"\""},
    /* collections */
    {"a: 1\nb:\n  - x\n  - w: {z: []}\nc: {}\n",
     "{\"a\":1,\"b\":[\"x\",{\"w\":{\"z\":[]}}],\"c\":{}}"},
    {"a:\nb: ''\n", "{\"a\":null,\"b\":\"\"}"},
    {"!!map {a: !!seq [1]}", "{\"a\":[1]}"},
    {"%YAML 1.1\n---\na: 1\n...\n", "{\"a\":1}"},
    {"\xef\xbb\xbf"
     "a: 1\n",
     "{\"a\":1}"},
    /* keys are texts */
    {"1: a\ny: b\n1.50: c\n0x10: d\n'~': e\n",
     "{\"1\":\"a\",\"true\":\"b\",\"1.5\":\"c\",\"16\":\"d\",\"~\":\"e\"}"},
    {"'<<': a\n", "{\"<<\":\"a\"}"},
    {"? long\n: value\n", "{\"long\":\"value\"}"},
    /* anchors */
    {"a: &x 1\nb: *x\n", "{\"a\":1,\"b\":1}"},
    {"a: &x {k: [1, 2]}\nb: [*x, *x]\n",
     "{\"a\":{\"k\":[1,2]},\"b\":[{\"k\":[1,2]},{\"k\":[1,2]}]}"},
    {"[&x 1, *x, &x 2, *x]", "[1,1,2,2]"},
    {"&k key: *k\n", "{\"key\":\"key\"}"},
    /* JSON that libyaml alone would not take */
    {" {\"a\":\"\\ud83d\\ude00\"}", "{\"a\":\"\xf0\x9f\x98\x80\"}"},
    {"{\"a\":\t[1,\t2]}", "{\"a\":[1,2]}"},
    {"{a: b}", "{\"a\":\"b\"}"},
};

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(values); i++) {
        cleanup_str struct str out = STR_INIT;
        struct err err = {.msg = ""};
        cleanup_json struct json *json = yaml_parse(values[i].yaml, strlen(values[i].yaml), &err);

        if (!json)
            fail_msg("%s: %s", values[i].yaml, err.msg);
        json_print(json, 0, &out);
        assert_string_equal(str_get(&out), values[i].json);
    }
}

static const struct bad {
    const char *yaml, *message;
} refused[] = {
    {"a: 1\nb: 2\na: 3\n", "line 3, column 1: the key \"a\" comes twice"},
    {"x: {a: 1, b: 2, 'a': 3}\n", "line 1, column 17: the key \"a\" comes twice"},
    {"1: a\n'1': b\n", "line 2, column 1: the key \"1\" comes twice"},
    {"{\"a\":1,\"a\":2}", "line 1, column 8: the key \"a\" comes twice"},
    {"a: &x {b: 1}\nc:\n  <<: *x\n",
     "line 3, column 3: merge keys (<<) are not supported; write the values out"},
    {"[a, b]: c\n", "line 1, column 1: a key must be a text"},
    {"~: c\n", "line 1, column 1: a key must be a text"},
    {"a: b\n---\nc: d\n", "line 2, column 1: another document begins; only one may be here"},
    {"a: *x\n", "line 1, column 4: the alias '*x' has no anchor before it"},
    {"a: &x [1, *x]\n", "line 1, column 11: the alias '*x' stands within its own anchor"},
    {"a: 900719925474099312345\n",
     "line 1, column 4: a number too big to be kept exactly; is it a text, quote it"},
    {"a: 0xffffffffffffffff\n",
     "line 1, column 4: a number too big to be kept exactly; is it a text, quote it"},
    {"a: .inf\n", "line 1, column 4: '.inf' is no number of JSON; is it a text, quote it"},
    {"a: !!binary AAAA\n",
     "line 1, column 4: the tag 'tag:yaml.org,2002:binary' is not known here"},
    {"a: !!set {b}\n", "line 1, column 4: the tag 'tag:yaml.org,2002:set' is not known here"},
    {"a: \"x\\0y\"\n", "line 1, column 4: a NUL in a text"},
    {"a: [1, 2\n", "line 2, column 1: did not find expected ',' or ']'"},
    {"a: b: c\n", "line 1, column 5: mapping values are not allowed in this context"},
    {"\ta: b\n", "line 1, column 1: found character that cannot start any token"},
    {"a: \xff\n", "invalid leading UTF-8 octet at byte 3"},
};

static void assert_refused(const char *yaml, const char *message)
{
    struct err err = {.msg = ""};
    cleanup_json struct json *json = yaml_parse(yaml, strlen(yaml), &err);

    if (json)
        fail_msg("taken: %s", yaml);
    assert_int_equal(err.class, ERR_INPUT);
    assert_string_equal(err.msg, message);
}

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++)
        assert_refused(refused[i].yaml, refused[i].message);
}

static char *repeat(const char *text, unsigned count, const char *middle, const char *end)
{
    struct str out = STR_INIT;

    for (unsigned i = 0; i < count; i++)
        str_puts(&out, text);
    str_puts(&out, middle);
    for (unsigned i = 0; i < count; i++)
        str_puts(&out, end);
    return str_steal(&out);
}

static void test_depth(void **state)
{
    cleanup_free char *most = repeat("[", JSON_DEPTH_MAX, "a", "]");
    cleanup_free char *more = repeat("[", JSON_DEPTH_MAX + 1, "a", "]");
    cleanup_free char *deep = repeat("[", 100000, "a", "]");
    cleanup_free char *half = repeat("[", JSON_DEPTH_MAX / 2, "a", "]");
    cleanup_str struct str alias = STR_INIT;
    struct err err = {.msg = ""};
    cleanup_json struct json *json = yaml_parse(most, strlen(most), &err);

    (void)state;
    assert_non_null(json);
    assert_refused(more, "line 1, column 129: nested too deeply");
    assert_refused(deep, "line 1, column 129: nested too deeply");
    /* an alias brings its depth along */
    str_printf(&alias, "a: &x %s\nb: ", half);
    json_free(steal_ptr(json));
    for (int i = 0; i < JSON_DEPTH_MAX / 2; i++)
        str_putc(&alias, '[');
    str_puts(&alias, "*x");
    assert_refused(str_get(&alias), "line 2, column 68: nested too deeply");
}

static void test_laughs(void **state)
{
    cleanup_str struct str text = STR_INIT;
    struct err err = {.msg = ""};
    cleanup_json struct json *json = NULL;

    (void)state;
    str_puts(&text, "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for (int i = 1; i < 30; i++)
        str_printf(&text, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i,
                   i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    json = yaml_parse(text.data, text.len, &err);
    assert_null(json);
    assert_non_null(strstr(err.msg, "more than 4194304 bytes, with its aliases written out"));
}

/* A wide map is sorted for its check, and a text of many bytes is no matter. */
static void test_wide(void **state)
{
    cleanup_str struct str text = STR_INIT;
    struct err err = {.msg = ""};
    cleanup_json struct json *json = NULL;

    (void)state;
    for (int i = 0; i < 20000; i++)
        str_printf(&text, "key%d: %d\n", i, i);
    json = yaml_parse(text.data, text.len, &err);
    assert_non_null(json);
    assert_int_equal(json_count(json), 20000);
    assert_true(json_number(json_get(json, "key19999"), -1) == 19999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values), cmocka_unit_test(test_refused), cmocka_unit_test(test_depth),
        cmocka_unit_test(test_laughs), cmocka_unit_test(test_wide),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
