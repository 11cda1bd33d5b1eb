/* SPDX-License-Identifier: Apache-2.0 */
#include "json_merge.h"

static struct json *change(const struct json *from, const struct json *to)
{
    if (json_kind(from) == JSON_OBJECT && json_kind(to) == JSON_OBJECT)
        return json_merge_patch(from, to);
    return json_copy(to);
}

struct json *json_merge_patch(const struct json *from, const struct json *to)
{
    struct json *patch = json_new_object();

    for (const struct json *old = json_first(from); old; old = json_next(old))
        if (!json_get(to, json_key(old)))
            json_set(patch, json_key(old), json_new_null());
    for (const struct json *new = json_first(to); new; new = json_next(new)) {
        const struct json *old = json_get(from, json_key(new));

        if (!old || !json_equal(old, new))
            json_set(patch, json_key(new), change(old, new));
    }
    return patch;
}
