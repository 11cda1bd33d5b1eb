/* SPDX-License-Identifier: Apache-2.0 */
/* What a run leaves to the next one, and what keeps two of them apart. */
#include "output_support.h"
#include "say.h"

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

static bool note_says(const char *word)
{
    cleanup_str struct str text = STR_INIT;

    assert_int_equal(io_read_file(scratch_path("d.part.json"), 64 * KIB, &text, &err), 0);
    return strstr(str_get(&text), word);
}

/* As after a SIGKILL: what the note says is true, or it says no more than that the part is ours. */
static void a_note_never_outlives_what_it_says(void **state)
{
    struct output *output;
    struct output_state other = state_at(MIB);

    (void)state;
    leave_part(scratch_path("d"), MIB);
    output = opened(scratch_path("d"));
    assert_true(output_earlier(output, &other));
    assert_int_equal(output_begin(output, &other, &err), 0);
    assert_true(note_says("\"position\": \"1048576\"")); /* all that it says is still there */
    strcpy(other.etag, "another");
    assert_int_equal(output_begin(output, &other, &err), 0);
    assert_false(note_says("\"position\": \"1048576\""));
    keeps(output, MIB);
    assert_true(note_says("\"position\": \"1048576\""));
    assert_int_equal(output_begin(output, NULL, &err), 0);
    assert_false(note_says("\"position\": \"1048576\""));
    output_close(output);
    assert_no_traces();
}

/* What a run that is killed now leaves, the next one may throw away, and does. */
static void what_a_killed_run_leaves(void **state)
{
    struct output_state earlier;

    (void)state;
    for (int kept = 0; kept < 2; kept++) {
        struct output *output;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
            output = begun(scratch_path("d"));
            writes(output, 0, noise, MIB);
            if (kept) {
                keeps(output, MIB);
                ticks();
            }
            writes(output, MIB, noise, MIB);
            _exit(0);
        }
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_true(exists("d.part"));
        output = opened(scratch_path("d"));
        assert_false(output_earlier(output, &earlier));
        assert_int_equal(output_begin(output, NULL, &err), 0);
        writes(output, 0, "data", 4);
        finishes(output, 4);
        output_close(output);
        assert_holds(scratch_path("d"), "data", 4);
        assert_no_traces();
    }
}

/* Kept in between, then more was written: the end of the run says what is still true. */
static void what_was_kept_in_between(void **state)
{
    struct output *output = begun(scratch_path("d"));
    struct output_state earlier;

    (void)state;
    writes(output, 0, noise, MIB);
    keeps(output, MIB);
    writes(output, MIB, noise, MIB);
    keeps(output, 2 * MIB);
    ticks();
    writes(output, 2 * MIB, noise, MIB);
    output_close(output);
    output = opened(scratch_path("d"));
    assert_true(output_earlier(output, &earlier) && earlier.position == 2 * MIB);
    output_close(output);
}

/* Its inode and its length are what they were. */
static void a_part_that_somebody_changed(void **state)
{
    static const struct {
        const char *how;
        off_t at;
    } rows[] = {{"in the middle", MIB / 2}, {"its length", MIB}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct output *output;
        struct output_state earlier;
        cleanup_close int fd = -1;

        leave_part(scratch_path("d"), MIB);
        ticks();
        fd = open(scratch_path("d.part"), O_WRONLY | O_CLOEXEC);
        assert_int_equal(pwrite(fd, "x", 1, rows[i].at), 1);
        output = opened(scratch_path("d"));
        if (output_earlier(output, &earlier))
            fail_msg("changed %s", rows[i].how);
        assert_int_equal(output_begin(output, NULL, &err), 0); /* it is ours to throw away */
        writes(output, 0, "data", 4);
        finishes(output, 4);
        output_close(output);
        assert_holds(scratch_path("d"), "data", 4);
        assert_no_traces();
    }
}

enum outcome { USED, NOT_USED, REFUSED };

static enum outcome outcome_of(const char *path)
{
    struct output *output;
    struct output_state earlier;
    enum outcome outcome;

    if (output_open(path, &output, &err) < 0) {
        assert_int_equal(err.class, ERR_INPUT);
        assert_non_null(strstr(err.msg, "is in the way of"));
        return REFUSED;
    }
    outcome = output_earlier(output, &earlier) ? USED : NOT_USED;
    output_close(output);
    return outcome;
}

static void print_note(const struct stat *st, char *text, size_t size)
{
    snprintf(text, size,
             "{\"version\":\"1\",\"what\":\"raw\",\"etag\":\"e\",\"size\":\"100\","
             "\"position\":\"50\",\"bytes\":\"50\",\"crc\":\"7\",\"inode\":\"%llu\","
             "\"length\":\"60\",\"mtime\":\"%lld.%09ld\",\"ctime\":\"%lld.%09ld\"}",
             (unsigned long long)st->st_ino, (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
             (long long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
}

static void notes_that_cannot_be_believed(void **state)
{
    static const struct {
        const char *from, *to;
        enum outcome outcome;
    } rows[] = {
        {"\"7\"", "\"4294967295\"", USED},
        {"\"100\"", "\"18446744073709551615\"", USED},
        {"\"100\"", "\"50\"", USED},
        {"\"bytes\":\"50\"", "\"bytes\":\"61\"", USED}, /* the part has 60, and zeros */
        {"\"100\"", "\"49\"", NOT_USED},
        {"\"100\"", "\"7\"", NOT_USED},
        {"\"100\"", "\"18446744073709551616\"", NOT_USED},
        {"\"100\"", "100", NOT_USED},
        {"\"7\"", "\"4294967296\"", NOT_USED},
        {"\"7\"", "\"-7\"", NOT_USED},
        {"\"7\"", "\"\"", NOT_USED},
        {"\"7\"", "\" 7\"", NOT_USED},
        {"\"position\":\"50\"", "\"position\":\"0\"", NOT_USED},
        {"\"bytes\":\"50\"", "\"bytes\":\"9223372036854775808\"", NOT_USED},
        {"\"version\":\"1\"", "\"version\":\"2\"", NOT_USED},
        {"\"length\":\"60\"", "\"length\":\"61\"", NOT_USED},
        {"\"mtime\":\"", "\"mtime\":\"1", NOT_USED},
        {"\"ctime\":\"", "\"ctime\":\"1", NOT_USED},
        {"\"mtime\"", "\"other\"", NOT_USED},
        {"\"version\":\"1\"", "\"version\":1", REFUSED},
        {"\"etag\":\"e\"", "\"etag\":null", REFUSED},
        {"\"what\":\"raw\",", "", REFUSED},
        {"\"inode\":\"", "\"inode\":\"1", REFUSED}, /* of another part */
        {"}", "", REFUSED},
    };
    char part[60] = "part";
    struct stat st;

    (void)state;
    scratch_write("d.part", part, sizeof(part));
    assert_int_equal(stat(scratch_path("d.part"), &st), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[1024], note[1024];
        const char *at;

        print_note(&st, text, sizeof(text));
        at = strstr(text, rows[i].from);
        assert_non_null(at);
        snprintf(note, sizeof(note), "%.*s%s%s", (int)(at - text), text, rows[i].to,
                 at + strlen(rows[i].from));
        scratch_puts("d.part.json", note);
        if (outcome_of(scratch_path("d")) != rows[i].outcome)
            fail_msg("row %zu: %s", i, note);
        assert_holds(scratch_path("d.part.json"), note, strlen(note));
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
        cmocka_unit_test_teardown(what_a_killed_run_leaves, clean),
        cmocka_unit_test_teardown(what_was_kept_in_between, clean),
        cmocka_unit_test_teardown(a_part_that_somebody_changed, clean),
        cmocka_unit_test_teardown(notes_that_cannot_be_believed, clean),
        cmocka_unit_test_teardown(two_runs_are_kept_apart, clean),
    };

    say_open(true);
    return cmocka_run_group_tests(tests, output_set_up, scratch_tear_down);
}
