/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies go to a memory file, or to a socket where the other end matters. */
#include "base/cleanup.h"
#include "judge.h"
#include "response.h"
#include "support.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { ID = 0x1234 };

static int out_fd;
static struct response res;
static struct err err;

static void begin(uint16_t id, bool head)
{
    response_init(&res, out_fd, id, head);
}

/* All that was sent, out of its records. */
static void sent(struct str *text)
{
    cleanup_str struct str raw = STR_INIT;
    char buf[4096];
    ssize_t n;

    lseek(out_fd, 0, SEEK_SET);
    while ((n = read(out_fd, buf, sizeof(buf))) > 0)
        str_append(&raw, buf, (size_t)n);
    if (!res.id)
        str_append(text, raw.data, raw.len);
    else if (!judge_records((const uint8_t *)str_get(&raw), raw.len, ID, text))
        fail_msg("no records");
}

static void assert_sent(const char *want)
{
    cleanup_str struct str text = STR_INIT;

    sent(&text);
    assert_string_equal(str_get(&text), want);
}

static void a_small_response(void **state)
{
    (void)state;
    begin(ID, false);
    response_header(&res, "X-Number", "%d", 7);
    assert_false(res.begun);
    assert_int_equal(response_text(&res, 404, "text/plain", "none\n", &err), 0);
    assert_true(res.begun);
    assert_int_equal(res.status, 404);
    assert_int_equal(res.sent, 5);
    assert_sent("Status: 404 Not Found\r\nX-Number: 7\r\nContent-Type: text/plain\r\n"
                "Content-Length: 5\r\nAccept-Ranges: none\r\n\r\nnone\n");
}

static void plain_cgi_has_no_records(void **state)
{
    (void)state;
    begin(0, false);
    assert_int_equal(response_text(&res, 200, "text/plain", "all", &err), 0);
    assert_sent("Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n"
                "Accept-Ranges: none\r\n\r\nall");
    assert_false(response_peer_left(&res));
}

static void head_has_no_body(void **state)
{
    cleanup_close int file = memfd_create("file", MFD_CLOEXEC);

    (void)state;
    begin(ID, true);
    assert_int_equal(response_text(&res, 200, "text/plain", "body", &err), 0);
    assert_int_equal(response_write(&res, "more", 4, &err), 0);
    assert_int_equal(response_send_file(&res, file, 0, 100, "a file", &err), 0);
    assert_int_equal(res.sent, 0);
    assert_sent("Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n"
                "Accept-Ranges: none\r\n\r\n");
}

static void a_value_cannot_make_a_header(void **state)
{
    (void)state;
    begin(ID, false);
    response_header(&res, "Location", "%s", "/a\r\nSet-Cookie: x\n\r\tb\x7f\x01");
    assert_int_equal(response_begin(&res, 301, &err), 0);
    assert_sent("Status: 301 Moved Permanently\r\nLocation: /a  Set-Cookie: x   b  \r\n\r\n");
}

/* X-Sendfile with a path of PATH_MAX bytes, each written as three. */
static void a_long_value_is_not_cut(void **state)
{
    cleanup_str struct str value = STR_INIT, want = STR_INIT;

    (void)state;
    for (int i = 0; i < 4096; i++)
        str_puts(&value, "%C3");
    begin(ID, false);
    response_header(&res, "X-Sendfile", "%s", str_get(&value));
    assert_int_equal(response_begin(&res, 200, &err), 0);
    str_printf(&want, "Status: 200 OK\r\nX-Sendfile: %s\r\n\r\n", str_get(&value));
    assert_sent(str_get(&want));
}

/* Lengths around those of a record and of one system call. */
static const size_t lengths[] = {
    0,          1,      61439,          61440,  61441, 65535, 65536, 2 * 61440, 16 * 61440 - 1,
    16 * 61440, 983041, 16 * 61440 + 1, 3000000};

/* The body after the headers is the noise that was sent. */
static void check_noise(const uint8_t *data, size_t len)
{
    static const char head[] = "Status: 200 OK\r\n\r\n";
    cleanup_str struct str text = STR_INIT;

    sent(&text);
    assert_int_equal(res.sent, len);
    assert_int_equal(text.len, sizeof(head) - 1 + len);
    assert_memory_equal(text.data, head, sizeof(head) - 1);
    assert_memory_equal(text.data + sizeof(head) - 1, data, len);
}

static int set_up(void **state)
{
    (void)state;
    out_fd = memfd_create("out", MFD_CLOEXEC);
    err = (struct err){.class = ERR_NONE};
    return out_fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    response_release(&res);
    close(out_fd);
    return 0;
}

static void anew(void **state)
{
    tear_down(state);
    set_up(state);
}

static void bodies_of_any_length(void **state)
{
    uint8_t *data = malloc(3000000);

    fill_noise(data, 3000000, 1);
    for (size_t i = 0; i < 2 * COUNT(lengths); i++) {
        size_t len = lengths[i / 2];

        anew(state);
        begin(i % 2 ? ID : 0, false);
        assert_int_equal(response_begin(&res, 200, &err), 0);
        assert_int_equal(response_write(&res, data, len, &err), 0);
        check_noise(data, len);
    }
    free(data);
}

static void files_of_any_length(void **state)
{
    enum { OFFSET = 777 };
    cleanup_close int file = memfd_create("file", MFD_CLOEXEC);
    uint8_t *data = malloc(OFFSET + 3000000);

    fill_noise(data, OFFSET + 3000000, 2);
    assert_int_equal(write(file, data, OFFSET + 3000000), OFFSET + 3000000);
    for (size_t i = 0; i < 2 * COUNT(lengths); i++) {
        size_t len = lengths[i / 2];

        anew(state);
        begin(i % 2 ? ID : 0, false);
        assert_int_equal(response_begin(&res, 200, &err), 0);
        assert_int_equal(response_send_file(&res, file, OFFSET, len, "a file", &err), 0);
        check_noise(data + OFFSET, len);
    }
    free(data);
}

static void a_file_that_ends_early_is_an_error(void **state)
{
    for (unsigned id = 0; id <= ID; id += ID) {
        cleanup_close int file = memfd_create("file", MFD_CLOEXEC);

        anew(state);
        assert_int_equal(ftruncate(file, 100000), 0);
        begin((uint16_t)id, false);
        assert_int_equal(response_begin(&res, 200, &err), 0);
        assert_int_equal(response_send_file(&res, file, 10, 99991, "the disk of 'v'", &err), -1);
        assert_int_equal(err.class, ERR_IO);
        assert_non_null(strstr(err.msg, "the disk of 'v' ends at offset 100000,"));
    }
}

static void a_file_that_cannot_be_read_is_an_error(void **state)
{
    for (unsigned id = 0; id <= ID; id += ID) {
        cleanup_close int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        anew(state);
        begin((uint16_t)id, false);
        assert_int_equal(response_begin(&res, 200, &err), 0);
        assert_int_equal(response_send_file(&res, dir, 8192, 5, "the disk of 'v'", &err), -1);
        assert_int_equal(err.class, ERR_IO);
        assert_non_null(strstr(err.msg, "cannot read the disk of 'v' at offset 8192"));
    }
}

static void a_peer_that_left(void **state)
{
    cleanup_close int file = memfd_create("file", MFD_CLOEXEC);
    int pair[2];
    char buf[100];

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(ftruncate(file, 1 << 20), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    response_init(&res, pair[0], ID, false);
    assert_int_equal(response_begin(&res, 200, &err), 0);
    assert_false(response_peer_left(&res));
    assert_int_equal(write(pair[1], "x", 1), 1); /* something to read is no end */
    assert_false(response_peer_left(&res));
    assert_true(read(pair[1], buf, sizeof(buf)) > 0);
    close(pair[1]);
    assert_true(response_peer_left(&res));
    assert_int_equal(response_write(&res, "x", 1, &err), -1);
    assert_int_equal(err.class, ERR_PEER);
    err.class = ERR_NONE;
    assert_int_equal(response_send_file(&res, file, 0, 1 << 20, "a file", &err), -1);
    assert_int_equal(err.class, ERR_PEER);
    assert_int_equal(res.sent, 0);
    close(pair[0]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(a_small_response),
        TEST(plain_cgi_has_no_records),
        TEST(head_has_no_body),
        TEST(a_value_cannot_make_a_header),
        TEST(a_long_value_is_not_cut),
        TEST(bodies_of_any_length),
        TEST(files_of_any_length),
        TEST(a_file_that_ends_early_is_an_error),
        TEST(a_file_that_cannot_be_read_is_an_error),
        TEST(a_peer_that_left),
    };

    return cmocka_run_group_tests_name("response", tests, NULL, NULL);
}
