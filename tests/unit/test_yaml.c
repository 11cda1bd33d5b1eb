/* SPDX-License-Identifier: Apache-2.0 */
/* What is written is read back by libyaml's own parser and compared with the tree. */
#include "base/cleanup.h"
#include "base/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <yaml.h>

static struct json *parse(const char *text)
{
    struct err err = {.msg = ""};
    struct json *json = json_parse(text, strlen(text), &err);

    if (!json)
        fail_msg("%s: %s", text, err.msg);
    return json;
}

static void assert_yaml(const char *json_text, const char *expected)
{
    cleanup_str struct str out = STR_INIT;
    cleanup_json struct json *json = parse(json_text);
    struct err err;

    assert_int_equal(yaml_print(json, &out, &err), 0);
    assert_string_equal(str_get(&out), expected);
}

/* ---- reading back ---- */

static void next(yaml_parser_t *parser, yaml_event_t *event, yaml_event_type_t type)
{
    if (!yaml_parser_parse(parser, event))
        fail_msg("libyaml: %s", parser->problem);
    assert_int_equal(event->type, type);
}

static void pass(yaml_parser_t *parser, yaml_event_type_t type)
{
    yaml_event_t event;

    next(parser, &event, type);
    yaml_event_delete(&event);
}

static void compare_scalar(yaml_parser_t *parser, const char *text, bool is_string)
{
    yaml_event_t event;

    next(parser, &event, YAML_SCALAR_EVENT);
    assert_int_equal(event.data.scalar.length, strlen(text));
    assert_string_equal((const char *)event.data.scalar.value, text);
    if (!is_string)
        assert_int_equal(event.data.scalar.style, YAML_PLAIN_SCALAR_STYLE);
    yaml_event_delete(&event);
}

static void compare(yaml_parser_t *parser, const struct json *json)
{
    cleanup_free const struct json **sorted = NULL;
    cleanup_str struct str text = STR_INIT;

    switch (json_kind(json)) {
    case JSON_OBJECT:
        sorted = json_sorted(json);
        pass(parser, YAML_MAPPING_START_EVENT);
        for (size_t i = 0; sorted[i]; i++) {
            compare_scalar(parser, json_key(sorted[i]), true);
            compare(parser, sorted[i]);
        }
        pass(parser, YAML_MAPPING_END_EVENT);
        break;
    case JSON_ARRAY:
        pass(parser, YAML_SEQUENCE_START_EVENT);
        for (const struct json *value = json_first(json); value; value = json_next(value))
            compare(parser, value);
        pass(parser, YAML_SEQUENCE_END_EVENT);
        break;
    case JSON_STRING:
        compare_scalar(parser, json_string(json), true);
        break;
    default:
        json_print(json, 0, &text);
        compare_scalar(parser, str_get(&text), false);
    }
}

static void assert_round_trip(const struct json *json)
{
    cleanup_str struct str out = STR_INIT;
    yaml_parser_t parser;
    struct err err;

    assert_int_equal(yaml_print(json, &out, &err), 0);
    assert_true(str_ends(str_get(&out), "\n"));
    str_puts(&out, "---\n"); /* as the manifests are joined */
    assert_true(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (const unsigned char *)out.data, out.len);
    pass(&parser, YAML_STREAM_START_EVENT);
    pass(&parser, YAML_DOCUMENT_START_EVENT);
    compare(&parser, json);
    pass(&parser, YAML_DOCUMENT_END_EVENT);
    yaml_parser_delete(&parser);
}

/* ---- tests ---- */

static void lays_out_blocks_with_sorted_keys(void **state)
{
    (void)state;
    assert_yaml("{\"kind\":\"VM\",\"b\":{\"z\":null,\"B\":true},\"a\":[1,{\"y\":[],\"x\":{}},[2]]}",
                "a:\n"
                "- 1\n"
                "- x: {}\n"
                "  \"y\": []\n"
                "- - 2\n"
                "b:\n"
                "  B: true\n"
                "  z: null\n"
                "kind: VM\n");
}

static void lines_become_a_literal_block(void **state)
{
    (void)state;
    assert_yaml(
        "{\"ca\":\"-----BEGIN-----\\nab:c #d\\n\\n  e\\n-----END-----\\n\",\"z\":\"a\\nb\"}",
        "ca: |\n"
        "  -----BEGIN-----\n"
        "  ab:c #d\n"
        "\n"
        "    e\n"
        "  -----END-----\n"
        "z: |-\n"
        "  a\n"
        "  b\n");
}

static void harmless_strings_are_plain(void **state)
{
    static const char *const texts[] = {
        "a",           "disk.img",        "kubevirt.io/v1", "/dev/vda", "https://h:1/p",
        "Hello World", "virt-export-x_y", "yesterday",      "nullable", "e1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        cleanup_str struct str json = STR_INIT, yaml = STR_INIT;

        str_printf(&json, "{\"k\":\"%s\"}", texts[i]);
        str_printf(&yaml, "k: %s\n", texts[i]);
        assert_yaml(str_get(&json), str_get(&yaml));
    }
}

/* Each means something else, or might, to a reader of YAML 1.1 or 1.2 when it stands plain. */
static void strings_that_look_like_more_are_quoted(void **state)
{
    static const char *const texts[] = {
        "",      "y",     "N",          "yes",
        "No",    "ON",    "off",        "True",
        "FALSE", "null",  "~",          "0",
        "4Gi",   "1e3",   "0x1F",       "0o17",
        "017",   "1_000", "12:30",      ".inf",
        ".NaN",  "-.INF", "+1",         "-1",
        "1.5",   "=",     "<<",         "- a",
        "a: b",  "a:",    "a #b",       "a ",
        " a",    "#a",    "[a]",        "{a}",
        "a, b",  "&a",    "*a",         "!a",
        "|",     ">",     "%a",         "@a",
        "`a",    "'a'",   "?",          "-",
        "---",   "...",   "2001-01-01", "02:00:00:00:00:01",
        "null ", "nan",   "b:",         "a -b",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        cleanup_str struct str json = STR_INIT, yaml = STR_INIT;

        str_printf(&json, "{\"%s\":\"%s\"}", texts[i], texts[i]);
        str_printf(&yaml, "\"%s\": \"%s\"\n", texts[i], texts[i]);
        assert_yaml(str_get(&json), str_get(&yaml));
    }
}

static void numbers_stay_numbers(void **state)
{
    (void)state;
    assert_yaml("{\"a\":1e21,\"b\":1.5e-7,\"c\":-3,\"d\":9007199254740991}",
                "a: 1.0e+21\nb: 1.5e-07\nc: -3\nd: 9007199254740991\n");
    assert_yaml("{\"a\":9223372036854775807,\"b\":-9007199254740993}",
                "a: 9223372036854775807\nb: -9007199254740993\n");
}

static void odd_strings_round_trip(void **state)
{
    static const char *const texts[] = {
        "\n",
        "\n\n",
        "a\n\n",
        "\na",
        " a\nb",
        "\ta\nb",
        "a\n b\n  c",
        "a\n\tb\n",
        "a \n b \n",
        "a\n \nb",
        "a\n  ",
        "a\r\nb",
        "a\r",
        "---\na",
        "a\n---\nb\n",
        "a\n...\nb",
        "# a\nb",
        "a: b\nc: d\n",
        "%YAML\na",
        "\xc3\xa9\n\xf0\x9f\x98\x80\n",
        "a\xc2\x85"
        "b\nc",
        "a\n\xe2\x80\xa8"
        "b",
        "a\n\xef\xbb\xbf"
        "b",
        "a\x7f\nb",
        "a\x01\x1b\nb",
        "\\n\"'",
        "\xef\xbf\xbe\nx",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        cleanup_json struct json *object = json_new_object();
        struct json *array = json_new_array();

        json_set_string(object, "first", texts[i]);
        json_set_string(object, texts[i], "as a key");
        json_append(array, json_new_string(texts[i]));
        json_append(array, json_new_string("x"));
        json_set(object, "list", array);
        json_set_string(object, "\xf4\x8f\xbf\xbd the last", texts[i]);
        assert_round_trip(object);
    }
}

static void long_strings_are_not_folded(void **state)
{
    cleanup_str struct str text = STR_INIT;
    cleanup_json struct json *object = json_new_object();

    (void)state;
    for (int i = 0; i < 2000; i++)
        str_puts(&text, "words and ");
    json_set_string(object, "k", str_get(&text));
    json_set_string(object, str_get(&text), "v");
    str_puts(&text, "\nend");
    json_set_string(object, "l", str_get(&text));
    assert_round_trip(object);
}

/* Strings of characters that mean something to YAML, in an order that is the same in each run. */
static void strings_at_random_round_trip(void **state)
{
    static const char letters[] = "a \n\n-:#|>'\"\\[]{},&*!%@`?~=0.\t_/";
    cleanup_json struct json *object = json_new_object();
    uint32_t random = 1;

    (void)state;
    for (int i = 0; i < 5000; i++) {
        char text[16] = "", key[16];

        for (int k = 0; k < 1 + i % 12; k++) {
            random = random * 1664525 + 1013904223;
            text[k] = letters[(random >> 16) % (sizeof(letters) - 1)];
        }
        snprintf(key, sizeof(key), "k%d", i);
        json_set_string(object, key, text);
        if (!json_get(object, text))
            json_set_string(object, text, key);
    }
    assert_round_trip(object);
}

static void scalars_alone_are_documents(void **state)
{
    static const char *const texts[] = {"1", "null", "\"a\"", "\"a\\nb\\n\"", "\"a\\nb\"", "[]"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        cleanup_json struct json *json = parse(texts[i]);

        assert_round_trip(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lays_out_blocks_with_sorted_keys),
        cmocka_unit_test(lines_become_a_literal_block),
        cmocka_unit_test(harmless_strings_are_plain),
        cmocka_unit_test(strings_that_look_like_more_are_quoted),
        cmocka_unit_test(numbers_stay_numbers),
        cmocka_unit_test(odd_strings_round_trip),
        cmocka_unit_test(long_strings_are_not_folded),
        cmocka_unit_test(strings_at_random_round_trip),
        cmocka_unit_test(scalars_alone_are_documents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
