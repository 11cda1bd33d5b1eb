/* SPDX-License-Identifier: Apache-2.0 */
/* The volume is "vol" in the scratch directory; what must never be reached is "secret" beside it.
 */
#include "base/cleanup.h"
#include "support.h"
#include "volume.h"

#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

static struct err err;

/* ---- VMEXPORT_VOLUMES ---- */

static void a_table(void **state)
{
    struct volume_table table;

    (void)state;
    assert_int_equal(
        volume_table_parse(&table, "\n  a.b-c_1 disk id-1 /x y/z \n\n\t\nb\tarchive\t-\t/dev/b",
                           &err),
        0);
    assert_int_equal(table.count, 2);
    assert_string_equal(table.volume[0].name, "a.b-c_1");
    assert_int_equal(table.volume[0].content, VOLUME_DISK);
    assert_string_equal(table.volume[0].identity, "id-1");
    assert_string_equal(table.volume[0].path, "/x y/z ");
    assert_string_equal(table.volume[1].name, "b");
    assert_int_equal(table.volume[1].content, VOLUME_ARCHIVE);
    assert_string_equal(table.volume[1].identity, "");
    assert_string_equal(table.volume[1].path, "/dev/b");
    assert_ptr_equal(volume_find(&table, "bx", 1), &table.volume[1]);
    assert_null(volume_find(&table, "bx", 2));
    assert_null(volume_find(&table, "a", 1));
    assert_null(volume_find(&table, "", 0));
    volume_table_free(&table);
    assert_int_equal(volume_table_parse(&table, "", &err), 0);
    assert_int_equal(table.count, 0);
    volume_table_free(&table);
    volume_table_free(&table);
}

static void errors_name_the_line(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"a", "line 1: it needs four words"},
        {"a disk", "line 1: it needs four words"},
        {"a disk -", "line 1: it has no PATH"},
        {"a disk - \t \nb disk - /b", "line 1: it has no PATH"},
        {"\n\na disk - /a\nb disc - /b\n", "line 4: 'disc' is no content"},
        {"a disks - /a", "line 1: 'disks' is no content"},
        {"a DISK - /a", "line 1: 'DISK' is no content"},
        {"a disk - /a\na archive - /b", "line 2: 'a' is named twice"},
        {"a/b disk - /a", "line 1: 'a/b' is no volume name"},
        {".. disk - /a", "line 1: '..' is no volume name"},
        {".a disk - /a", "line 1: '.a' is no volume name"},
        {"a%2f disk - /a", "line 1: 'a%2f' is no volume name"},
        {"\xc3\xa9 disk - /a", "is no volume name"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct volume_table table;

        assert_int_equal(volume_table_parse(&table, rows[i].text, &err), -1);
        volume_table_free(&table);
        assert_int_equal(err.class, ERR_INPUT);
        if (!strstr(err.msg, rows[i].want) || !str_starts(err.msg, "VMEXPORT_VOLUMES, line "))
            fail_msg("row %zu: %s", i, err.msg);
    }
}

static void long_names(void **state)
{
    char text[400];

    (void)state;
    for (int len = 253; len <= 254; len++) {
        struct volume_table table;

        memset(text, 'n', sizeof(text));
        strcpy(text + len, " disk - /a");
        assert_int_equal(volume_table_parse(&table, text, &err), len == 253 ? 0 : -1);
        volume_table_free(&table);
    }
}

/* ---- opening ---- */

static const struct volume *volume(void)
{
    static char name[] = "v", identity[] = "", path[128];
    static const struct volume v = {name, VOLUME_ARCHIVE, identity, path};

    snprintf(path, sizeof(path), "%s/vol", scratch);
    return &v;
}

static void assert_opens(const char *path, unsigned flags, const char *want)
{
    struct stat st;
    cleanup_close int fd = volume_open(volume(), path, flags, &st, &err);
    char buf[100] = "";

    if (fd < 0)
        fail_msg("'%s': %s", path, err.msg);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(st.st_size, strlen(want));
    assert_int_equal(read(fd, buf, sizeof(buf)), strlen(want));
    assert_string_equal(buf, want);
    assert_int_equal(write(fd, "x", 1), -1); /* for reading only */
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void assert_refused(const char *path, unsigned flags, enum err_class class)
{
    struct stat st;
    int fd = volume_open(volume(), path, flags, &st, &err);

    if (fd >= 0 || err.class != class)
        fail_msg("'%.100s': %s", path, fd < 0 ? err.msg : "opened");
}

static void link_to(const char *target, const char *name)
{
    assert_int_equal(symlink(target, scratch_path(name)), 0);
}

static int set_up(void **state)
{
    if (scratch_set_up(state) < 0)
        return -1;
    scratch_puts("secret", "SECRET");
    scratch_mkdir("vol");
    scratch_mkdir("vol/sub");
    scratch_puts("vol/file", "content");
    scratch_puts("vol/sub/file", "in sub");
    return 0;
}

static void files_and_directories(void **state)
{
    struct stat st;
    int fd;

    (void)state;
    assert_opens("file", 0, "content");
    assert_opens("/file", 0, "content");
    assert_opens("///sub/file", 0, "in sub");
    assert_opens("sub//file", 0, "in sub");
    assert_opens("sub/./file", 0, "in sub");
    assert_opens("sub/../file", 0, "content");
    fd = volume_open(volume(), "sub", 0, &st, &err);
    assert_true(fd >= 0 && S_ISDIR(st.st_mode));
    close(fd);
    fd = volume_open(volume(), "//", 0, &st, &err);
    assert_true(fd >= 0 && S_ISDIR(st.st_mode));
    close(fd);
    assert_refused("none", 0, ERR_NOT_FOUND);
    assert_refused("file/", 0, ERR_NOT_FOUND);
    assert_refused("file/x", 0, ERR_NOT_FOUND);
    assert_refused("none/../file", 0, ERR_NOT_FOUND);
}

static void dots_do_not_lead_out(void **state)
{
    (void)state;
    assert_refused("..", 0, ERR_NOT_FOUND);
    assert_refused("../secret", 0, ERR_NOT_FOUND);
    assert_refused("/../secret", 0, ERR_NOT_FOUND);
    assert_refused("sub/../../secret", 0, ERR_NOT_FOUND);
    assert_refused("sub/../../vol/file", 0, ERR_NOT_FOUND); /* not even out and back in */
}

static void links_stay_within(void **state)
{
    (void)state;
    link_to("file", "vol/in");
    link_to("../file", "vol/sub/up");
    link_to("sub", "vol/dir");
    link_to("../secret", "vol/out");
    link_to("..", "vol/parent");
    link_to(scratch_path("secret"), "vol/absolute");
    link_to(scratch_path("vol/file"), "vol/absolute-in");
    link_to("/", "vol/root");
    link_to("/proc/self/root", "vol/magic");
    link_to("none", "vol/dangling");
    link_to("loop", "vol/loop");
    link_to("two", "vol/one");
    link_to("one", "vol/two");
    assert_opens("in", 0, "content");
    assert_opens("sub/up", 0, "content");
    assert_opens("dir/file", 0, "in sub");
    assert_refused("out", 0, ERR_NOT_FOUND);
    assert_refused("parent/secret", 0, ERR_NOT_FOUND);
    assert_refused("parent", 0, ERR_NOT_FOUND);
    assert_refused("absolute", 0, ERR_NOT_FOUND);
    assert_refused("absolute-in", 0, ERR_NOT_FOUND);
    assert_refused("root", 0, ERR_NOT_FOUND);
    assert_refused("root/etc/passwd", 0, ERR_NOT_FOUND);
    assert_refused("magic/etc/passwd", 0, ERR_NOT_FOUND);
    assert_refused("dangling", 0, ERR_NOT_FOUND);
    assert_refused("loop", 0, ERR_NOT_FOUND);
    assert_refused("one", 0, ERR_NOT_FOUND);
}

/* As for disk.img, which a guest's owner must not be able to point elsewhere. */
static void no_links_at_all(void **state)
{
    (void)state;
    link_to("file", "vol/in");
    link_to("sub", "vol/dir");
    assert_opens("file", VOLUME_NO_LINKS, "content");
    assert_opens("sub/file", VOLUME_NO_LINKS, "in sub");
    assert_refused("in", VOLUME_NO_LINKS, ERR_NOT_FOUND);
    assert_refused("dir/file", VOLUME_NO_LINKS, ERR_NOT_FOUND);
}

/* Opening one would hang or act: it must not come to that. */
static void fifos_and_sockets(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    cleanup_close int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    assert_int_equal(mkfifo(scratch_path("vol/fifo"), 0666), 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/vol/socket", scratch);
    assert_int_equal(bind(s, (struct sockaddr *)&address, sizeof(address)), 0);
    link_to("fifo", "vol/to-fifo");
    alarm(5); /* a hang ends the test */
    assert_refused("fifo", 0, ERR_FORBIDDEN);
    assert_refused("to-fifo", 0, ERR_FORBIDDEN);
    assert_refused("socket", 0, ERR_FORBIDDEN);
    alarm(0);
}

static void device_nodes(void **state)
{
    (void)state;
    if (mknod(scratch_path("vol/null"), S_IFCHR | 0666, makedev(1, 3)) < 0 ||
        mknod(scratch_path("vol/block"), S_IFBLK | 0666, makedev(7, 0)) < 0)
        SKIP("device nodes cannot be made here");
    assert_refused("null", 0, ERR_FORBIDDEN);
    assert_refused("block", 0, ERR_FORBIDDEN);
}

static int open_class(void)
{
    struct stat st;

    return volume_open(volume(), "file", 0, &st, &err) < 0 ? (int)err.class : ERR_NONE;
}

static void unreadable_files(void **state)
{
    (void)state;
    chmod(scratch, 0755);
    assert_int_equal(as_nobody(open_class), ERR_NONE);
    chmod(scratch_path("vol/file"), 0);
    assert_int_equal(as_nobody(open_class), ERR_FORBIDDEN);
    chmod(scratch_path("vol/file"), 0644);
    chmod(scratch_path("vol"), 0600);
    assert_int_equal(as_nobody(open_class), ERR_FORBIDDEN);
    chmod(scratch_path("vol"), 0755);
}

static void long_and_deep_paths(void **state)
{
    cleanup_str struct str path = STR_INIT;

    (void)state;
    for (int i = 1; i < VOLUME_DEPTH_MAX; i++)
        str_puts(&path, "./");
    str_puts(&path, "file");
    assert_opens(str_get(&path), 0, "content");
    str_clear(&path);
    for (int i = 0; i < VOLUME_DEPTH_MAX; i++)
        str_puts(&path, "./");
    str_puts(&path, "file");
    assert_refused(str_get(&path), 0, ERR_NOT_FOUND);
    str_clear(&path);
    for (int i = 0; i < 255; i++)
        str_putc(&path, 'n');
    assert_refused(str_get(&path), 0, ERR_NOT_FOUND);
    for (int i = 0; i < VOLUME_PATH_MAX; i++)
        str_putc(&path, 'n');
    assert_refused(str_get(&path), 0, ERR_NOT_FOUND);
    assert_true(strlen(err.msg) < 200); /* a peer's path does not fill the log */
}

static void odd_names(void **state)
{
    static const char *const names[] = {"\xff\xfe", "a b", "-rf", "a\nb", "%2e%2e", "..."};
    char longest[256];

    (void)state;
    memset(longest, 'n', 255);
    longest[255] = '\0';
    for (size_t i = 0; i <= COUNT(names); i++) {
        const char *name = i < COUNT(names) ? names[i] : longest;
        char path[400];

        snprintf(path, sizeof(path), "vol/%s", name);
        scratch_puts(path, "odd");
        assert_opens(name, 0, "odd");
    }
}

static void the_root_itself(void **state)
{
    static char name[] = "v", identity[] = "", file[128], fifo[128], none[128];
    const struct volume on_file = {name, VOLUME_DISK, identity, file};
    const struct volume on_fifo = {name, VOLUME_DISK, identity, fifo};
    const struct volume on_none = {name, VOLUME_DISK, identity, none};
    struct stat st;
    int fd;

    (void)state;
    strcpy(file, scratch_path("vol/file"));
    strcpy(fifo, scratch_path("vol/fifo"));
    strcpy(none, scratch_path("none"));
    assert_int_equal(mkfifo(fifo, 0666), 0);
    fd = volume_open(&on_file, "", 0, &st, &err);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(volume_open(&on_file, "x", 0, &st, &err), -1);
    assert_int_equal(err.class, ERR_NOT_FOUND);
    assert_int_equal(volume_open(&on_fifo, "", 0, &st, &err), -1);
    assert_int_equal(err.class, ERR_FORBIDDEN);
    assert_int_equal(volume_open(&on_none, "", 0, &st, &err), -1);
    assert_int_equal(err.class, ERR_NOT_FOUND);
}

static void real_paths_have_no_links(void **state)
{
    cleanup_str struct str path = STR_INIT;
    struct stat st;
    cleanup_close int fd = -1;

    (void)state;
    link_to("sub", "vol/dir");
    fd = volume_open(volume(), "dir/file", 0, &st, &err);
    assert_true(fd >= 0);
    assert_int_equal(volume_real_path(fd, &path, &err), 0);
    assert_string_equal(str_get(&path), scratch_path("vol/sub/file"));
    assert_int_equal(volume_real_path(99999, &path, &err), -1);
}

/* Every way through leaves as many descriptors as there were. */
static void no_descriptor_is_lost(void **state)
{
    struct stat st;
    int before = dup(0), after;

    (void)state;
    close(before);
    assert_refused("none", 0, ERR_NOT_FOUND);
    assert_refused("../secret", 0, ERR_NOT_FOUND);
    assert_int_equal(mkfifo(scratch_path("vol/fifo"), 0666), 0);
    assert_refused("fifo", 0, ERR_FORBIDDEN);
    close(volume_open(volume(), "file", 0, &st, &err));
    close(volume_open(volume(), "", 0, &st, &err));
    after = dup(0);
    close(after);
    assert_int_equal(before, after);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, scratch_tear_down)
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table),    cmocka_unit_test(errors_name_the_line),
        cmocka_unit_test(long_names), TEST(files_and_directories),
        TEST(dots_do_not_lead_out),   TEST(links_stay_within),
        TEST(no_links_at_all),        TEST(fifos_and_sockets),
        TEST(device_nodes),           TEST(unreadable_files),
        TEST(long_and_deep_paths),    TEST(odd_names),
        TEST(the_root_itself),        TEST(real_paths_have_no_links),
        TEST(no_descriptor_is_lost),
    };

    return cmocka_run_group_tests_name("volume", tests, NULL, NULL);
}
