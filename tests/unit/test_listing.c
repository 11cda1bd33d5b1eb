/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/json.h"
#include "listing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char top[] = "/tmp/test_listing.XXXXXX";
static int top_fd = -1;

static int set_up(void **state)
{
    (void)state;
    strcpy(top + strlen(top) - 6, "XXXXXX");
    if (!mkdtemp(top))
        return -1;
    top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return top_fd < 0 ? -1 : 0;
}

/* The directories of these tests are flat: each entry is a file or an empty directory. */
static int tear_down(void **state)
{
    struct names names = NAMES_INIT;
    struct err err;

    (void)state;
    lseek(top_fd, 0, SEEK_SET);
    if (names_read(&names, top_fd, LISTING_BYTES_MAX, &err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++)
        if (unlinkat(top_fd, names_get(&names, i), 0) < 0)
            unlinkat(top_fd, names_get(&names, i), AT_REMOVEDIR);
    names_release(&names);
    close(top_fd);
    return rmdir(top);
}

static void make_file(const char *name, const char *content)
{
    cleanup_close int fd = openat(top_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    const struct timespec times[2] = {{1600000000, 999999999}, {1600000000, 999999999}};

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    assert_int_equal(futimens(fd, times), 0);
}

static void read_top(struct names *names)
{
    struct err err;

    assert_int_equal(names_read(names, top_fd, LISTING_BYTES_MAX, &err), 0);
}

static void html_of(const struct names *names, struct str *out)
{
    struct err err;

    for (size_t i = 0; i < names->count; i++)
        assert_int_equal(listing_html(names, i, out, &err), 0);
}

static void an_empty_directory_has_no_entries(void **state)
{
    cleanup_names struct names names = NAMES_INIT;

    (void)state;
    read_top(&names);
    assert_int_equal(names.count, 0);
}

static void names_are_in_byte_order(void **state)
{
    static const char *const sorted[] = {".hidden", "A", "B", "a", "a b", "a.b", "ab", "\xff"};
    cleanup_names struct names names = NAMES_INIT;

    (void)state;
    for (size_t i = 0; i < 8; i++)
        make_file(sorted[i * 5 % 8], "");
    read_top(&names);
    assert_int_equal(names.count, 8);
    for (size_t i = 0; i < 8; i++)
        assert_string_equal(names_get(&names, i), sorted[i]);
}

static void the_arena_grows(void **state)
{
    cleanup_names struct names names = NAMES_INIT;
    char name[64];

    (void)state;
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "a-rather-long-name-of-a-file-%04d", 2999 - i);
        make_file(name, "");
    }
    read_top(&names);
    assert_int_equal(names.count, 3000);
    for (size_t i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "a-rather-long-name-of-a-file-%04zu", i);
        assert_string_equal(names_get(&names, i), name);
    }
}

/* The expected lines are the output of Go's http.FileServer, but for a '&' that begins an entity.
 */
static void html_is_that_of_go(void **state)
{
    cleanup_names struct names names = NAMES_INIT;
    cleanup_str struct str html = STR_INIT;

    (void)state;
    make_file("*", "");
    make_file(":colon", "");
    make_file("a&b&1", "");
    make_file("a&lt;b", "");
    make_file("latin-\xe9", "");
    make_file("q'\"<>#?%", "");
    make_file("\xc3\xbc", "");
    assert_int_equal(mkdirat(top_fd, "d:d", 0755), 0);
    assert_int_equal(symlinkat("d:d", top_fd, "link"), 0);
    read_top(&names);
    html_of(&names, &html);
    assert_string_equal(str_get(&html),
                        "<a href=\"*\">*</a>\n"
                        "<a href=\"./:colon\">:colon</a>\n"
                        "<a href=\"a&b&1\">a&amp;b&amp;1</a>\n"
                        "<a href=\"a%26lt;b\">a&amp;lt;b</a>\n"
                        "<a href=\"./d:d/\">d:d/</a>\n"
                        "<a href=\"latin-%E9\">latin-\xe9</a>\n"
                        "<a href=\"link\">link</a>\n"
                        "<a href=\"q%27%22%3C%3E%23%3F%25\">q&#39;&#34;&lt;&gt;#?%</a>\n"
                        "<a href=\"%C3%BC\">\xc3\xbc</a>\n");
}

/* Some file systems leave d_type unknown. */
static void types_are_looked_up_when_the_directory_does_not_say(void **state)
{
    cleanup_names struct names names = NAMES_INIT;
    cleanup_str struct str html = STR_INIT;

    (void)state;
    make_file("file", "");
    make_file("gone", "");
    assert_int_equal(mkdirat(top_fd, "dir", 0755), 0);
    read_top(&names);
    for (size_t i = 0; i < names.count; i++)
        names.arena[names.entry[i]] = DT_UNKNOWN;
    assert_int_equal(unlinkat(top_fd, "gone", 0), 0);
    html_of(&names, &html);
    assert_string_equal(str_get(&html), "<a href=\"dir/\">dir/</a>\n<a href=\"file\">file</a>\n");
}

static void json_says_what_each_entry_is(void **state)
{
    static const char *const expected[] = {
        "{\"name\":\"a\\\"b\",\"href\":\"a%22b\",\"type\":\"file\",\"size\":6,"
        "\"mtime\":\"2020-09-13T12:26:40Z\"}",
        "{\"name\":\"bad-\xef\xbf\xbd\",\"href\":\"bad-%FF\",\"type\":\"file\",\"size\":0,"
        "\"mtime\":\"2020-09-13T12:26:40Z\"}",
    };
    cleanup_names struct names names = NAMES_INIT;
    struct err err;
    bool shown;

    (void)state;
    make_file("a\"b", "hello\n");
    make_file("bad-\xff", "");
    read_top(&names);
    for (size_t i = 0; i < 2; i++) {
        cleanup_str struct str out = STR_INIT;

        assert_int_equal(listing_json(&names, i, &out, &shown, &err), 0);
        assert_true(shown);
        assert_string_equal(str_get(&out), expected[i]);
    }
}

static void json_knows_special_files(void **state)
{
    static const struct {
        const char *name, *href, *type, *target;
    } expected[] = {
        {"dir", "dir/", "directory", NULL},
        {"fifo", "fifo", "fifo", NULL},
        {"link", "link", "symlink", "no/where"},
    };
    cleanup_names struct names names = NAMES_INIT;
    struct err err;
    bool shown;

    (void)state;
    assert_int_equal(mkdirat(top_fd, "dir", 0755), 0);
    assert_int_equal(mkfifoat(top_fd, "fifo", 0644), 0);
    assert_int_equal(symlinkat("no/where", top_fd, "link"), 0);
    read_top(&names);
    for (size_t i = 0; i < 3; i++) {
        cleanup_str struct str out = STR_INIT;
        cleanup_json struct json *json = NULL;

        assert_int_equal(listing_json(&names, i, &out, &shown, &err), 0);
        json = json_parse(str_get(&out), out.len, &err);
        assert_non_null(json);
        assert_string_equal(json_string(json_get(json, "name")), expected[i].name);
        assert_string_equal(json_string(json_get(json, "href")), expected[i].href);
        assert_string_equal(json_string(json_get(json, "type")), expected[i].type);
        assert_null(json_get(json, "size"));
        if (expected[i].target)
            assert_string_equal(json_string(json_get(json, "target")), expected[i].target);
        else
            assert_null(json_get(json, "target"));
    }
}

static void json_leaves_out_what_is_gone(void **state)
{
    cleanup_names struct names names = NAMES_INIT;
    cleanup_str struct str out = STR_INIT;
    struct err err;
    bool shown = true;

    (void)state;
    make_file("gone", "");
    read_top(&names);
    assert_int_equal(unlinkat(top_fd, "gone", 0), 0);
    assert_int_equal(listing_json(&names, 0, &out, &shown, &err), 0);
    assert_false(shown);
    assert_int_equal(out.len, 0);
}

static void too_many_names_are_an_error(void **state)
{
    cleanup_names struct names names = NAMES_INIT;
    struct err err;

    (void)state;
    make_file("a name", "");
    assert_int_equal(names_read(&names, top_fd, sizeof("a name"), &err), -1);
    assert_int_equal(err.class, ERR_LIMIT);
}

static void a_file_is_no_directory(void **state)
{
    cleanup_names struct names names = NAMES_INIT;
    cleanup_close int fd = -1;
    struct err err;

    (void)state;
    make_file("file", "");
    fd = openat(top_fd, "file", O_RDONLY | O_CLOEXEC);
    assert_int_equal(names_read(&names, fd, LISTING_BYTES_MAX, &err), -1);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(an_empty_directory_has_no_entries),
        test(names_are_in_byte_order),
        test(the_arena_grows),
        test(html_is_that_of_go),
        test(types_are_looked_up_when_the_directory_does_not_say),
        test(json_says_what_each_entry_is),
        test(json_knows_special_files),
        test(json_leaves_out_what_is_gone),
        test(too_many_names_are_an_error),
        test(a_file_is_no_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
