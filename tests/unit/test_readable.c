/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted of trees and disks that another user made: as a child that is not root. */
#include "base/json.h"
#include "readable.h"
#include "support.h"

#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

static const struct readable_limits enough = {.ms = 60000, .entries = 1000000};

/* "UNREADABLE[ more][ block]" of each volume. */
static void inspect(const char *table, const struct readable_limits *limits, struct str *out)
{
    struct volume_table volumes;
    struct readable readable;
    struct err err;

    assert_int_equal(volume_table_parse(&volumes, table, &err), 0);
    assert_int_equal(readable_init(&readable, &volumes, &err), 0);
    assert_true(readable.inspecting);
    readable_inspect(&readable, limits);
    assert_false(readable.inspecting);
    for (size_t i = 0; i < volumes.count; i++)
        str_printf(out, "%s%u%s%s", i ? ", " : "", readable.volume[i].unreadable,
                   readable.volume[i].more ? " more" : "",
                   readable.volume[i].block ? " block" : "");
    readable_free(&readable);
    volume_table_free(&volumes);
}

static struct {
    const char *content, *name, *want;
    struct readable_limits limits;
} row;

/* In the child: 0 when it finds what the row wants. */
static int look(void)
{
    cleanup_str struct str table = STR_INIT, got = STR_INIT;

    str_printf(&table, "v %s - %s", row.content, scratch_path(row.name));
    inspect(str_get(&table), &row.limits, &got);
    if (strcmp(str_get(&got), row.want) == 0)
        return 0;
    print_message("# %s: got '%s', want '%s'\n", row.name, str_get(&got), row.want);
    return 1;
}

static void assert_found_within(const char *content, const char *name, const char *want,
                                struct readable_limits limits)
{
    row.content = content;
    row.name = name;
    row.want = want;
    row.limits = limits;
    assert_int_equal(as_nobody(look), 0);
}

static void assert_found(const char *content, const char *name, const char *want)
{
    assert_found_within(content, name, want, enough);
}

static void file(const char *name, mode_t mode)
{
    scratch_puts(name, "x");
    assert_int_equal(chmod(scratch_path(name), mode), 0);
}

static void dir(const char *name, mode_t mode)
{
    scratch_mkdir(name);
    assert_int_equal(chmod(scratch_path(name), mode), 0);
}

static int set_up(void **state)
{
    return scratch_set_up(state) < 0 ? -1 : chmod(scratch, 0755);
}

/* ---- archives ---- */

static void a_tree_that_can_be_read(void **state)
{
    (void)state;
    dir("t", 0755);
    file("t/a", 0644);
    dir("t/d", 0755);
    file("t/d/b", 0444);
    assert_found("archive", "t", "0");
}

static void files_and_directories_that_cannot(void **state)
{
    (void)state;
    dir("t", 0755);
    file("t/a", 0600);
    file("t/b", 0644);
    file("t/.c", 0200);
    dir("t/none", 0700);     /* counts once, whatever is in it */
    dir("t/listed", 0744);   /* names, and no way to what they name */
    dir("t/searched", 0711); /* the other way round */
    dir("t/open", 0755);
    file("t/open/d", 0000);
    dir("t/open/deep", 0755);
    file("t/open/deep/e", 0600);
    file("t/none/f", 0600);
    file("t/listed/g", 0600);
    assert_found("archive", "t", "7");
}

static void what_is_no_file_is_not_counted(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    dir("t", 0755);
    file("secret", 0600);
    dir("closed", 0700);
    assert_int_equal(mkfifo(scratch_path("t/fifo"), 0600), 0); /* nobody opens it: it would hang */
    assert_int_equal(symlink("../secret", scratch_path("t/link")), 0);
    assert_int_equal(symlink("../closed", scratch_path("t/dirlink")), 0);
    assert_int_equal(symlink("nowhere", scratch_path("t/dangling")), 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", scratch_path("t/sock"));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    assert_int_equal(chmod(scratch_path("t/sock"), 0600), 0);
    if (geteuid() == 0)
        assert_int_equal(mknod(scratch_path("t/device"), S_IFBLK | 0600, makedev(7, 200)), 0);
    assert_found("archive", "t", "0");
}

/* Every file system has one, for root only; archives leave it out. */
static void lost_and_found_of_the_root_is_left_out(void **state)
{
    (void)state;
    dir("t", 0755);
    dir("t/lost+found", 0700);
    assert_found("archive", "t", "0");
    dir("t/d", 0755);
    dir("t/d/lost+found", 0700); /* somebody's own */
    assert_found("archive", "t", "1");
}

static void a_root_that_is_closed_or_missing(void **state)
{
    (void)state;
    dir("t", 0700);
    assert_found("archive", "t", "1");
    assert_found("archive", "nowhere", "0");
}

static void it_ends_by_entries_and_time(void **state)
{
    (void)state;
    dir("t", 0755);
    for (int i = 0; i < 50; i++) {
        char name[16];

        snprintf(name, sizeof(name), "t/%d", i);
        file(name, 0600);
    }
    assert_found("archive", "t", "50");
    assert_found_within("archive", "t", "0 more", (struct readable_limits){.ms = 60000});
    assert_found_within("archive", "t", "0 more", (struct readable_limits){.entries = 1000});
    assert_found_within("disk", "t", "0", (struct readable_limits){.ms = 0});
}

/* A tree of so many levels, its root counted. */
static void levels(const char *name, int count)
{
    int fd;

    dir(name, 0755);
    fd = open(scratch_path(name), O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (int i = 1; i < count; i++) {
        int below;

        assert_int_equal(mkdirat(fd, "d", 0755), 0);
        below = openat(fd, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
        close(fd);
        fd = below;
    }
    close(fd);
}

static void too_deep_is_told(void **state)
{
    (void)state;
    levels("deep", READABLE_DEPTH_MAX);
    assert_found("archive", "deep", "0");
    levels("deeper", READABLE_DEPTH_MAX + 1);
    assert_found("archive", "deeper", "0 more");
}

/* ---- disks ---- */

static void disks(void **state)
{
    (void)state;
    dir("good", 0755);
    file("good/disk.img", 0644);
    file("good/other", 0600);
    assert_found("disk", "good", "0");
    dir("bad", 0755);
    file("bad/disk.img", 0600);
    assert_found("disk", "bad", "1");
    assert_found("disk", "bad/disk.img", "1");
    dir("listed", 0711); /* to be searched is enough */
    file("listed/disk.img", 0644);
    assert_found("disk", "listed", "0");
    dir("closed", 0700);
    file("closed/disk.img", 0644);
    assert_found("disk", "closed", "1");
}

/* What raw answers with 404 or 403 is not a matter of who may read. */
static void disks_that_are_none(void **state)
{
    (void)state;
    file("secret", 0600);
    dir("empty", 0755);
    assert_found("disk", "empty", "0");
    dir("link", 0755);
    assert_int_equal(symlink("../secret", scratch_path("link/disk.img")), 0);
    assert_found("disk", "link", "0");
    dir("fifo", 0755);
    assert_int_equal(mkfifo(scratch_path("fifo/disk.img"), 0600), 0);
    assert_found("disk", "fifo", "0");
    dir("dir", 0755);
    dir("dir/disk.img", 0700);
    assert_found("disk", "dir", "0");
    assert_found("disk", "nowhere", "0");
}

static void a_block_device(void **state)
{
    (void)state;
    if (geteuid() != 0)
        SKIP("a device needs root");
    assert_int_equal(mknod(scratch_path("device"), S_IFBLK | 0600, makedev(7, 200)), 0);
    assert_found("disk", "device", "1 block");
}

/* ---- all volumes together ---- */

static void what_is_told(void **state)
{
    cleanup_str struct str table = STR_INIT, text = STR_INIT;
    cleanup_json struct json *got = NULL, *want = NULL;
    struct volume_table volumes;
    struct readable readable;
    struct err err;

    (void)state;
    str_printf(&table, "a archive - %s\nb disk - %s", scratch, scratch);
    assert_int_equal(volume_table_parse(&volumes, str_get(&table), &err), 0);
    assert_int_equal(readable_init(&readable, &volumes, &err), 0);
    readable_print(&readable, &text);
    got = json_parse(str_get(&text), text.len, &err);
    want = json_format("{'uid':%d,'gid':%d,'inspecting':true,'volumes':["
                       "{'name':'a','unreadable':0,'more':false,'block':false},"
                       "{'name':'b','unreadable':0,'more':false,'block':false}]}",
                       (int)geteuid(), (int)getegid());
    assert_true(json_equal(got, want));
    atomic_store(&readable.inspecting, false);
    atomic_store(&readable.volume[0].unreadable, 3);
    atomic_store(&readable.volume[1].more, true);
    atomic_store(&readable.volume[1].block, true);
    str_clear(&text);
    readable_print(&readable, &text);
    assert_non_null(strstr(str_get(&text), "\"inspecting\":false"));
    assert_non_null(
        strstr(str_get(&text), "{\"name\":\"a\",\"unreadable\":3,\"more\":false,\"block\":false}"));
    assert_non_null(
        strstr(str_get(&text), "{\"name\":\"b\",\"unreadable\":0,\"more\":true,\"block\":true}"));
    readable_free(&readable);
    volume_table_free(&volumes);
}

static void the_thread_comes_to_an_end(void **state)
{
    static struct volume_table volumes; /* it may outlive the test */
    static struct readable readable;
    cleanup_str struct str table = STR_INIT;
    struct err err;

    (void)state;
    file("a", 0644);
    str_printf(&table, "a archive - %s", scratch);
    assert_int_equal(volume_table_parse(&volumes, str_get(&table), &err), 0);
    assert_int_equal(readable_init(&readable, &volumes, &err), 0);
    assert_int_equal(readable_start(&readable, &err), 0);
    for (int i = 0; i < 3000 && atomic_load(&readable.inspecting); i++)
        usleep(10000);
    assert_false(atomic_load(&readable.inspecting));
    assert_int_equal(atomic_load(&readable.volume[0].unreadable), 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, scratch_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_tree_that_can_be_read),
        TEST(files_and_directories_that_cannot),
        TEST(what_is_no_file_is_not_counted),
        TEST(lost_and_found_of_the_root_is_left_out),
        TEST(a_root_that_is_closed_or_missing),
        TEST(it_ends_by_entries_and_time),
        TEST(too_deep_is_told),
        TEST(disks),
        TEST(disks_that_are_none),
        TEST(a_block_device),
        TEST(what_is_told),
        TEST(the_thread_comes_to_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
