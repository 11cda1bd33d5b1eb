/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON, as YAML, read by libyaml's parser and by ours: the same tree again. And any text as YAML:
 * what is taken is a tree that JSON and YAML both keep.
 */
#include "base/json.h"
#include "base/yaml.h"
#include "fuzz.h"

#include <yaml.h>

static void scalar(yaml_node_t *node, const char *text, bool string)
{
    MUST(node && node->type == YAML_SCALAR_NODE);
    MUST(!string || strcmp((char *)node->data.scalar.value, text) == 0);
    MUST(string || node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE);
}

static void compare(yaml_document_t *doc, int index, const struct json *json)
{
    yaml_node_t *node = yaml_document_get_node(doc, index);
    cleanup_free const struct json **sorted = NULL;
    size_t i = 0;

    MUST(node);
    if (json_kind(json) == JSON_OBJECT) {
        sorted = json_sorted(json);
        MUST(node->type == YAML_MAPPING_NODE);
        for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top;
             p++, i++) {
            scalar(yaml_document_get_node(doc, p->key), json_key(sorted[i]), true);
            compare(doc, p->value, sorted[i]);
        }
        MUST(i == json_count(json));
    } else if (json_kind(json) == JSON_ARRAY) {
        MUST(node->type == YAML_SEQUENCE_NODE);
        for (const struct json *v = json_first(json); v; v = json_next(v), i++)
            compare(doc, node->data.sequence.items.start[i], v);
        MUST((ptrdiff_t)i == node->data.sequence.items.top - node->data.sequence.items.start);
    } else {
        scalar(node, json_string(json), json_kind(json) == JSON_STRING);
    }
}

static void compare_with_libyaml(const struct str *yaml, const struct json *json)
{
    yaml_document_t doc;
    yaml_parser_t parser;

    MUST(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (unsigned char *)yaml->data, yaml->len);
    MUST(yaml_parser_load(&parser, &doc));
    compare(&doc, 1, json);
    yaml_document_delete(&doc);
    yaml_parser_delete(&parser);
}

/* Whether `json` survives being printed as YAML and read again. */
static void round_trip(const struct json *json, bool from_json)
{
    cleanup_str struct str yaml = STR_INIT;
    cleanup_json struct json *again = NULL;
    struct err err;

    MUST(yaml_print(json, &yaml, &err) == 0);
    if (from_json)
        compare_with_libyaml(&yaml, json);
    again = yaml_parse(yaml.data, yaml.len, &err);
    MUST(again && json_equal(json, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_str struct str text = STR_INIT, plain = STR_INIT;
    cleanup_json struct json *json = NULL, *yaml = NULL, *again = NULL;
    struct err err = {.class = ERR_NONE};

    str_append(&text, data, size);
    json = json_parse(text.data, text.len, &err);
    if (json)
        round_trip(json, true);
    err.class = ERR_NONE;
    yaml = yaml_parse(text.data, text.len, &err);
    MUST(yaml || (err.class == ERR_INPUT && *err.msg));
    if (!yaml)
        return 0;
    round_trip(yaml, false);
    json_print(yaml, 0, &plain);
    again = json_parse(plain.data, plain.len, &err);
    MUST(again && json_equal(yaml, again));
    return 0;
}
