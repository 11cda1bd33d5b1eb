/* SPDX-License-Identifier: Apache-2.0 */
/* What was parsed, printed and parsed again prints the same. */
#include "base/json.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_str struct str text = STR_INIT, first = STR_INIT, second = STR_INIT, wide = STR_INIT;
    cleanup_json struct json *json = NULL, *again = NULL;
    struct err err = {.class = ERR_NONE};

    str_append(&text, data, size);
    json = json_parse(text.data, text.len, &err);
    if (!json) {
        MUST(err.class == ERR_INPUT && *err.msg);
        return 0;
    }
    json_print(json, 0, &first);
    MUST(str_is_utf8(str_get(&first)));
    again = json_parse(first.data, first.len, &err);
    MUST(again);
    json_print(again, 0, &second);
    MUST(strcmp(str_get(&first), str_get(&second)) == 0);
    json_print(json, 4, &wide);
    json_free(again);
    again = json_parse(wide.data, wide.len, &err);
    MUST(again);
    str_clear(&second);
    json_print(again, 0, &second);
    MUST(strcmp(str_get(&first), str_get(&second)) == 0);
    return 0;
}
