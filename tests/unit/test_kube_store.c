/* SPDX-License-Identifier: Apache-2.0 */
/* Objects are written as "namespace/name=value,value@version": the values are those of its one
 * index, and most have no version. */
#include "base/cleanup.h"
#include "kube/store.h"
#include "support.h"

#include <pthread.h>

enum { BY_VALUE, BY_NAME };

static struct kube_store *store;
static bool shared;     /* with threads that write */
static struct str told; /* "+a b" came, "~a b" changed, "-a" went, each with ';' */

static struct json *object_of(const char *text)
{
    cleanup_free char *copy = strdup(text);
    char *values = strchr(copy, '='), *name = strchr(copy, '/'), *version = strchr(copy, '@');
    struct json *object = json_format("{'kind': 'Thing', 'metadata': {'managedFields': [1]}}");
    struct json *metadata = json_edit(object, "metadata"), *list = json_new_array();

    if (version) {
        *version++ = '\0';
        json_set_string(metadata, "resourceVersion", version);
    }
    if (values)
        *values++ = '\0';
    if (name) {
        *name++ = '\0';
        json_set_string(metadata, "namespace", copy);
    }
    json_set_string(metadata, "name", name ? name : copy);
    for (char *value = values ? strtok(values, ",") : NULL; value; value = strtok(NULL, ","))
        json_append(list, json_new_string(value));
    json_set(object, "values", list);
    return object;
}

static void put_object(struct str *out, const struct json *object)
{
    const char *ns = json_text(object, "metadata.namespace");

    str_printf(out, "%s%s%s", ns ? ns : "", ns ? "/" : "", json_text(object, "metadata.name"));
    for (const struct json *v = json_first(json_get(object, "values")); v; v = json_next(v))
        str_printf(out, "%c%s", v == json_first(json_get(object, "values")) ? '=' : ',',
                   json_string(v));
}

static void by_value(const struct json *kept, struct kube_values *values)
{
    for (const struct json *v = json_first(json_get(kept, "values")); v; v = json_next(v))
        kube_values_add(values, json_string(v));
}

static void by_name(const struct json *kept, struct kube_values *values)
{
    kube_values_add(values, json_text(kept, "metadata.name"));
}

/* The listener reads the store, as a program's does. */
static void change(void *ctx, const struct json *before, const struct json *after)
{
    const struct json *object = after ? after : before;
    cleanup_json struct json *now = kube_store_get(store, json_text(object, "metadata.namespace"),
                                                   json_text(object, "metadata.name"));

    assert_ptr_equal(ctx, &store);
    assert_true(shared || json_equal(now, after));
    str_putc(&told, !before ? '+' : !after ? '-' : '~');
    put_object(&told, object);
    str_putc(&told, ';');
}

/* Nothing is kept of what has the value "none". */
static struct json *keep(void *ctx, const struct json *object)
{
    (void)ctx;
    for (const struct json *v = json_first(json_get(object, "values")); v; v = json_next(v))
        if (strcmp(json_string(v), "none") == 0)
            return NULL;
    return json_format("{'metadata': {'namespace': %s, 'name': %s}, 'values': %j}",
                       json_text(object, "metadata.namespace"), json_text(object, "metadata.name"),
                       json_get(object, "values"));
}

static int set_up(void **state)
{
    const struct kube_store_config config = {
        .keep = keep, .indexes = {by_value, by_name}, .change = change, .ctx = &store};

    (void)state;
    store = kube_store_new(&config);
    str_clear(&told);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kube_store_free(store);
    kube_store_free(NULL);
    str_free(&told);
    return 0;
}

static void put(const char *text)
{
    cleanup_json struct json *object = object_of(text);

    kube_store_put(store, object);
}

static void remove_one(const char *text)
{
    cleanup_json struct json *object = object_of(text);

    kube_store_remove(store, object);
}

static void assert_told(const char *want)
{
    assert_string_equal(str_get(&told), want);
    str_clear(&told);
}

/* Frees the array. */
static void assert_objects(struct json *array, const char *want)
{
    cleanup_str struct str got = STR_INIT;

    for (const struct json *object = json_first(array); object; object = json_next(object)) {
        put_object(&got, object);
        str_putc(&got, ';');
    }
    json_free(array);
    assert_string_equal(str_get(&got), want);
}

static void assert_all(const char *want)
{
    assert_objects(kube_store_all(store), want);
}

/* ---- the watch's side and readers ---- */

static void objects_come_change_and_go(void **state)
{
    cleanup_json struct json *none = NULL;

    (void)state;
    assert_all("");
    put("ns/b=x");
    put("ns/a=x,y");
    put("c");
    assert_told("+ns/b=x;+ns/a=x,y;+c;");
    assert_all("c;ns/a=x,y;ns/b=x;");
    assert_int_equal(kube_store_count(store), 3);
    put("ns/a=x,y");
    assert_told("");
    put("ns/a=y,z");
    assert_told("~ns/a=y,z;");
    remove_one("ns/b=older");
    assert_told("-ns/b=x;"); /* as it was known, not as it went */
    remove_one("ns/b");
    remove_one("ns/never");
    assert_told("");
    assert_all("c;ns/a=y,z;");
    none = kube_store_get(store, "ns", "c");
    assert_null(none);
    none = kube_store_get(store, NULL, "c");
    assert_non_null(none);
}

static void indexes(void **state)
{
    (void)state;
    put("n/b=x");
    put("n/c=x,x,y");
    put("n/a=x");
    assert_objects(kube_store_find(store, BY_VALUE, "x"), "n/a=x;n/b=x;n/c=x,x,y;");
    assert_objects(kube_store_find(store, BY_VALUE, "y"), "n/c=x,x,y;");
    assert_objects(kube_store_find(store, BY_VALUE, "z"), "");
    assert_objects(kube_store_find(store, BY_NAME, "b"), "n/b=x;");
    put("n/c=z");
    put("m/b=z");
    assert_objects(kube_store_find(store, BY_VALUE, "x"), "n/a=x;n/b=x;");
    assert_objects(kube_store_find(store, BY_VALUE, "z"), "m/b=z;n/c=z;");
    assert_objects(kube_store_find(store, BY_NAME, "b"), "m/b=z;n/b=x;");
    assert_false(kube_store_has(store, BY_VALUE, "y"));
    remove_one("n/a");
    assert_true(kube_store_has(store, BY_VALUE, "x"));
    remove_one("n/b");
    assert_false(kube_store_has(store, BY_VALUE, "x"));
    assert_objects(kube_store_find(store, BY_VALUE, "x"), "");
}

static void what_is_not_kept_is_not_there(void **state)
{
    (void)state;
    put("n/a=none");
    assert_told("");
    put("n/a=x");
    put("n/a=none");
    assert_told("+n/a=x;-n/a=x;");
    assert_all("");
}

static void all_but_managed_fields_is_kept_unless_asked_otherwise(void **state)
{
    const struct kube_store_config config = {.keep = NULL};
    struct kube_store *plain = kube_store_new(&config);
    cleanup_json struct json *in = object_of("n/a=x"), *out = NULL, *nameless = NULL;

    (void)state;
    kube_store_put(plain, in);
    out = kube_store_get(plain, "n", "a");
    json_free(json_take(json_edit(in, "metadata"), "managedFields"));
    assert_true(json_equal(in, out));
    nameless = json_format("{'metadata': {'namespace': 'n'}}");
    kube_store_put(plain, nameless);
    kube_store_remove(plain, nameless);
    assert_int_equal(kube_store_count(plain), 1);
    kube_store_free(plain);
}

/* A list's items have their keys in another order than a watch's objects. */
static void the_order_of_keys_is_no_change(void **state)
{
    unsigned changes = 0;
    const struct kube_store_config config = {.ctx = &changes};
    struct kube_store *plain = kube_store_new(&config);
    cleanup_json struct json *one = json_format("{'kind': 'K', 'metadata': {'name': 'a'}}");
    cleanup_json struct json *other = json_format("{'metadata': {'name': 'a'}, 'kind': 'K'}");
    cleanup_json struct json *got = NULL;

    (void)state;
    kube_store_put(plain, one);
    kube_store_put(plain, other);
    got = kube_store_get(plain, NULL, "a");
    assert_string_equal(json_key(json_first(got)), "kind");
    kube_store_free(plain);
}

/* ---- lists ---- */

static void a_list_replaces(void **state)
{
    (void)state;
    put("n/a=x");
    put("n/b=x");
    put("n/c=x");
    str_clear(&told);
    kube_store_replace_begin(store);
    put("n/a=x");
    put("n/c=y");
    put("n/d=x");
    assert_told("~n/c=y;+n/d=x;");
    assert_all("n/a=x;n/b=x;n/c=y;n/d=x;");
    kube_store_replace_end(store);
    assert_told("-n/b=x;");
    assert_all("n/a=x;n/c=y;n/d=x;");
    kube_store_replace_begin(store);
    remove_one("n/a");
    put("n/c=none");
    str_clear(&told);
    kube_store_replace_end(store);
    assert_told("-n/d=x;");
    assert_all("");
}

static void a_list_that_breaks_off(void **state)
{
    (void)state;
    put("n/a=x");
    put("n/b=x");
    kube_store_replace_begin(store);
    put("n/b=y");
    kube_store_replace_cancel(store);
    assert_all("n/a=x;n/b=y;");
    kube_store_replace_begin(store);
    put("n/a=x");
    str_clear(&told);
    kube_store_replace_end(store); /* the first try's n/b is not this one's */
    assert_told("-n/b=y;");
}

/* ---- own writes ---- */

static void commit(struct kube_store_write *write, const char *text)
{
    cleanup_json struct json *object = object_of(text);

    kube_store_commit(write, object, false);
}

static void an_answer_is_seen_at_once(void **state)
{
    (void)state;
    commit(kube_store_begin(store, "n", "a"), "n/a=x");
    assert_all("n/a=x;");
    assert_objects(kube_store_find(store, BY_VALUE, "x"), "n/a=x;");
    commit(kube_store_begin(store, "n", "a"), "n/a=y");
    assert_objects(kube_store_find(store, BY_VALUE, "x"), "");
    put("n/a=y"); /* the watch has nothing new to say */
    assert_told("");
    kube_store_commit(kube_store_begin(store, "n", "a"), NULL, false);
    assert_all("n/a=y;");
    kube_store_commit(kube_store_begin(store, "n", "a"), NULL, true);
    kube_store_commit(kube_store_begin(store, "n", "b"), NULL, true);
    assert_all("");
    remove_one("n/a");
    assert_told("");
}

static void the_watch_wins(void **state)
{
    struct kube_store_write *one = kube_store_begin(store, "n", "a");
    struct kube_store_write *two = kube_store_begin(store, "n", "b");
    struct kube_store_write *three = kube_store_begin(store, "n", "c");

    (void)state;
    put("n/a=new");
    remove_one("n/c");
    commit(one, "n/a=old");
    commit(three, "n/c=old");
    commit(two, "n/b=x");
    assert_all("n/a=new;n/b=x;");
    commit(kube_store_begin(store, "n", "a"), "n/a=newer");
    assert_all("n/a=newer;n/b=x;");
}

static void versions_are_known(void **state)
{
    (void)state;
    assert_false(kube_store_knows(store, "n", "a", "8"));
    put("n/a=x@8");
    put("b=x");
    commit(kube_store_begin(store, "n", "c"), "n/c=x@9");
    assert_true(kube_store_knows(store, "n", "a", "8"));
    assert_true(kube_store_knows(store, "n", "c", "9"));
    assert_false(kube_store_knows(store, "n", "a", "7"));
    assert_false(kube_store_knows(store, "n", "a", "9"));
    assert_false(kube_store_knows(store, "", "a", "8"));
    assert_false(kube_store_knows(store, "", "b", ""));
    assert_false(kube_store_knows(store, "", "b", "x"));
    put("n/a=x@10");
    assert_false(kube_store_knows(store, "n", "a", "8"));
    assert_true(kube_store_knows(store, "n", "a", "10"));
    kube_store_replace_begin(store); /* whatever comes now has to be put */
    assert_false(kube_store_knows(store, "n", "a", "10"));
    kube_store_replace_cancel(store);
    assert_true(kube_store_knows(store, "n", "a", "10"));
    remove_one("n/a@11");
    assert_false(kube_store_knows(store, "n", "a", "10"));
}

/* Events may come later than the answer to a write that was made after them. */
static void what_is_older_than_an_answer_is_passed_over(void **state)
{
    (void)state;
    put("n/a=x@8");
    commit(kube_store_begin(store, "n", "a"), "n/a=y@10");
    assert_told("+n/a=x;");
    put("n/a=z@9");
    remove_one("n/a@9");
    assert_all("n/a=y;");
    put("n/a=y@10");
    assert_told("");
    put("n/a=z@11");
    put("n/a=z@12"); /* what is kept is the same: still it is newer */
    assert_told("~n/a=z;");
    put("n/a=x@11");
    assert_all("n/a=z;");
    remove_one("n/a@100"); /* as a number */
    assert_all("");
}

static void an_answer_is_newer_than_what_came_late_before_it(void **state)
{
    struct kube_store_write *one = kube_store_begin(store, "n", "a");
    struct kube_store_write *two = kube_store_begin(store, "n", "b");
    struct kube_store_write *three = kube_store_begin(store, "n", "c");

    (void)state;
    put("n/a=late@7");
    commit(one, "n/a=x@8");
    put("n/b=old@7");
    remove_one("n/b@8");
    commit(two, "n/b=again@9");
    put("n/c=new@10");
    commit(three, "n/c=late@9");
    assert_all("n/a=x;n/b=again;n/c=new;");
    one = kube_store_begin(store, "n", "c");
    put("n/c=newer@11"); /* made anew, it may be */
    kube_store_commit(one, NULL, true);
    assert_all("n/a=x;n/b=again;n/c=newer;");
}

/* Where etcd was restored from a backup, versions begin anew. */
static void a_list_may_go_back(void **state)
{
    (void)state;
    put("n/a=x@100");
    kube_store_replace_begin(store);
    put("n/a=y@5");
    kube_store_replace_end(store);
    assert_all("n/a=y;");
    put("n/a=z@6");
    assert_all("n/a=z;");
}

/* Whether the object still is there is for the list to say. */
static void a_list_wins(void **state)
{
    struct kube_store_write *before = kube_store_begin(store, "n", "a"), *within;

    (void)state;
    kube_store_replace_begin(store);
    within = kube_store_begin(store, "n", "b");
    kube_store_replace_end(store);
    commit(before, "n/a=x");
    commit(within, "n/b=x");
    assert_all("");
    kube_store_replace_begin(store);
    kube_store_replace_cancel(store);
    commit(kube_store_begin(store, "n", "c"), "n/c=x");
    assert_all("n/c=x;");
}

/* ---- threads ---- */

static void *write_and_read(void *arg)
{
    for (unsigned i = 0; i < 300; i++) {
        char name[16];

        snprintf(name, sizeof(name), "t%u", i % 10);
        kube_store_commit(kube_store_begin(store, "n", name), arg, i % 3 == 0 && !arg);
        json_free(kube_store_find(store, BY_VALUE, "x"));
        json_free(kube_store_all(store));
        kube_store_has(store, BY_NAME, name);
        kube_store_count(store);
    }
    return NULL;
}

static void threads(void **state)
{
    cleanup_json struct json *mine = object_of("n/t1=x");
    pthread_t thread[2];

    (void)state;
    shared = true;
    assert_int_equal(pthread_create(&thread[0], NULL, write_and_read, mine), 0);
    assert_int_equal(pthread_create(&thread[1], NULL, write_and_read, NULL), 0);
    for (unsigned i = 0; i < 300; i++) {
        char text[16];

        if (i % 50 == 0)
            kube_store_replace_begin(store);
        snprintf(text, sizeof(text), "n/t%u=x%s", i % 10, i % 7 ? "" : ",y");
        put(text);
        if (i % 50 == 25)
            kube_store_replace_end(store);
    }
    pthread_join(thread[0], NULL);
    pthread_join(thread[1], NULL);
    shared = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(objects_come_change_and_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(indexes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_kept_is_not_there, set_up, tear_down),
        cmocka_unit_test(all_but_managed_fields_is_kept_unless_asked_otherwise),
        cmocka_unit_test(the_order_of_keys_is_no_change),
        cmocka_unit_test_setup_teardown(a_list_replaces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_list_that_breaks_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answer_is_seen_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_watch_wins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_older_than_an_answer_is_passed_over, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(versions_are_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answer_is_newer_than_what_came_late_before_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_list_may_go_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_list_wins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
