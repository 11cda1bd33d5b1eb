/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static struct json *parse(const char *text, struct err *err)
{
    return json_parse(text, strlen(text), err);
}

static void assert_prints(const char *text, const char *expected)
{
    cleanup_str struct str out = STR_INIT;
    cleanup_json struct json *json = NULL;
    struct err err;

    json = parse(text, &err);
    assert_non_null(json);
    json_print(json, 0, &out);
    assert_string_equal(str_get(&out), expected);
}

static void values_come_back(void **state)
{
    static const char *const texts[] = {
        "null",
        "true",
        "false",
        "0",
        "-1",
        "1.5",
        "0.1",
        "1e+21",
        "2147483648",
        "9007199254740991",
        "-9007199254740991",
        "9007199254740990",
        "9007199254740992",
        "[9007199254740993,\"9007199254740995\",-9007199254740993]",
        "{\"9007199254740995\":9223372036854775807,\"b\\\"1\":[1,18446744073709551615,1e+300]}",
        "-9223372036854775808",
        "99999999999999999999",
        "0.30000000000000004",
        "1e-05",
        "\"\"",
        "\"a\\\"b\\\\c/\xc3\xa9\"",
        "[]",
        "{}",
        "[1,[2,{\"a\":[]}],\"x\"]",
        "{\"z\":1,\"a\":{\"\":null}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_prints(texts[i], texts[i]);
}

static void other_spellings_mean_the_same(void **state)
{
    (void)state;
    assert_prints(" [ 1 ,\t2\r\n] ", "[1,2]");
    assert_prints("\"\\u00e9\\ud83d\\ude00\\/\"", "\"\xc3\xa9\xf0\x9f\x98\x80/\"");
    assert_prints("1.0", "1");
    assert_prints("1E3", "1000");
    assert_prints("-0", "0");
    assert_prints("\"\\\\u0000\"", "\"\\\\u0000\"");
}

static void indents_like_go(void **state)
{
    cleanup_str struct str out = STR_INIT;
    cleanup_json struct json *json = NULL;
    struct err err;

    (void)state;
    json = parse("{\"a\":[1,{}],\"b\":[],\"c\":{\"d\":\"e\"}}", &err);
    json_print(json, 4, &out);
    assert_string_equal(str_get(&out), "{\n"
                                       "    \"a\": [\n"
                                       "        1,\n"
                                       "        {}\n"
                                       "    ],\n"
                                       "    \"b\": [],\n"
                                       "    \"c\": {\n"
                                       "        \"d\": \"e\"\n"
                                       "    }\n"
                                       "}");
}

static void refuses_what_it_could_not_keep(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } wrong[] = {
        {"", "byte 0"},
        {"   ", "byte"},
        {"{\"a\":}", "byte 5"},
        {"[1,]", "byte 3"},
        {"[1", "byte"},
        {"nul", "byte 0"},
        {"{} x", "byte 3"},
        {"[1]]", "byte 3"},
        {"'a'", "byte 0"},
        {"{a:1}", "byte"},
        {"100000000000000000000", "too big to be kept exactly at byte 0"},
        {"[-100000000000000000000]", "at byte 1"},
        {"1e999", "too big"},
        {"01", "leading zero at byte 0"},
        {"-01", "leading zero"},
        {"1.", "without digits"},
        {"1e", "exponent"},
        {"-", "byte"},
        {"+1", "byte 0"},
        {".5", "byte 0"},
        {"0x10", "byte"},
        {"NaN", "byte 0"},
        {"-Infinity", "byte 0"},
        {"\"a\nb\"", "control character in a string at byte 2"},
        {"\"a\\u0000b\"", "NUL in a string at byte 2"},
        {"\"a", "without an end"},
        {"\"a\\", "without an end"},
        {"\"\\x\"", "byte"},
        {"\"\\ud800\"", "byte"},
        {"\"\xff\"", "not UTF-8"},
        {"\xef\xbb\xbf{}", "byte 0"},
        {"[\x01]", "byte 1"},
        {"{\"a\":1,\"b\":2,\"a\":3}", "the key \"a\" comes twice"},
        {"[{\"x\":{\"a\":1,\"\\u0061\":3}}]", "the key \"a\" comes twice"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct err err = {.class = ERR_NONE};

        assert_null(parse(wrong[i].text, &err));
        assert_int_equal(err.class, ERR_INPUT);
        if (!strstr(err.msg, wrong[i].says))
            fail_msg("%s: '%s' does not say '%s'", wrong[i].text, err.msg, wrong[i].says);
    }
}

static void a_nul_in_the_text_is_no_end(void **state)
{
    struct err err;

    (void)state;
    assert_null(json_parse("{}\0{}", 5, &err));
    assert_null(json_parse("\"\0\"", 3, &err));
}

static void depth_is_limited(void **state)
{
    cleanup_str struct str text = STR_INIT;
    struct json *json;
    struct err err;

    (void)state;
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        str_putc(&text, '[');
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        str_putc(&text, ']');
    json = parse(str_get(&text), &err);
    assert_non_null(json);
    json_free(json);
    str_clear(&text);
    for (int i = 0; i <= JSON_DEPTH_MAX; i++)
        str_putc(&text, '[');
    assert_null(parse(str_get(&text), &err));
    assert_non_null(strstr(err.msg, "nested too deeply at byte 128"));
}

static void readers_take_wrong_kinds(void **state)
{
    cleanup_json struct json *json = NULL;
    struct err err;

    (void)state;
    json = parse("{\"s\":\"x\",\"S\":2,\"t\":true}", &err);
    assert_int_equal(json_kind(json), JSON_OBJECT);
    assert_int_equal(json_count(json), 3);
    assert_string_equal(json_string(json_get(json, "s")), "x");
    assert_null(json_string(json_get(json, "S")));
    assert_null(json_get(json, "nope"));
    assert_null(json_string(json_get(json, "nope")));
    assert_null(json_get(json_get(json, "nope"), "s"));
    assert_null(json_get(json_get(json, "s"), "s"));
    assert_true(json_bool(json_get(json, "t")));
    assert_false(json_bool(json_get(json, "s")));
}

static void sorted_is_by_bytes(void **state)
{
    const struct json **sorted;
    cleanup_json struct json *json = NULL;
    struct err err;

    (void)state;
    json = parse("{\"b\":0,\"\xc3\xa9\":0,\"B\":0,\"\":0,\"ba\":0}", &err);
    sorted = json_sorted(json);
    assert_string_equal(json_key(sorted[0]), "");
    assert_string_equal(json_key(sorted[1]), "B");
    assert_string_equal(json_key(sorted[2]), "b");
    assert_string_equal(json_key(sorted[3]), "ba");
    assert_string_equal(json_key(sorted[4]), "\xc3\xa9");
    assert_null(sorted[5]);
    free(sorted);
}

static void builds(void **state)
{
    cleanup_json struct json *object = json_new_object();
    cleanup_str struct str out = STR_INIT;
    struct json *array = json_new_array();

    (void)state;
    json_set_string(object, "s", "a\"b");
    json_set(object, "a", array);
    json_append(array, json_new_number(9007199254740991.0));
    json_append(array, json_new_string(""));
    json_print(object, 0, &out);
    assert_string_equal(str_get(&out), "{\"s\":\"a\\\"b\",\"a\":[9007199254740991,\"\"]}");
}

/* ---- paths ---- */

static void values_at_paths(void **state)
{
    cleanup_json struct json *json = json_format(
        "{'a':{'b':{'c':'x','n':1}},'':{'':'e'},'l':[{'c':'y'}],'d.e':'z','s':'t','o':null}");

    (void)state;
    assert_string_equal(json_text(json, "a.b.c"), "x");
    assert_string_equal(json_text(json, "s"), "t");
    assert_ptr_equal(json_at(json, ""), json);
    assert_null(json_text(json, "a.b.n")); /* no string */
    assert_int_equal(json_kind(json_at(json, "a.b.n")), JSON_NUMBER);
    assert_null(json_at(json, "a.b.x"));
    assert_null(json_at(json, "a.x.c"));
    assert_null(json_at(json, "s.t"));
    assert_null(json_at(json, "l.c")); /* lists have no keys */
    assert_null(json_at(json, "d.e")); /* a key with a dot is no path */
    assert_string_equal(json_string(json_get(json, "d.e")), "z");
    assert_non_null(json_at(json, "o"));
    assert_null(json_at(json, "o.x"));
    assert_null(json_at(json, "A.b.c"));
    assert_null(json_at(NULL, "a"));
    assert_null(json_text(NULL, "a.b"));
}

static void numbers(void **state)
{
    cleanup_json struct json *json = json_format("{'n':7,'m':-1.5,'s':'7','t':true}");

    (void)state;
    assert_true(json_number(json_get(json, "n"), 3) == 7);
    assert_true(json_number(json_get(json, "m"), 3) == -1.5);
    assert_true(json_number(json_get(json, "s"), 3) == 3);
    assert_true(json_number(json_get(json, "t"), 3) == 3);
    assert_true(json_number(NULL, 3) == 3);
}

/* ---- comparing and copying ---- */

static void equal_trees(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"1", "1", true},
        {"1", "'1'", false},
        {"1", "2", false},
        {"true", "false", false},
        {"null", "null", true},
        {"null", "false", false},
        {"'a'", "'A'", false},
        {"[]", "{}", false},
        {"[1,2]", "[1,2]", true},
        {"[1,2]", "[2,1]", false},
        {"[1]", "[1,1]", false},
        {"{'a':1,'b':2}", "{'b':2,'a':1}", true},
        {"{'a':1}", "{'A':1}", false},
        {"{'a':1}", "{'a':1,'b':2}", false},
        {"{'a':1,'b':2}", "{'a':1}", false},
        {"{'a':{'b':[{'c':null}]}}", "{'a':{'b':[{'c':null}]}}", true},
        {"{'a':{'b':[{'c':null}]}}", "{'a':{'b':[{}]}}", false},
        {"9007199254740993", "9007199254740993", true},
        {"9007199254740993", "9007199254740992", false},
        {"9007199254740993", "9007199254740992.0", false},
        {"9007199254740993", "'9007199254740993'", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cleanup_json struct json *a = json_format(rows[i].a), *b = json_format(rows[i].b);

        if (json_equal(a, b) != rows[i].equal || json_equal(b, a) != rows[i].equal)
            fail_msg("%s and %s", rows[i].a, rows[i].b);
        assert_true(json_equal(a, a));
        assert_false(json_equal(a, NULL));
        assert_false(json_equal(NULL, b));
    }
    assert_true(json_equal(NULL, NULL));
}

static void copies_are_ones_own(void **state)
{
    cleanup_json struct json *json = json_format("{'a':{'b':1},'c':[2]}");
    cleanup_json struct json *copy = json_copy(json), *part = json_copy(json_get(json, "a"));

    (void)state;
    assert_true(json_equal(copy, json));
    json_put(json_edit(copy, "a"), "b", json_new_bool(true));
    assert_false(json_equal(copy, json));
    assert_true(json_number(json_at(json, "a.b"), 0) == 1);
    assert_null(json_next(part));
}

/* ---- changing ---- */

static void changes(void **state)
{
    cleanup_json struct json *json = json_format("{'a':1,'b':{'c':2},'l':[3,4]}");
    cleanup_json struct json *taken = NULL;
    cleanup_str struct str out = STR_INIT;
    struct json *list;

    (void)state;
    json_put(json, "a", json_new_string("one"));
    json_put(json, "n", json_new_null());
    json_put(json_edit(json, "b"), "d", json_new_bool(false));
    taken = json_take(json_edit(json, "b"), "c");
    assert_true(json_number(taken, 0) == 2);
    assert_null(json_take(json, "c"));
    assert_null(json_edit(json, "b.c"));
    assert_null(json_edit(NULL, "b"));
    list = json_edit(json, "l");
    assert_true(json_number(json_edit_next(json_edit_first(list)), 0) == 4);
    assert_null(json_edit_next(json_edit_next(json_edit_first(list))));
    assert_null(json_edit_first(NULL));
    json_append(list, json_new_object());
    json_put(json_edit_next(json_edit_next(json_edit_first(list))), "x", json_new_number(5));
    json_print(json, 0, &out);
    assert_string_equal(str_get(&out), "{\"a\":\"one\",\"b\":{\"d\":false},"
                                       "\"l\":[3,4,{\"x\":5}],\"n\":null}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back),
        cmocka_unit_test(other_spellings_mean_the_same),
        cmocka_unit_test(indents_like_go),
        cmocka_unit_test(refuses_what_it_could_not_keep),
        cmocka_unit_test(a_nul_in_the_text_is_no_end),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(readers_take_wrong_kinds),
        cmocka_unit_test(sorted_is_by_bytes),
        cmocka_unit_test(builds),
        cmocka_unit_test(values_at_paths),
        cmocka_unit_test(numbers),
        cmocka_unit_test(equal_trees),
        cmocka_unit_test(copies_are_ones_own),
        cmocka_unit_test(changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
