/* SPDX-License-Identifier: Apache-2.0 */
/* Files as outputs: where paths lead, modes, holes, full disks. */
#include "output_support.h"
#include "transfer/sparse.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

/* ---- a file ---- */

static void a_new_file(void **state)
{
    mode_t mask = umask(027);
    struct output *output = opened(scratch_path("d"));
    struct stat st;

    (void)state;
    assert_false(output_in_order(output));
    assert_true(output_keeps(output));
    assert_int_equal(output_expect(output, UINT64_MAX, &err), 0); /* sparse files are any size */
    assert_non_null(strstr(output_name(output), "/d'"));
    assert_no_traces(); /* nothing is made yet */
    assert_int_equal(output_begin(output, NULL, &err), 0);
    assert_true(exists("d.part"));
    writes(output, MIB, noise + MIB, MIB);
    writes(output, 0, noise, MIB);
    assert_int_equal(output_zeros(output, 2 * MIB, 5, &err), 0);
    assert_false(exists("d"));
    finishes(output, 2 * MIB + 5);
    output_close(output);
    umask(mask);
    assert_int_equal(stat(scratch_path("d"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(st.st_size, 2 * MIB + 5);
    assert_no_traces();
}

static void an_empty_file(void **state)
{
    struct output *output = begun(scratch_path("d"));

    (void)state;
    finishes(output, 0);
    output_close(output);
    assert_holds(scratch_path("d"), "", 0);
}

static void an_older_file_is_whole_until_the_end(void **state)
{
    struct output *output;
    struct stat st;

    (void)state;
    scratch_puts("d", "my only copy");
    chmod(scratch_path("d"), 0604);
    if (geteuid() == 0)
        assert_int_equal(chown(scratch_path("d"), 1234, 1235), 0);
    output = begun(scratch_path("d"));
    assert_int_equal(stat(scratch_path("d.part"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600); /* nobody reads more than he could */
    writes(output, 0, "new", 3);
    assert_holds(scratch_path("d"), "my only copy", 12);
    finishes(output, 3);
    output_close(output);
    assert_holds(scratch_path("d"), "new", 3);
    assert_int_equal(stat(scratch_path("d"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0604);
    if (geteuid() == 0)
        assert_true(st.st_uid == 1234 && st.st_gid == 1235);
}

static void what_is_not_finished_is_removed(void **state)
{
    struct output *output;

    (void)state;
    scratch_puts("d", "my only copy");
    output = begun(scratch_path("d"));
    writes(output, 0, noise, MIB);
    keeps(output, 0); /* nothing to keep */
    output_close(output);
    assert_no_traces();
    assert_holds(scratch_path("d"), "my only copy", 12);
    output = begun(scratch_path("d")); /* what was kept, and then thrown away */
    writes(output, 0, noise, MIB);
    keeps(output, MIB);
    assert_int_equal(output_begin(output, NULL, &err), 0);
    output_close(output);
    assert_no_traces();
    output_close(NULL);
}

/* ---- where paths lead ---- */

static void links_are_followed(void **state)
{
    static const struct {
        const char *link, *target, *file;
    } rows[] = {
        {"to-file", "file", "file"},
        {"dangling", "later", "later"},
        {"far", "sub/down", "sub/deep"}, /* by a link in another folder */
        {"absolute", NULL, "absolute-target"},
    };

    (void)state;
    scratch_mkdir("sub");
    scratch_puts("file", "old");
    assert_int_equal(symlink("deep", scratch_path("sub/down")), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct output *output;
        struct stat st;

        assert_int_equal(symlink(rows[i].target ? rows[i].target : scratch_path("absolute-target"),
                                 scratch_path(rows[i].link)),
                         0);
        output = begun(scratch_path(rows[i].link));
        writes(output, 0, "data", 4);
        finishes(output, 4);
        output_close(output);
        assert_int_equal(lstat(scratch_path(rows[i].link), &st), 0);
        assert_true(S_ISLNK(st.st_mode));
        assert_int_equal(lstat(scratch_path(rows[i].file), &st), 0);
        assert_true(S_ISREG(st.st_mode));
        assert_holds(scratch_path(rows[i].file), "data", 4);
    }
}

static void a_name_alone_is_in_the_current_folder(void **state)
{
    cleanup_close int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct output *output;

    (void)state;
    assert_int_equal(chdir(scratch), 0);
    output = begun("d");
    assert_string_equal(output_name(output), "the output 'd'");
    assert_int_equal(fchdir(here), 0);
    finishes(output, 0);
    output_close(output);
    assert_true(exists("d"));
}

static void paths_that_lead_nowhere(void **state)
{
    char long_name[300];

    (void)state;
    memset(long_name, 'n', sizeof(long_name));
    long_name[250] = '\0';
    scratch_mkdir("dir");
    scratch_puts("file", "");
    assert_int_equal(symlink("none/x", scratch_path("dangling")), 0);
    assert_int_equal(symlink("loop", scratch_path("loop")), 0);
    assert_refused(scratch_path("none/d"), ERR_NOT_FOUND, "/none'");
    assert_refused(scratch_path("none/"), ERR_NOT_FOUND, "/none/'");
    assert_refused(scratch_path("dangling"), ERR_NOT_FOUND, "/none'");
    assert_refused(scratch_path("file/d"), ERR_NOT_FOUND, "file/d'");
    assert_refused(scratch_path("loop"), ERR_INPUT, "loop'");
    assert_refused(scratch_path("dir"), ERR_INPUT, "is a directory");
    assert_refused("", ERR_INPUT, "no name");
    assert_refused(scratch_path(long_name), ERR_INPUT, "is too long"); /* with .part */
    assert_false(exists("none"));
}

static void a_socket_is_no_output(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)state;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", scratch_path("s"));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_refused(scratch_path("s"), ERR_INPUT, "socket");
}

static int read_only_checks(void)
{
    struct output *output;

    if (output_open(scratch_path("ro"), &output, &err) == 0 || err.class != ERR_INPUT)
        return 1;
    if (output_open(scratch_path("dir/d"), &output, &err) == 0 || err.class != ERR_INPUT)
        return 2;
    return strstr(err.msg, "cannot make files in the folder") ? 0 : 3;
}

static void what_may_not_be_written_is_refused_at_once(void **state)
{
    (void)state;
    chmod(scratch, 0777);
    scratch_puts("ro", "");
    chmod(scratch_path("ro"), 0444);
    scratch_mkdir("dir");
    chmod(scratch_path("dir"), 0555);
    assert_int_equal(as_nobody(read_only_checks), 0);
}

static void what_is_in_the_way_of_the_part(void **state)
{
    (void)state;
    scratch_puts("other", "other");
    assert_int_equal(symlink("other", scratch_path("d.part")), 0);
    assert_refused(scratch_path("d"), ERR_INPUT, "no regular file");
    unlink(scratch_path("d.part"));
    assert_int_equal(mkfifo(scratch_path("d.part"), 0600), 0);
    assert_refused(scratch_path("d"), ERR_INPUT, "no regular file");
    unlink(scratch_path("d.part"));
    scratch_mkdir("d.part");
    assert_refused(scratch_path("d"), ERR_INPUT, "no regular file");
    assert_int_equal(rmdir(scratch_path("d.part")), 0);
    assert_holds(scratch_path("other"), "other", 5);
    if (geteuid() != 0)
        SKIP("only root can make a file of another user");
    scratch_puts("d.part", "");
    assert_int_equal(chown(scratch_path("d.part"), 1234, -1), 0);
    assert_refused(scratch_path("d"), ERR_INPUT, "belongs to another user");
}

/* ---- sparse ---- */

static void zero_pages_become_holes(void **state)
{
    struct output *output = begun(scratch_path("d"));
    uint8_t *disk = calloc(1, 8 * MIB);

    (void)state;
    memcpy(disk + 3 * MIB, noise, 64 * KIB);
    memset(disk + 5 * MIB, 1, 1);
    for (size_t at = 0; at < 8 * MIB; at += 1000000)
        writes(output, at, disk + at, 8 * MIB - at < 1000000 ? 8 * MIB - at : 1000000);
    finishes(output, 8 * MIB);
    output_close(output);
    assert_holds(scratch_path("d"), disk, 8 * MIB);
    free(disk);
    if (allocated(scratch_path("d")) > 80 * KIB)
        fail_msg("%llu bytes allocated", (unsigned long long)allocated(scratch_path("d")));
}

/* From several threads at once, in no order, while what is there is kept. */
struct writer {
    pthread_t thread;
    struct output *output;
    size_t first;
};

static void *write_part(void *arg)
{
    struct writer *writer = arg;
    struct err mine;

    for (size_t at = writer->first; at < sizeof(noise); at += 4 * 10000)
        if (output_write(writer->output, at, noise + at,
                         sizeof(noise) - at < 10000 ? sizeof(noise) - at : 10000, &mine) < 0)
            return writer;
    return NULL;
}

static void several_threads_write(void **state)
{
    struct writer writers[4];
    struct output *output = begun(scratch_path("d"));

    (void)state;
    for (size_t i = 0; i < COUNT(writers); i++) {
        writers[i] = (struct writer){.output = output, .first = (3 - i) * 10000};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_part, &writers[i]), 0);
    }
    for (uint64_t at = MIB; at <= 4 * MIB; at += MIB)
        keeps(output, at);
    for (size_t i = 0; i < COUNT(writers); i++) {
        void *failed;

        assert_int_equal(pthread_join(writers[i].thread, &failed), 0);
        assert_null(failed);
    }
    finishes(output, sizeof(noise));
    output_close(output);
    assert_holds(scratch_path("d"), noise, sizeof(noise));
    assert_no_traces();
}

/* ---- no room ---- */

static void a_file_that_may_not_be_so_big(void **state)
{
    struct rlimit was, limit;
    struct output *output = begun(scratch_path("d"));
    struct output_state earlier;
    int rc;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    limit = was;
    limit.rlim_cur = MIB;
    writes(output, 0, noise, 512 * KIB);
    keeps(output, 512 * KIB);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    rc = output_write(output, 512 * KIB, noise, MIB, &err);
    setrlimit(RLIMIT_FSIZE, &was);
    assert_int_equal(rc, -1);
    assert_int_equal(err.class, ERR_IO);
    if (!strstr(err.msg, "/d' at 1.0 MiB") || !strstr(err.msg, "File too large") ||
        !strstr(err.msg, "; free or allow more space") || strstr(err.msg, "what came"))
        fail_msg("%s", err.msg);
    output_close(output);
    output = opened(scratch_path("d")); /* what was kept before is */
    assert_true(output_earlier(output, &earlier) && earlier.position == 512 * KIB);
    output_close(output);
}

/* The content ends in zeros, which are not written: keeping them must not need what is not there. */
static void zeros_beyond_the_limit_are_kept(void **state)
{
    struct rlimit was, limit;
    struct output *output = begun(scratch_path("d"));
    struct output_state here = state_at(3 * MIB), earlier;
    struct stat st;
    int rc;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    limit = was;
    limit.rlim_cur = MIB;
    writes(output, 0, noise, MIB);
    assert_int_equal(output_zeros(output, MIB, 2 * MIB, &err), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    rc = output_keep(output, &here, &err);
    setrlimit(RLIMIT_FSIZE, &was);
    if (rc < 0)
        fail_msg("%s", err.msg);
    output_close(output);
    output = opened(scratch_path("d"));
    assert_true(output_earlier(output, &earlier) && earlier.bytes == 3 * MIB);
    assert_int_equal(output_begin(output, &earlier, &err), 0);
    assert_int_equal(stat(scratch_path("d.part"), &st), 0);
    assert_int_equal(st.st_size, 3 * MIB);
    finishes(output, 4 * MIB);
    output_close(output);
    memset(noise + MIB, 0, 3 * MIB);
    assert_holds(scratch_path("d"), noise, 4 * MIB);
    fill_noise(noise, sizeof(noise), 1);
}

/* A file system of its own, which is full: what came is kept all the same. */
static int fill_disk(const char *path)
{
    struct output *output = begun(path);
    struct output_state earlier, start = {.size = 4 * MIB}, kept = state_at(MIB);

    if (output_begin(output, &start, &err) < 0 || output_write(output, 0, noise, MIB, &err) < 0)
        return 1;
    if (output_write(output, MIB, noise + MIB, 3 * MIB, &err) == 0 || err.class != ERR_IO)
        return 2;
    if (!strstr(err.msg, "at 2.0 MiB of 4.0 MiB: No space left") ||
        !strstr(err.msg, "up to 2.0 MiB more is needed; free"))
        return 3;
    if (output_keep(output, &kept, &err) < 0)
        return 4;
    output_close(output);
    if (output_open(path, &output, &err) < 0)
        return 5;
    if (!output_earlier(output, &earlier) || earlier.position != MIB)
        return 6;
    output_close(output);
    return 0;
}

/* Nothing can be given back but the note that says nothing yet. */
static int fill_to_the_last_byte(const char *path)
{
    struct output *output = begun(path);
    struct output_state earlier, kept = state_at(0);
    uint64_t at = 0;

    while (output_write(output, at, noise, SPARSE_PAGE, &err) == 0)
        at += SPARSE_PAGE;
    kept.position = kept.bytes = at;
    if (output_keep(output, &kept, &err) < 0)
        return 1;
    output_close(output);
    if (output_open(path, &output, &err) < 0)
        return 2;
    if (!output_earlier(output, &earlier) || earlier.position != at)
        return 3;
    if (output_begin(output, NULL, &err) < 0) /* where there is no room for a new note */
        return 4;
    output_close(output);
    return access(path, F_OK) == 0 ? 5 : 0;
}

static void on_small_disk(int (*test)(const char *path))
{
    char path[512];
    int rc;

    scratch_mkdir("full");
    snprintf(path, sizeof(path), "%s", scratch_path("full"));
    if (mount("none", path, "tmpfs", 0, "size=2m") < 0)
        SKIP("no file system can be mounted here");
    rc = test(scratch_path("full/d"));
    umount2(path, MNT_DETACH);
    if (rc != 0)
        fail_msg("step %d: %s", rc, err.msg);
}

static void a_full_disk(void **state)
{
    (void)state;
    on_small_disk(fill_disk);
}

static void a_disk_that_is_full_to_the_last_byte(void **state)
{
    (void)state;
    on_small_disk(fill_to_the_last_byte);
}

/* ---- SHA-256 ---- */

static void sha256_of_what_is_there(void **state)
{
    /* sha256sum of: 3 MiB of zeros with "abc" at 1 MiB; nothing */
    static const char want[] = "30315f1758480264fb9bdf5e18fc97de09ea47d410dfb2c1f3b57448e8a1b0f6";
    static const char none[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    struct output *output = begun(scratch_path("d"));
    char hex[65];

    (void)state;
    writes(output, MIB, "abc", 3);
    assert_int_equal(output_sha256(output, 3 * MIB, hex, &err), 0);
    assert_string_equal(hex, want);
    assert_int_equal(output_sha256(output, 0, hex, &err), 0);
    assert_string_equal(hex, none);
    finishes(output, 3 * MIB);
    assert_int_equal(output_sha256(output, 3 * MIB, hex, &err), 0);
    assert_string_equal(hex, want);
    output_close(output);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_new_file, clean),
        cmocka_unit_test_teardown(an_empty_file, clean),
        cmocka_unit_test_teardown(an_older_file_is_whole_until_the_end, clean),
        cmocka_unit_test_teardown(what_is_not_finished_is_removed, clean),
        cmocka_unit_test_teardown(links_are_followed, clean),
        cmocka_unit_test_teardown(a_name_alone_is_in_the_current_folder, clean),
        cmocka_unit_test_teardown(paths_that_lead_nowhere, clean),
        cmocka_unit_test_teardown(a_socket_is_no_output, clean),
        cmocka_unit_test_teardown(what_may_not_be_written_is_refused_at_once, clean),
        cmocka_unit_test_teardown(what_is_in_the_way_of_the_part, clean),
        cmocka_unit_test_teardown(zero_pages_become_holes, clean),
        cmocka_unit_test_teardown(several_threads_write, clean),
        cmocka_unit_test_teardown(a_file_that_may_not_be_so_big, clean),
        cmocka_unit_test_teardown(zeros_beyond_the_limit_are_kept, clean),
        cmocka_unit_test_teardown(a_full_disk, clean),
        cmocka_unit_test_teardown(a_disk_that_is_full_to_the_last_byte, clean),
        cmocka_unit_test_teardown(sha256_of_what_is_there, clean),
    };

    return cmocka_run_group_tests(tests, output_set_up, scratch_tear_down);
}
