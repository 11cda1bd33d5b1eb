/* SPDX-License-Identifier: Apache-2.0 */
/* JSON, as YAML, read by libyaml's parser: the same tree again. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_str struct str text = STR_INIT, yaml = STR_INIT;
    cleanup_json struct json *json = NULL;
    yaml_document_t doc;
    yaml_parser_t parser;
    struct err err;

    str_append(&text, data, size);
    json = json_parse(text.data, text.len, &err);
    if (!json)
        return 0;
    MUST(yaml_print(json, &yaml, &err) == 0);
    MUST(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (unsigned char *)yaml.data, yaml.len);
    MUST(yaml_parser_load(&parser, &doc));
    compare(&doc, 1, json);
    yaml_document_delete(&doc);
    yaml_parser_delete(&parser);
    return 0;
}
