/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"
#include "support.h"

struct entry {
    char key[16];
    bool in; /* as the test knows */
    unsigned seen;
};

static void an_empty_table(void **state)
{
    struct map *map = map_new();
    size_t at = 0;

    (void)state;
    assert_int_equal(map_count(map), 0);
    assert_null(map_get(map, ""));
    assert_null(map_remove(map, "a"));
    assert_null(map_next(map, &at));
    map_free(map);
    map_free(NULL);
}

static void entries_come_and_go(void **state)
{
    struct map *map = map_new();
    int one, two, three;
    char key[] = "key";

    (void)state;
    assert_null(map_put(map, "key", &one));
    assert_null(map_put(map, "", &two));
    assert_ptr_equal(map_get(map, key), &one);
    assert_ptr_equal(map_get(map, ""), &two);
    assert_null(map_get(map, "ke"));
    assert_ptr_equal(map_put(map, key, &three), &one);
    assert_int_equal(map_count(map), 2);
    assert_ptr_equal(map_get(map, "key"), &three);
    assert_ptr_equal(map_remove(map, "key"), &three);
    assert_null(map_remove(map, "key"));
    assert_int_equal(map_count(map), 1);
    map_free(map);
}

/* What a replaced entry refers to may be freed: the table knows the new key only. */
static void a_new_value_brings_its_own_key(void **state)
{
    struct map *map = map_new();
    char *first = strdup("key"), *second = strdup("key");

    (void)state;
    map_put(map, first, first);
    free(map_put(map, second, second));
    assert_ptr_equal(map_get(map, "key"), second);
    free(map_remove(map, "key"));
    map_free(map);
}

static void check_all(struct map *map, struct entry *entries, size_t count)
{
    struct entry *entry;
    size_t at = 0, in = 0;

    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(map_get(map, entries[i].key), entries[i].in ? &entries[i] : NULL);
        in += entries[i].in;
        entries[i].seen = 0;
    }
    assert_int_equal(map_count(map), in);
    while ((entry = map_next(map, &at)))
        entry->seen++;
    for (size_t i = 0; i < count; i++)
        assert_int_equal(entries[i].seen, entries[i].in);
}

/* In waves, so that the table grows and shrinks, and holes are closed wherever they are. */
static void many_entries(void **state)
{
    static struct entry entries[2000];
    struct map *map = map_new();
    uint32_t seed = 4;

    (void)state;
    for (size_t i = 0; i < COUNT(entries); i++)
        snprintf(entries[i].key, sizeof(entries[i].key), "ns-%zu/%zu", i % 7, i);
    for (unsigned wave = 0; wave < 12; wave++) {
        for (unsigned step = 0; step < 3000; step++) {
            struct entry *entry = &entries[noise_next(&seed) % COUNT(entries)];
            bool put = noise_next(&seed) % 16 < (wave % 4 < 2 ? 14 : 2);

            assert_ptr_equal(put ? map_put(map, entry->key, entry) : map_remove(map, entry->key),
                             entry->in ? entry : NULL);
            entry->in = put;
        }
        check_all(map, entries, COUNT(entries));
    }
    for (size_t i = 0; i < COUNT(entries); i++) {
        map_remove(map, entries[i].key);
        entries[i].in = false;
    }
    check_all(map, entries, COUNT(entries));
    map_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_table),
        cmocka_unit_test(entries_come_and_go),
        cmocka_unit_test(a_new_value_brings_its_own_key),
        cmocka_unit_test(many_entries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
