/* SPDX-License-Identifier: Apache-2.0 */
/* What is on the disk before what: a loss of power leaves no file that is not whole, and no note that
 * says too much. */
#include "output_support.h"
#include "say.h"

#include <sys/syscall.h>

/* ---- the system calls whose order counts, as they come ---- */

static struct str calls = STR_INIT;
static bool listening;

static const char *base_name(const char *path)
{
    const char *name = strrchr(path, '/');

    return name ? name + 1 : path;
}

/* "fsync d.part; rename d.part d; fsync folder; " */
static void note_call(const char *call, const char *path, const char *to)
{
    if (listening)
        str_printf(&calls, "%s %s%s%s; ", call, base_name(path), to ? " " : "",
                   to ? base_name(to) : "");
}

static void note_call_on(const char *call, int fd)
{
    char link[64], path[4096];
    struct stat st;
    ssize_t len;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, path, sizeof(path) - 1);
    path[len > 0 ? len : 0] = '\0';
    note_call(call, fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? "folder" : path, NULL);
}

/* They stand before those of the C library. */
int fsync(int fd)
{
    note_call_on("fsync", fd);
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    note_call_on("fdatasync", fd);
    return (int)syscall(SYS_fdatasync, fd);
}

int ftruncate(int fd, off_t length)
{
    note_call_on("ftruncate", fd);
    return (int)syscall(SYS_ftruncate, fd, length);
}

int rename(const char *from, const char *to)
{
    note_call("rename", from, to);
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char *path)
{
    note_call("unlink", path, NULL);
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

static void listen_to_calls(void)
{
    str_clear(&calls);
    listening = true;
}

/* These came in this order, whatever else did. */
static void assert_order(const char *const *words, size_t count)
{
    const char *at = str_get(&calls);

    listening = false;
    for (size_t i = 0; i < count; i++) {
        at = strstr(at, words[i]);
        if (!at)
            fail_msg("no '%s' where it has to be: %s", words[i], str_get(&calls));
        at += strlen(words[i]);
    }
}

#define ASSERT_ORDER(...) \
    assert_order((const char *const[]){__VA_ARGS__}, COUNT(((const char *const[]){__VA_ARGS__})))

static void assert_never(const char *word)
{
    if (strstr(str_get(&calls), word))
        fail_msg("'%s': %s", word, str_get(&calls));
}

/* ---- the note ---- */

static void what_a_note_speaks_of_is_on_the_disk(void **state)
{
    struct output *output = begun(scratch_path("d"));

    (void)state;
    writes(output, 0, noise, MIB);
    listen_to_calls();
    keeps(output, MIB);
    ASSERT_ORDER("fdatasync d.part; ", "fsync d.part.json.new; ",
                 "rename d.part.json.new d.part.json; ", "fsync folder; ");
    output_close(output);
}

static void a_note_is_gone_before_it_becomes_untrue(void **state)
{
    struct output *output = begun(scratch_path("d"));

    (void)state;
    writes(output, 0, noise, MIB);
    keeps(output, MIB);
    listen_to_calls();
    assert_int_equal(output_begin(output, NULL, &err), 0);
    ASSERT_ORDER(" d.part.json; ", "fsync folder; ", "ftruncate d.part; ");
    output_close(output);
}

static void a_note_that_stays_true_is_left_alone(void **state)
{
    struct output *output = begun(scratch_path("d"));
    struct output_state earlier;

    (void)state;
    writes(output, 0, noise, MIB);
    keeps(output, MIB);
    output_close(output);
    output = opened(scratch_path("d"));
    assert_true(output_earlier(output, &earlier));
    listen_to_calls();
    assert_int_equal(output_begin(output, &earlier, &err), 0);
    listening = false;
    assert_never("d.part.json");
    output_close(output);
}

/* ---- the file ---- */

static void the_file_is_replaced_by_what_is_on_the_disk(void **state)
{
    struct output *output;

    (void)state;
    scratch_puts("d", "before");
    listen_to_calls();
    output = begun(scratch_path("d"));
    writes(output, 0, noise, MIB);
    assert_never("rename d.part d; ");
    assert_holds(scratch_path("d"), "before", 6);
    str_clear(&calls);
    finishes(output, MIB);
    ASSERT_ORDER("fsync d.part; ", "rename d.part d; ", "fsync folder; ");
    assert_never("unlink d; ");
    output_close(output);
    assert_holds(scratch_path("d"), noise, MIB);
}

/* Nothing of it changes after it was waited for: its length does not, either. */
static void it_is_whole_when_it_is_waited_for(void **state)
{
    struct output *output = begun(scratch_path("d"));
    const char *sync;

    (void)state;
    writes(output, 0, noise, MIB);
    listen_to_calls();
    finishes(output, 2 * MIB);
    ASSERT_ORDER("ftruncate d.part; ", "fsync d.part; ", "rename d.part d; ");
    sync = strstr(str_get(&calls), "fsync d.part; ");
    assert_null(strstr(sync, "ftruncate"));
    output_close(output);
}

/* A run that does not end well leaves the older file, under its name. */
static void an_older_file_is_never_removed(void **state)
{
    struct output *output;

    (void)state;
    scratch_puts("d", "before");
    listen_to_calls();
    output = begun(scratch_path("d"));
    writes(output, 0, noise, MIB);
    output_close(output);
    listening = false;
    assert_never("unlink d; ");
    assert_never(" d; ");
    assert_holds(scratch_path("d"), "before", 6);
    assert_no_traces();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_a_note_speaks_of_is_on_the_disk, clean),
        cmocka_unit_test_teardown(a_note_is_gone_before_it_becomes_untrue, clean),
        cmocka_unit_test_teardown(a_note_that_stays_true_is_left_alone, clean),
        cmocka_unit_test_teardown(the_file_is_replaced_by_what_is_on_the_disk, clean),
        cmocka_unit_test_teardown(it_is_whole_when_it_is_waited_for, clean),
        cmocka_unit_test_teardown(an_older_file_is_never_removed, clean),
    };
    int failed;

    say_open(true);
    failed = cmocka_run_group_tests(tests, output_set_up, scratch_tear_down);
    str_free(&calls);
    return failed;
}
