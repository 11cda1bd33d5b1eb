/* SPDX-License-Identifier: Apache-2.0 */
/* What a run leaves to the next one, and what keeps two of them apart. */
#include "output_support.h"

/* Makes what an interrupted run leaves: the first `len` bytes of the noise. */
static void leave_part(const char *path, size_t len)
{
    struct output *output = begun(path);

    writes(output, 0, noise, len);
    keeps(output, len);
    output_close(output);
}

static void a_later_run_goes_on(void **state)
{
    struct output *output = begun(scratch_path("d"));
    struct output_state earlier, want = state_at(MIB);
    struct stat st;

    (void)state;
    assert_false(output_earlier(output, &earlier));
    writes(output, 0, noise, MIB);
    writes(output, 2 * MIB, noise, MIB); /* beyond a gap */
    keeps(output, MIB);
    output_close(output);
    assert_false(exists("d"));

    output = opened(scratch_path("d")); /* looked at, and left as it is */
    output_close(output);

    output = opened(scratch_path("d"));
    assert_true(output_earlier(output, &earlier));
    assert_string_equal(earlier.what, want.what);
    assert_string_equal(earlier.etag, want.etag);
    assert_true(earlier.size == want.size && earlier.position == want.position &&
                earlier.bytes == want.bytes && earlier.crc == want.crc);
    assert_int_equal(output_begin(output, &earlier, &err), 0);
    assert_int_equal(stat(scratch_path("d.part"), &st), 0);
    assert_int_equal(st.st_size, MIB);
    writes(output, MIB, noise + MIB, MIB);
    finishes(output, 2 * MIB);
    output_close(output);
    assert_holds(scratch_path("d"), noise, 2 * MIB);
    assert_no_traces();
}

static void zeros_at_the_end_are_kept_too(void **state)
{
    struct output *output = begun(scratch_path("d"));
    struct output_state earlier;
    uint8_t *zeros = calloc(1, 2 * MIB);

    (void)state;
    writes(output, 0, zeros, 2 * MIB);
    keeps(output, 2 * MIB);
    output_close(output);
    output = opened(scratch_path("d"));
    assert_true(output_earlier(output, &earlier));
    assert_int_equal(output_begin(output, &earlier, &err), 0);
    finishes(output, 2 * MIB);
    output_close(output);
    assert_holds(scratch_path("d"), zeros, 2 * MIB);
    assert_int_equal(allocated(scratch_path("d")), 0);
    free(zeros);
}

/* As after a SIGKILL: the note that is there is true, or there is none. */
static void a_note_never_outlives_what_it_says(void **state)
{
    struct output *output;
    struct output_state other = state_at(MIB);

    (void)state;
    leave_part(scratch_path("d"), MIB);
    output = opened(scratch_path("d"));
    assert_true(output_earlier(output, &other));
    assert_int_equal(output_begin(output, &other, &err), 0);
    assert_true(exists("d.part.json")); /* all that it says is still there */
    strcpy(other.etag, "another");
    assert_int_equal(output_begin(output, &other, &err), 0);
    assert_false(exists("d.part.json"));
    keeps(output, MIB);
    assert_true(exists("d.part.json"));
    assert_int_equal(output_begin(output, NULL, &err), 0);
    assert_false(exists("d.part.json"));
    output_close(output);
    assert_no_traces();
}

static void notes_that_cannot_be_believed(void **state)
{
    static const char good[] =
        "{\"version\":\"1\",\"what\":\"raw\",\"etag\":\"e\",\"size\":\"100\","
        "\"position\":\"50\",\"bytes\":\"50\",\"crc\":\"7\",\"inode\":\"%s\"}";
    static const struct {
        const char *from, *to;
        bool good;
    } rows[] = {
        {"\"7\"", "\"4294967295\"", true},
        {"\"100\"", "\"18446744073709551615\"", true},
        {"\"100\"", "\"50\"", true},
        {"\"100\"", "\"49\"", false},
        {"\"100\"", "\"7\"", false},
        {"\"100\"", "\"18446744073709551616\"", false},
        {"\"100\"", "100", false},
        {"\"7\"", "\"4294967296\"", false},
        {"\"7\"", "\"-7\"", false},
        {"\"7\"", "\"\"", false},
        {"\"7\"", "\" 7\"", false},
        {"\"position\":\"50\"", "\"position\":\"0\"", false},
        {"\"bytes\":\"50\"", "\"bytes\":\"61\"", false}, /* the part has 60 */
        {"\"bytes\":\"50\"", "\"bytes\":\"9223372036854775808\"", false},
        {"\"version\":\"1\"", "\"version\":\"2\"", false},
        {"\"version\":\"1\"", "\"version\":1", false},
        {"\"etag\":\"e\"", "\"etag\":null", false},
        {"\"what\":\"raw\",", "", false},
        {"\"inode\":\"", "\"inode\":\"1", false}, /* somebody else's part */
        {"}", "", false},
    };
    char part[60] = "part";
    struct stat st;

    (void)state;
    scratch_write("d.part", part, sizeof(part));
    assert_int_equal(stat(scratch_path("d.part"), &st), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        char inode[32], text[1024], note[1024];
        const char *at;
        struct output *output;
        struct output_state earlier;

        snprintf(inode, sizeof(inode), "%llu", (unsigned long long)st.st_ino);
        at = strstr(good, "%s");
        snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, inode, at + 2);
        at = strstr(text, rows[i].from);
        assert_non_null(at);
        snprintf(note, sizeof(note), "%.*s%s%s", (int)(at - text), text, rows[i].to,
                 at + strlen(rows[i].from));
        scratch_puts("d.part.json", note);
        output = opened(scratch_path("d"));
        if (output_earlier(output, &earlier) != rows[i].good)
            fail_msg("row %zu: %s", i, note);
        output_close(output);
    }
    assert_holds(scratch_path("d.part"), part, sizeof(part));
}

static void two_runs_are_kept_apart(void **state)
{
    struct output *late = opened(scratch_path("d")), *first = begun(scratch_path("d"));

    (void)state;
    assert_refused(scratch_path("d"), ERR_UNAVAILABLE, "another run");
    assert_int_equal(output_begin(late, NULL, &err), -1);
    assert_int_equal(err.class, ERR_UNAVAILABLE);
    writes(first, 0, "first", 5);
    finishes(first, 5);
    output_close(first);
    assert_int_equal(output_begin(late, NULL, &err), 0); /* a part of its own */
    writes(late, 0, "late", 4);
    assert_holds(scratch_path("d"), "first", 5);
    finishes(late, 4);
    output_close(late);
    assert_holds(scratch_path("d"), "late", 4);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_later_run_goes_on, clean),
        cmocka_unit_test_teardown(zeros_at_the_end_are_kept_too, clean),
        cmocka_unit_test_teardown(a_note_never_outlives_what_it_says, clean),
        cmocka_unit_test_teardown(notes_that_cannot_be_believed, clean),
        cmocka_unit_test_teardown(two_runs_are_kept_apart, clean),
    };

    return cmocka_run_group_tests(tests, output_set_up, scratch_tear_down);
}
