/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_merge.h"
#include "support.h"

/* RFC 7396 §2, what a server does with a patch. */
static struct json *apply(const struct json *target, const struct json *patch)
{
    struct json *out;

    if (json_kind(patch) != JSON_OBJECT)
        return json_copy(patch);
    out = json_kind(target) == JSON_OBJECT ? json_copy(target) : json_new_object();
    for (const struct json *v = json_first(patch); v; v = json_next(v)) {
        struct json *old = json_take(out, json_key(v));

        if (json_kind(v) != JSON_NULL)
            json_set(out, json_key(v), apply(old, v));
        json_free(old);
    }
    return out;
}

static void patches(void **state)
{
    static const struct {
        const char *from, *to, *patch;
    } rows[] = {
        {"{}", "{}", "{}"},
        {"{'a':1}", "{'a':1}", "{}"},
        {"{'a':1,'b':2}", "{'b':2,'a':1}", "{}"},
        {"{}", "{'a':1}", "{'a':1}"},
        {"{'a':1}", "{}", "{'a':null}"},
        {"{'a':1}", "{'a':2}", "{'a':2}"},
        {"{'a':'1'}", "{'a':1}", "{'a':1}"},
        {"{'a':1,'b':2,'c':3}", "{'b':2,'c':4}", "{'a':null,'c':4}"},
        {"{'a':{'b':1,'c':2}}", "{'a':{'b':1,'c':3}}", "{'a':{'c':3}}"},
        {"{'a':{'b':1}}", "{'a':{}}", "{'a':{'b':null}}"},
        {"{'a':{'b':{'c':1,'d':2}}}", "{'a':{'b':{'c':1}}}", "{'a':{'b':{'d':null}}}"},
        {"{'a':{'b':1}}", "{'a':[1]}", "{'a':[1]}"},
        {"{'a':[1]}", "{'a':{'b':1}}", "{'a':{'b':1}}"},
        {"{'a':'x'}", "{'a':{'b':{}}}", "{'a':{'b':{}}}"},
        {"{'a':[1,2]}", "{'a':[1]}", "{'a':[1]}"},
        {"{'a':[{'b':1}]}", "{'a':[{'b':1}]}", "{}"},
        {"{'a':[]}", "{'a':[{'b':null}]}", "{'a':[{'b':null}]}"},
        {"{'a':true}", "{'a':false}", "{'a':false}"},
        {"{'a.b':1}", "{'a.b':2}", "{'a.b':2}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_json struct json *from = json_format(rows[i].from), *to = json_format(rows[i].to);
        cleanup_json struct json *want = json_format(rows[i].patch);
        cleanup_json struct json *is = json_merge_patch(from, to), *after = apply(from, is);
        cleanup_str struct str text = STR_INIT;

        json_print(is, 0, &text);
        if (!json_equal(is, want))
            fail_msg("%s to %s: %s", rows[i].from, rows[i].to, str_get(&text));
        assert_true(json_equal(after, to));
    }
}

/* As a status that is not there yet. */
static void from_nothing(void **state)
{
    cleanup_json struct json *to = json_format("{'a':{'b':1}}");
    cleanup_json struct json *patch = json_merge_patch(NULL, to);

    (void)state;
    assert_true(json_equal(patch, to));
}

/* ---- any two trees ---- */

static struct json *any(uint32_t *seed, unsigned depth)
{
    static const char *const keys[] = {"a", "b", "c", "d"};
    struct json *out;

    switch (noise_next(seed) >> 8 & (depth ? 3 : 1)) {
    case 0:
        return json_new_number(noise_next(seed) >> 8 & 1);
    case 1:
        return json_new_string(noise_next(seed) >> 8 & 1 ? "x" : "y");
    case 2:
        out = json_new_array();
        while (noise_next(seed) >> 8 & 1)
            json_append(out, any(seed, depth - 1));
        return out;
    default:
        out = json_new_object();
        for (size_t i = 0; i < COUNT(keys); i++)
            if (noise_next(seed) >> 8 & 1)
                json_set(out, keys[i], any(seed, depth - 1));
        return out;
    }
}

static struct json *any_object(uint32_t *seed)
{
    struct json *out = json_new_object();

    json_set(out, "k", any(seed, 4));
    if (noise_next(seed) >> 8 & 1)
        json_set(out, "l", any(seed, 4));
    return out;
}

static void a_patch_makes_one_of_the_other(void **state)
{
    uint32_t seed = 7396;

    (void)state;
    for (int i = 0; i < 2000; i++) {
        cleanup_json struct json *from = any_object(&seed), *to = any_object(&seed);
        cleanup_json struct json *patch = json_merge_patch(from, to), *after = apply(from, patch);
        cleanup_json struct json *none = json_merge_patch(after, to);

        assert_true(json_equal(after, to));
        assert_null(json_first(none));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patches),
        cmocka_unit_test(from_nothing),
        cmocka_unit_test(a_patch_makes_one_of_the_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
