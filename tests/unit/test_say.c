/* SPDX-License-Identifier: Apache-2.0 */
#include "exit_code.h"
#include "interrupt.h"
#include "say.h"
#include "support.h"

#include <poll.h>
#include <pty.h>
#include <signal.h>

static int saved, reader;
static char heard[16384];

/* Standard error into a pipe, or into a terminal of 20 columns. */
static void listen_to_it(bool terminal)
{
    struct winsize size = {.ws_row = 25, .ws_col = 20};
    int ends[2];

    if (terminal)
        assert_int_equal(openpty(&ends[0], &ends[1], NULL, NULL, &size), 0);
    else
        assert_int_equal(pipe(ends), 0);
    saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    reader = ends[0];
}

/* What was said since. */
static const char *what_was_heard(void)
{
    size_t len = 0;
    ssize_t n;

    dup2(saved, STDERR_FILENO); /* it was the last writer: there is an end to be read to */
    close(saved);
    while ((n = read(reader, heard + len, sizeof(heard) - 1 - len)) > 0)
        len += (size_t)n;
    heard[len] = '\0';
    close(reader);
    return heard;
}

static void lines(void **state)
{
    (void)state;
    listen_to_it(false);
    say_open(false);
    say("a %d", 1);
    say_warning("b %s", "c");
    say_error("d");
    assert_false(say_terminal());
    say_status("50%");
    say_status("");
    assert_string_equal(what_was_heard(), "a 1\nwarning: b c\nerror: d\n");
}

static void quiet(void **state)
{
    (void)state;
    listen_to_it(false);
    say_open(true);
    say("a");
    say_warning("b");
    say_error("c");
    assert_string_equal(what_was_heard(), "warning: b\nerror: c\n");
}

static void control_characters(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"\033[2J", "\\x1b[2J"},
        {"a\nb\rc\td", "a\\x0ab\\x0dc\\x09d"},
        {"\a\b\x7f", "\\x07\\x08\\x7f"},
        {"Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x92\xbe",
         "Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x92\xbe"},
        {"\xc2\x9b"
         "2J",
         "\\xc2\\x9b2J"}, /* CSI as one character of C1 */
        {"\x9b", "\\x9b"},
        {"\xc2\xa0", "\xc2\xa0"},
        {"\xc3", "\\xc3"},
        {"\xe2\x82", "\\xe2\\x82"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
        {"\xff\xfe", "\\xff\\xfe"},
        {"\xc0\x9b", "\\xc0\\x9b"},
        {"\xf0\x9f\x92\x1b[0m", "\\xf0\\x9f\\x92\\x1b[0m"},
        {"%s\\x", "%s\\x"},
        {"", ""},
    };

    (void)state;
    say_open(false);
    for (size_t i = 0; i < COUNT(rows); i++) {
        char want[128];

        listen_to_it(false);
        say("%s", rows[i].text);
        snprintf(want, sizeof(want), "%s\n", rows[i].want);
        assert_string_equal(what_was_heard(), want);
    }
}

static void a_long_line_is_one_line(void **state)
{
    char text[9000];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    listen_to_it(false);
    say("%s", text);
    what_was_heard();
    assert_ptr_equal(strchr(heard, '\n'), heard + strlen(heard) - 1);
}

static void a_terminal(void **state)
{
    (void)state;
    setenv("TERM", "xterm", 1);
    listen_to_it(true);
    say_open(false);
    assert_true(say_terminal());
    say_status("10%");
    say("line");
    say_status("0123456789012345678901234\033");
    say_status("");
    say_status("");
    say("end");
    assert_string_equal(what_was_heard(),
                        "\r\033[K10%\r\033[Kline\r\n10%\r\033[K0123456789012345678"
                        "\r\033[Kend\r\n");
}

static void no_terminal(void **state)
{
    (void)state;
    listen_to_it(true);
    say_open(true);
    assert_false(say_terminal());
    say_open(false);
    assert_true(say_terminal());
    setenv("TERM", "dumb", 1);
    say_open(false);
    assert_false(say_terminal());
    what_was_heard();
}

static void exit_codes(void **state)
{
    static const struct {
        enum err_class class;
        int code;
    } rows[] = {{ERR_INPUT, 2},     {ERR_NOT_FOUND, 3}, {ERR_UNAVAILABLE, 4},
                {ERR_FORBIDDEN, 5}, {ERR_PEER, 6},      {ERR_PRECONDITION, 7},
                {ERR_LIMIT, 1},     {ERR_IO, 1},        {ERR_SYSTEM, 1}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct err err = {rows[i].class, ""};

        assert_int_equal(exit_code_of(&err), rows[i].code);
    }
}

/* ---- interrupts, each in a child ---- */

static int in_child(void (*test)(void))
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        test();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void is_noticed(void)
{
    struct pollfd fd = {-1, POLLIN, 0};

    interrupt_open();
    if (interrupt_came() || !interrupt_sleep(1))
        _exit(1);
    fd.fd = interrupt_fd();
    if (poll(&fd, 1, 0) != 0)
        _exit(2);
    raise(SIGTERM);
    if (!interrupt_came() || interrupt_signal() != SIGTERM || interrupt_sleep(60000))
        _exit(3);
    if (poll(&fd, 1, 0) != 1)
        _exit(4);
}

static void ends_a_sleep(void)
{
    interrupt_open();
    alarm(10);
    if (fork() == 0) {
        usleep(20000);
        kill(getppid(), SIGINT);
        _exit(0);
    }
    if (interrupt_sleep(60000))
        _exit(1);
}

static void comes_twice(void)
{
    interrupt_open();
    raise(SIGTERM);
    raise(SIGTERM); /* timeout(1) and a shell's process group: one wish, not two */
    usleep(600000);
    raise(SIGINT);
    _exit(1);
}

static void is_ignored(void)
{
    signal(SIGHUP, SIG_IGN);
    interrupt_open();
    raise(SIGHUP);
    raise(SIGPIPE);
    raise(SIGXFSZ);
    _exit(interrupt_came() ? 1 : 0);
}

static void interrupts(void **state)
{
    (void)state;
    assert_int_equal(in_child(is_noticed), 0);
    assert_int_equal(in_child(ends_a_sleep), 0);
    assert_int_equal(in_child(comes_twice), 128 + SIGINT);
    assert_int_equal(in_child(is_ignored), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(quiet),
        cmocka_unit_test(control_characters),
        cmocka_unit_test(a_long_line_is_one_line),
        cmocka_unit_test(a_terminal),
        cmocka_unit_test(no_terminal),
        cmocka_unit_test(exit_codes),
        cmocka_unit_test(interrupts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
