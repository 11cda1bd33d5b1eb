/* SPDX-License-Identifier: Apache-2.0 */
#include "controller_world.h"

/* ---- surroundings ---- */

static void surroundings_differ(void **state)
{
    static const struct {
        const char *name, *before, *after;
        bool differ;
    } rows[] = {
        {"nothing", "{}", "{}", false},
        {"the same", "{'ca':'a','gate':'g'}", "{'ca':'a','gate':'g'}", false},
        {"a bundle comes", "{}", "{'ca':'a'}", true},
        {"a bundle goes", "{'ca':'a'}", "{}", true},
        {"a bundle", "{'ca':'a'}", "{'ca':'b'}", true},
        {"signers", "{'signers':'a '}", "{'signers':'b a '}", true},
        {"a signer", "{'signer':'a'}", "{'signer':'b'}", true},
        {"a host", "{'host':'a'}", "{'host':'b'}", true},
        {"its certificate", "{'cert':'a'}", "{'cert':''}", true},
        {"the gate", "{'gate':'a'}", "{}", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;

        paper_start(&p, "{}", NULL);
        paper_surround(&p, rows[i].before);
        if (paper_surround(&p, rows[i].after) != rows[i].differ)
            fail_msg("%s: they %s", rows[i].name, rows[i].differ ? "are the same" : "differ");
    }
}

/* Whoever looks at them keeps them, whatever comes meanwhile. */
static void surroundings_stay_while_they_are_looked_at(void **state)
{
    cleanup_paper struct paper p;
    struct surroundings *around;

    (void)state;
    paper_start(&p, "{}", NULL);
    around = cache_surroundings(&p.cache);
    paper_surround(&p, "{'ca':'another'}");
    assert_string_equal(around->ca_bundle, "CA");
    surroundings_release(around);
    surroundings_release(NULL);
    around = cache_surroundings(&p.cache);
    assert_string_equal(around->ca_bundle, "another");
    surroundings_release(around);
}

/* ---- memos ---- */

static void memos(void **state)
{
    cleanup_paper struct paper p;
    struct memo *memo;

    (void)state;
    paper_start(&p, "{}", NULL);
    memo = cache_memo(&p.cache, "ns/a");
    assert_int_equal(memo->token, TOKEN_UNKNOWN);
    assert_null(memo->token_version);
    memo->token = TOKEN_GOOD;
    memo->token_version = strdup("7");
    memo->expanded = json_new_object();
    memo->vm_version = strdup("8");
    assert_ptr_equal(cache_memo(&p.cache, "ns/a"), memo);
    assert_ptr_not_equal(cache_memo(&p.cache, "ns/b"), memo);
    cache_forget(&p.cache, "ns/a");
    cache_forget(&p.cache, "ns/a");
    cache_forget(&p.cache, "ns/never");
    assert_int_equal(cache_memo(&p.cache, "ns/a")->token, TOKEN_UNKNOWN);
}

static void assert_users(struct paper *p, const char *want)
{
    cleanup_json struct json *is = cache_users(&p->cache, "ns/a"),
                             *parts = json_format("{'users':%j}", is);
    cleanup_str struct str text = STR_INIT, wanted = STR_INIT;
    cleanup_json struct json *tree = NULL;

    str_printf(&wanted, "{'users':%s}", want);
    tree = json_format(str_get(&wanted));
    json_print(parts, 0, &text);
    if (!json_equal(parts, tree))
        fail_msg("users are %s", str_get(&text));
}

static void many_users_are_any(void **state)
{
    cleanup_paper struct paper p;
    cleanup_json struct json *users = NULL;

    (void)state;
    paper_start(&p, "{}", NULL);
    for (int i = 0; i < 100; i++) {
        char uid[16];

        snprintf(uid, sizeof(uid), "u%d", i);
        cache_touch(&p.cache, "ns/a", uid);
    }
    users = cache_users(&p.cache, "ns/a");
    assert_int_equal(json_count(users), CACHE_USERS_MAX + 1);
}

static void touches(void **state)
{
    cleanup_paper struct paper p;
    cleanup_json struct json *two = NULL, *three = json_format("{'users':['u3']}");

    (void)state;
    paper_start(&p, "{}", NULL);
    assert_false(cache_any_touched(&p.cache));
    assert_users(&p, "null");
    cache_touch(&p.cache, "ns/a", "u1");
    cache_touch(&p.cache, "ns/a", "u2");
    cache_touch(&p.cache, "ns/a", "u1");
    cache_touch(&p.cache, "ns/b", "u1");
    assert_users(&p, "['u1','u2']");
    assert_true(cache_any_touched(&p.cache));
    two = cache_users(&p.cache, "ns/a");
    cache_touch(&p.cache, "ns/a", "u3"); /* while a status with two of them is written */
    cache_untouch(&p.cache, "ns/a", two);
    assert_users(&p, "['u3']");
    cache_untouch(&p.cache, "ns/a", NULL);
    assert_users(&p, "['u3']");
    cache_untouch(&p.cache, "ns/a", json_get(three, "users"));
    assert_users(&p, "null");
    assert_true(cache_any_touched(&p.cache));
    cache_forget(&p.cache, "ns/b");
    assert_false(cache_any_touched(&p.cache));
    cache_forget(&p.cache, "ns/a");
    assert_false(cache_any_touched(&p.cache));
}

/* ---- the world that is seen of it ---- */

static void a_world_is_the_same_until_it_is_refreshed(void **state)
{
    cleanup_paper struct paper p;
    struct world world;

    (void)state;
    paper_start(&p, "{}", EXPORT_PVC "," PVC("disk"));
    assert_false(world_open(&world, &p.cache, "ns/other", NOW));
    world_close(&world);
    assert_false(world_open(&world, &p.cache, "other/e", NOW));
    world_close(&world);
    paper_open(&p);
    assert_string_equal(p.world.ns, "ns");
    assert_string_equal(p.world.name, "e");
    assert_non_null(world_get(&p.world, KIND_PVC, "disk"));
    assert_null(world_get(&p.world, KIND_PVC, "data"));
    paper_remove(&p, "PersistentVolumeClaim", "disk");
    paper_add(&p, PVC("data"));
    assert_non_null(world_get(&p.world, KIND_PVC, "disk"));
    assert_null(world_get(&p.world, KIND_PVC, "data"));
    assert_null(world_get_in(&p.world, KIND_PVC, "elsewhere", "disk"));
    world_refresh(&p.world);
    assert_null(world_get(&p.world, KIND_PVC, "disk"));
    assert_non_null(world_get(&p.world, KIND_PVC, "data"));
    assert_string_equal(json_text(p.world.export, "metadata.name"), "e");
    assert_ptr_equal(world_get(&p.world, KIND_EXPORT, "e"), p.world.export);
}

static void a_world_knows_its_own(void **state)
{
    static const struct {
        const char *object;
        bool owns;
    } rows[] = {
        {"{'metadata':{'ownerReferences':[{'uid':'uid-1','controller':true}]}}", true},
        {"{'metadata':{'ownerReferences':[{'uid':'x'},{'uid':'uid-1','controller':true}]}}", true},
        {"{'metadata':{'ownerReferences':[{'uid':'uid-1'}]}}", false},
        {"{'metadata':{'ownerReferences':[{'uid':'x','controller':true}]}}", false},
        {"{'metadata':{}}", false},
        {"{}", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cleanup_paper struct paper p;
        cleanup_json struct json *object = json_format(rows[i].object);

        paper_start(&p, "{}", EXPORT_PVC);
        paper_open(&p);
        assert_int_equal(world_owns(&p.world, object), rows[i].owns);
        assert_false(world_owns(&p.world, NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(surroundings_differ),
        cmocka_unit_test(surroundings_stay_while_they_are_looked_at),
        cmocka_unit_test(memos),
        cmocka_unit_test(touches),
        cmocka_unit_test(many_users_are_any),
        cmocka_unit_test(a_world_is_the_same_until_it_is_refreshed),
        cmocka_unit_test(a_world_knows_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
