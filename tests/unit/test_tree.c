/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/str.h"
#include "support.h"
#include "tree.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>

static struct err err;

static struct tree *tree_of(const char *path)
{
    int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct tree *tree;

    assert_true(root >= 0);
    tree = tree_new(root, &err);
    assert_non_null(tree);
    return tree;
}

/* The walk as text: a path a line, with '/' after directories; "!PATH" for what failed. */
static void walk_on(struct tree *tree, struct str *out)
{
    struct tree_entry entry;
    int rc;

    while ((rc = tree_next(tree, &entry, &err)) != 0) {
        struct stat st;

        if (rc < 0) {
            str_printf(out, "!%s\n", tree_path(tree));
            continue;
        }
        str_printf(out, "%s%s\n", entry.path, S_ISDIR(entry.st.st_mode) ? "/" : "");
        if (fstatat(entry.dir, entry.name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            st.st_ino != entry.st.st_ino)
            str_puts(out, "that is another file\n");
    }
}

static void walk(struct str *out)
{
    struct tree *tree = tree_of(scratch);

    walk_on(tree, out);
    tree_free(tree);
}

static void assert_walk(const char *want)
{
    cleanup_str struct str got = STR_INIT;

    walk(&got);
    assert_string_equal(str_get(&got), want);
}

static void an_empty_directory(void **state)
{
    (void)state;
    assert_walk("./\n");
    tree_free(tree_of(scratch)); /* never begun */
    tree_free(NULL);
}

static void names_in_byte_order_directories_first(void **state)
{
    (void)state;
    scratch_puts("b", "");
    scratch_mkdir("a");
    scratch_puts("a/z", "");
    scratch_mkdir("a/m");
    scratch_puts("a/m/deep", "");
    scratch_puts("a/b", "");
    scratch_puts("a.txt", ""); /* '.' sorts before '/', and yet "a" comes first */
    scratch_puts("B", "");
    scratch_puts("\xff", "");
    scratch_puts("\xc3\xa9", "");
    scratch_puts(" ", "");
    scratch_mkdir("empty");
    assert_walk("./\n./ \n./B\n./a/\n./a/b\n./a/m/\n./a/m/deep\n./a/z\n./a.txt\n./b\n./empty/\n"
                "./\xc3\xa9\n./\xff\n");
}

static void links_are_not_followed(void **state)
{
    (void)state;
    scratch_mkdir("dir");
    scratch_puts("dir/file", "");
    assert_int_equal(symlink("dir", scratch_path("link")), 0);
    assert_int_equal(symlink("..", scratch_path("dir/up")), 0);
    assert_int_equal(symlink("none", scratch_path("dangling")), 0);
    assert_int_equal(mkfifo(scratch_path("fifo"), 0600), 0);
    assert_walk("./\n./dangling\n./dir/\n./dir/file\n./dir/up\n./fifo\n./link\n");
}

static void directories_can_be_passed_over(void **state)
{
    struct tree *tree = tree_of(scratch);
    cleanup_str struct str got = STR_INIT;
    struct tree_entry entry;

    (void)state;
    scratch_mkdir("lost+found");
    scratch_puts("lost+found/x", "");
    scratch_puts("z", "");
    assert_int_equal(tree_next(tree, &entry, &err), 1);
    assert_int_equal(tree_next(tree, &entry, &err), 1);
    assert_string_equal(entry.path, "./lost+found");
    assert_string_equal(entry.name, "lost+found");
    tree_pass_over(tree);
    walk_on(tree, &got);
    assert_string_equal(str_get(&got), "./z\n");
    tree_free(tree);
}

/* Takes the walk to the entry `path`. */
static void walk_to(struct tree *tree, const char *path)
{
    struct tree_entry entry;

    do
        assert_int_equal(tree_next(tree, &entry, &err), 1);
    while (strcmp(entry.path, path) != 0);
}

static void a_directory_that_became_a_link(void **state)
{
    struct tree *tree = tree_of(scratch);
    cleanup_str struct str got = STR_INIT;

    (void)state;
    scratch_mkdir("d");
    scratch_puts("d/inside", "");
    scratch_puts("z", "");
    walk_to(tree, "./d");
    assert_int_equal(rename(scratch_path("d"), scratch_path("moved")), 0);
    assert_int_equal(symlink("/etc", scratch_path("d")), 0);
    walk_on(tree, &got);
    assert_string_equal(str_get(&got), "!./d\n./z\n");
    tree_free(tree);
}

static void entries_that_vanish(void **state)
{
    struct tree *tree = tree_of(scratch);
    cleanup_str struct str got = STR_INIT;

    (void)state;
    scratch_puts("a", "");
    scratch_puts("b", "");
    scratch_mkdir("c");
    scratch_puts("z", "");
    walk_to(tree, "./a");
    unlink(scratch_path("b"));
    rmdir(scratch_path("c"));
    walk_on(tree, &got);
    assert_string_equal(str_get(&got), "!./b\n!./c\n./z\n");
    tree_free(tree);
}

/* A directory moved away while the walk is in it is walked to its end, and the walk comes back. */
static void a_directory_that_moves_away(void **state)
{
    struct tree *tree = tree_of(scratch);
    cleanup_str struct str got = STR_INIT;

    (void)state;
    scratch_mkdir("d");
    scratch_puts("d/1", "");
    scratch_puts("d/2", "");
    scratch_puts("z", "");
    walk_to(tree, "./d/1");
    scratch_mkdir("away");
    assert_int_equal(rename(scratch_path("d"), scratch_path("away/d")), 0);
    walk_on(tree, &got);
    assert_string_equal(str_get(&got), "./d/2\n./z\n");
    tree_free(tree);
}

static char *shared; /* by a child with its parent */

static int walk_in_child(void)
{
    cleanup_str struct str got = STR_INIT;

    walk(&got);
    snprintf(shared, 4096, "%s%s", str_get(&got), err.msg);
    return 0;
}

static void an_unreadable_directory_is_passed_over(void **state)
{
    int status;

    (void)state;
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    scratch_puts("a", "");
    scratch_mkdir("closed");
    scratch_puts("closed/x", "");
    scratch_mkdir("names-only"); /* may be listed, but not looked into */
    scratch_puts("names-only/x", "");
    scratch_puts("z", "");
    chmod(scratch, 0755);
    chmod(scratch_path("closed"), 0);
    chmod(scratch_path("names-only"), 0444);
    status = as_nobody(walk_in_child);
    chmod(scratch_path("closed"), 0755);
    chmod(scratch_path("names-only"), 0755);
    assert_int_equal(status, 0);
    assert_string_equal(shared,
                        "./\n./a\n./closed/\n!./closed\n./names-only/\n!./names-only/x\n./z\n"
                        "cannot stat './names-only/x': Permission denied");
    munmap(shared, 4096);
}

/* Makes `depth` directories in each other, and a file after the first. */
static void make_deep(int depth)
{
    cleanup_close int at = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    scratch_puts("z", "");
    for (int i = 0; i < depth; i++) {
        int next;

        assert_int_equal(mkdirat(at, "d", 0755), 0);
        next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(at);
        at = next;
    }
}

/* Its paths are too long for nftw: the second directory becomes the first until there is none. */
static void remove_deep(void)
{
    while (rename(scratch_path("d/d"), scratch_path("e")) == 0) {
        assert_int_equal(rmdir(scratch_path("d")), 0);
        assert_int_equal(rename(scratch_path("e"), scratch_path("d")), 0);
    }
    assert_int_equal(errno, ENOENT);
}

/* Counts entries until the end; the number of failures goes to `*failed`. */
static int count_walk(int *failed)
{
    struct tree *tree = tree_of(scratch);
    struct tree_entry entry;
    int entries = 0, rc;

    *failed = 0;
    while ((rc = tree_next(tree, &entry, &err)) != 0) {
        *failed += rc < 0;
        entries += rc > 0;
    }
    tree_free(tree);
    return entries;
}

static void deep_trees(void **state)
{
    int failed;

    (void)state;
    make_deep(300);
    assert_int_equal(count_walk(&failed), 1 + 300 + 1);
    assert_int_equal(failed, 0);
    remove_deep();
}

static void too_deep_is_an_error_and_the_rest_goes_on(void **state)
{
    struct rlimit old, many = {TREE_DEPTH_MAX + 100, TREE_DEPTH_MAX + 100}, few = {200, 0};
    int failed;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    make_deep(2100);
    many.rlim_max = few.rlim_max = old.rlim_max;
    if (old.rlim_max < many.rlim_cur || setrlimit(RLIMIT_NOFILE, &many) < 0) {
        remove_deep();
        SKIP("the limit of descriptors is too low");
    }
    assert_int_equal(count_walk(&failed), 1 + TREE_DEPTH_MAX + 1);
    assert_int_equal(failed, 1);
    assert_int_equal(err.class, ERR_INPUT);
    /* The same when descriptors are out before. */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_in_range(count_walk(&failed), 100, 202);
    assert_int_equal(failed, 1);
    assert_int_equal(err.class, ERR_SYSTEM);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    remove_deep();
}

static void no_descriptor_is_lost(void **state)
{
    struct tree_entry entry;
    int before = dup(0), after;
    struct tree *tree;

    (void)state;
    close(before);
    scratch_mkdir("a");
    scratch_mkdir("a/b");
    tree = tree_of(scratch);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tree_next(tree, &entry, &err), 1);
    tree_free(tree); /* in the middle */
    after = dup(0);
    close(after);
    assert_int_equal(before, after);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_set_up, scratch_tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(an_empty_directory),
        TEST(names_in_byte_order_directories_first),
        TEST(links_are_not_followed),
        TEST(directories_can_be_passed_over),
        TEST(a_directory_that_became_a_link),
        TEST(entries_that_vanish),
        TEST(a_directory_that_moves_away),
        TEST(an_unreadable_directory_is_passed_over),
        TEST(deep_trees),
        TEST(too_deep_is_an_error_and_the_rest_goes_on),
        TEST(no_descriptor_is_lost),
    };

    return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
