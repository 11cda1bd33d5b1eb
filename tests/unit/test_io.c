/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/io.h"
#include "support.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>

static struct err err;

static void pread_reads_all_or_fails(void **state)
{
    cleanup_close int fd = memfd_create("file", MFD_CLOEXEC);
    char buf[8];

    (void)state;
    assert_int_equal(write(fd, "0123456789", 10), 10);
    assert_int_equal(io_pread(fd, buf, 4, 3, "a file", &err), 0);
    assert_memory_equal(buf, "3456", 4);
    assert_int_equal(io_pread(fd, buf, 0, 100, "a file", &err), 0);
    assert_int_equal(io_pread(fd, buf, 4, 8, "a file", &err), -1);
    assert_int_equal(err.class, ERR_IO);
    assert_non_null(strstr(err.msg, "a file ends at offset 10,"));
    assert_int_equal(io_pread(fd, buf, 4, 100, "a file", &err), -1);
    assert_non_null(strstr(err.msg, "offset 100,"));
    assert_int_equal(io_pread(-1, buf, 4, 7, "a file", &err), -1);
    assert_int_equal(err.class, ERR_IO);
    assert_non_null(strstr(err.msg, "cannot read a file at offset 7"));
}

static void on_alarm(int signum)
{
    (void)signum;
}

/* A signal each millisecond that interrupts system calls. */
static void alarms(bool on)
{
    struct itimerval timer = {{0, on ? 1000 : 0}, {0, on ? 1000 : 0}};
    struct sigaction action = {.sa_handler = on_alarm};

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* A reader that takes little pieces slowly, and says by its status whether all was right. */
static pid_t slow_reader(int fd, const uint8_t *want, size_t len)
{
    pid_t pid = fork();
    size_t at = 0;

    assert_true(pid >= 0);
    if (pid)
        return pid;
    for (;;) {
        char buf[20000];
        ssize_t n = read(fd, buf, sizeof(buf));

        if (n <= 0)
            _exit(n < 0 || at != len);
        if (at + (size_t)n > len || memcmp(buf, want + at, (size_t)n) != 0)
            _exit(2);
        at += (size_t)n;
        usleep(3000); /* longer than the writer has between two signals */
    }
}

static void writev_writes_all_through_signals(void **state)
{
    enum { LEN = 2000000 };
    uint8_t *data = malloc(LEN);
    struct iovec iov[5] = {
        {data, 1},
        {data + 1, 0},
        {data + 1, 65536},
        {data + 65537, 1000},
        {data + 66537, LEN - 66537},
    };
    int ends[2], status;
    pid_t pid;

    (void)state;
    fill_noise(data, LEN, 1);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        close(ends[1]);
        pid = slow_reader(ends[0], data, LEN);
        waitpid(pid, &status, 0);
        _exit(WEXITSTATUS(status));
    }
    close(ends[0]);
    alarms(true);
    assert_int_equal(io_writev(ends[1], iov, 5, &err), 0);
    alarms(false);
    close(ends[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    free(data);
}

static void writev_says_that_the_reader_left(void **state)
{
    struct iovec iov[2] = {{scratch, 10}, {scratch, 10}};
    int ends[2];

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(io_writev(ends[1], iov, 0, &err), 0);
    close(ends[0]);
    assert_int_equal(io_writev(ends[1], iov, 2, &err), -1);
    assert_int_equal(err.class, ERR_PEER);
    close(ends[1]);
    assert_int_equal(io_writev(-1, iov, 2, &err), -1);
    assert_int_equal(err.class, ERR_SYSTEM);
}

static void files_are_read_whole(void **state)
{
    static const size_t lengths[] = {0, 1, 4095, 4096, 4097, 8192, 100000};
    uint8_t *data = malloc(100000);

    (void)state;
    fill_noise(data, 100000, 2);
    for (size_t i = 0; i < COUNT(lengths); i++) {
        cleanup_str struct str text = STR_INIT;
        size_t len = lengths[i];

        scratch_write("file", data, len);
        str_puts(&text, "before");
        assert_int_equal(io_read_file(scratch_path("file"), len, &text, &err), 0);
        assert_int_equal(text.len, 6 + len);
        assert_memory_equal(text.data + 6, data, len);
        if (len) {
            assert_int_equal(io_read_file(scratch_path("file"), len - 1, &text, &err), -1);
            assert_int_equal(err.class, ERR_INPUT);
        }
    }
    free(data);
}

static void files_that_cannot_be_read(void **state)
{
    cleanup_str struct str text = STR_INIT;

    (void)state;
    assert_int_equal(io_read_file(scratch_path("none"), 10, &text, &err), -1);
    assert_int_equal(err.class, ERR_NOT_FOUND);
    assert_non_null(strstr(err.msg, scratch_path("none")));
    assert_int_equal(io_read_file(scratch, 10, &text, &err), -1); /* a directory */
    assert_int_equal(err.class, ERR_IO);
    assert_int_equal(mkfifo(scratch_path("fifo"), 0600), 0);
    assert_int_equal(io_read_file(scratch_path("fifo"), 10, &text, &err), 0); /* does not hang */
    assert_int_equal(text.len, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(pread_reads_all_or_fails),
        cmocka_unit_test(writev_writes_all_through_signals),
        cmocka_unit_test(writev_says_that_the_reader_left),
        cmocka_unit_test(files_are_read_whole),
        cmocka_unit_test(files_that_cannot_be_read),
    };

    return cmocka_run_group_tests_name("io", tests, scratch_set_up, scratch_tear_down);
}
