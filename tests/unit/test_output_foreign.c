/* SPDX-License-Identifier: Apache-2.0 */
/* What others put where the part, its note and the file belong: before, and while it is written. */
#include "output_support.h"
#include "say.h"

/* ---- before ---- */

static void files_of_the_user_are_in_the_way(void **state)
{
    static const struct {
        const char *name, *text;
        bool refused;
    } rows[] = {
        {"d.part", "my only copy", true},
        {"d.part", "", false}, /* nothing in it */
        {"d.part.json", "my only copy", true},
        {"d.part.json", "{\"my\": \"parts\"}", true},
        {"d.part.json", "", true},
        {"d.part.json.new", "my only copy", true},
        {"d.part.json.new", "{\n  \"ver", false}, /* ours: there was a power failure */
        {"d.part.json.new", "", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char path[512];

        snprintf(path, sizeof(path), "%s", scratch_path(rows[i].name));
        scratch_puts(rows[i].name, rows[i].text);
        if (rows[i].refused) {
            assert_refused(scratch_path("d"), ERR_INPUT, "is in the way of");
            assert_non_null(strstr(err.msg, "move it away"));
            assert_holds(path, rows[i].text, strlen(rows[i].text));
            unlink(path);
        } else {
            struct output *output = begun(scratch_path("d"));

            finishes(output, 0);
            output_close(output);
        }
        assert_no_traces();
    }
}

static void a_part_with_another_name_is_refused(void **state)
{
    (void)state;
    scratch_puts("precious", "");
    assert_int_equal(link(scratch_path("precious"), scratch_path("d.part")), 0);
    assert_refused(scratch_path("d"), ERR_INPUT, "it has another name, too");
}

static void a_note_that_is_a_link_is_refused(void **state)
{
    (void)state;
    assert_int_equal(symlink("nowhere", scratch_path("d.part.json")), 0);
    assert_refused(scratch_path("d"), ERR_INPUT, "it is no note of ours");
    assert_true(exists("d.part.json"));
}

/* Between the look and the first byte. */
static void what_comes_after_the_output_was_opened(void **state)
{
    static const char *const names[] = {"d.part", "d.part.json"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct output *output = opened(scratch_path("d"));

        scratch_puts(names[i], "my only copy");
        for (int tries = 0; tries < 2; tries++) {
            assert_int_equal(output_begin(output, NULL, &err), -1);
            assert_int_equal(err.class, ERR_INPUT);
        }
        output_close(output);
        assert_holds(scratch_path(names[i]), "my only copy", 12);
        unlink(scratch_path(names[i]));
        assert_no_traces();
    }
}

/* ---- meanwhile ---- */

static void replace_part(void)
{
    scratch_puts("other", "other");
    assert_int_equal(rename(scratch_path("other"), scratch_path("d.part")), 0);
}

static void link_part(void)
{
    assert_int_equal(link(scratch_path("d.part"), scratch_path("other")), 0);
}

static void remove_part(void)
{
    assert_int_equal(unlink(scratch_path("d.part")), 0);
}

static void cut_part(void)
{
    assert_int_equal(truncate(scratch_path("d.part"), 5), 0);
}

static void lengthen_part(void)
{
    assert_int_equal(truncate(scratch_path("d.part"), 2 * MIB), 0);
}

static void nothing_but_what_was_written_gets_the_name(void **state)
{
    static const struct {
        void (*change)(void);
        const char *want;
        bool keeps; /* what is before the change is still there */
    } rows[] = {
        {replace_part, "somebody replaced", false}, {link_part, "another name", false},
        {remove_part, "somebody replaced", false},  {cut_part, "somebody cut", false},
        {lengthen_part, "somebody wrote to", true},
    };
    struct output_state here = state_at(MIB);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct output *output = begun(scratch_path("d"));

        scratch_puts("d", "my only copy");
        writes(output, 0, noise, MIB);
        rows[i].change();
        assert_int_equal(output_finish(output, MIB, &err), -1);
        assert_int_equal(err.class, ERR_PRECONDITION);
        if (!strstr(err.msg, rows[i].want))
            fail_msg("row %zu: %s", i, err.msg);
        assert_int_equal(output_keep(output, &here, &err), rows[i].keeps ? 0 : -1);
        output_close(output);
        assert_holds(scratch_path("d"), "my only copy", 12);
        if (rows[i].change == replace_part) /* which is not ours to remove */
            assert_holds(scratch_path("d.part"), "other", 5);
        clean(NULL);
    }
}

/* ---- another run's names ---- */

static void the_part_of_another_run_is_no_output(void **state)
{
    static const char *const names[] = {"d.part", "d.part.json", "d.part.json.new"};
    struct output *output = begun(scratch_path("d"));

    (void)state;
    writes(output, 0, noise, MIB);
    for (size_t i = 0; i < COUNT(names); i++)
        assert_refused(scratch_path(names[i]), ERR_UNAVAILABLE, "another run is writing");
    finishes(output, MIB);
    output_close(output);
    assert_holds(scratch_path("d"), noise, MIB);
    output = begun(scratch_path("d.part")); /* a name as any */
    writes(output, 0, noise, MIB);
    finishes(output, MIB);
    output_close(output);
    assert_holds(scratch_path("d.part"), noise, MIB);
}

static void a_run_whose_file_became_the_part_of_another(void **state)
{
    struct output *first = begun(scratch_path("d.part")), *second = begun(scratch_path("d"));

    (void)state;
    writes(first, 0, "first", 5);
    writes(second, 0, "second", 6);
    assert_int_equal(output_finish(first, 5, &err), -1);
    assert_int_equal(err.class, ERR_UNAVAILABLE);
    finishes(second, 6);
    output_close(second);
    assert_holds(scratch_path("d"), "second", 6);
    finishes(first, 5); /* now there is nobody */
    output_close(first);
    assert_holds(scratch_path("d.part"), "first", 5);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(files_of_the_user_are_in_the_way, clean),
        cmocka_unit_test_teardown(a_part_with_another_name_is_refused, clean),
        cmocka_unit_test_teardown(a_note_that_is_a_link_is_refused, clean),
        cmocka_unit_test_teardown(what_comes_after_the_output_was_opened, clean),
        cmocka_unit_test_teardown(nothing_but_what_was_written_gets_the_name, clean),
        cmocka_unit_test_teardown(the_part_of_another_run_is_no_output, clean),
        cmocka_unit_test_teardown(a_run_whose_file_became_the_part_of_another, clean),
    };

    say_open(true);
    return cmocka_run_group_tests(tests, output_set_up, scratch_tear_down);
}
