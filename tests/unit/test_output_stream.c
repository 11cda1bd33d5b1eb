/* SPDX-License-Identifier: Apache-2.0 */
/* Outputs that are no files: FIFOs, standard output, devices. */
#include "interrupt.h"
#include "output_support.h"
#include "say.h"

#include <errno.h>
#include <linux/loop.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* ---- in order ---- */

struct reader {
    pthread_t thread;
    char path[512];
    struct str got;
};

static void *read_fifo(void *arg)
{
    struct reader *reader = arg;
    cleanup_close int fd = open(reader->path, O_RDONLY | O_CLOEXEC);
    char buf[5000];
    ssize_t n;

    while ((n = read(fd, buf, sizeof(buf))) > 0)
        str_append(&reader->got, buf, (size_t)n);
    return NULL;
}

static void a_fifo(void **state)
{
    struct reader reader = {.got = STR_INIT};
    struct output *output;
    struct output_state earlier, here = state_at(3 * MIB);
    char hex[65];

    (void)state;
    snprintf(reader.path, sizeof(reader.path), "%s", scratch_path("fifo"));
    assert_int_equal(mkfifo(reader.path, 0600), 0);
    assert_int_equal(pthread_create(&reader.thread, NULL, read_fifo, &reader), 0);
    output = begun(reader.path);
    assert_true(output_in_order(output));
    assert_false(output_keeps(output));
    assert_int_equal(output_expect(output, UINT64_MAX, &err), 0);
    assert_false(output_earlier(output, &earlier));
    writes(output, 0, noise, MIB);
    writes(output, MIB / 2, noise + MIB / 2, MIB); /* again */
    writes(output, 100, noise + 100, 100);         /* nothing but what was there */
    assert_int_equal(output_written(output), MIB / 2 * 3);
    assert_int_equal(output_zeros(output, MIB, 2 * MIB, &err), 0);
    assert_int_equal(output_written(output), 3 * MIB);
    assert_int_equal(output_begin(output, &here, &err), 0); /* no step back */
    here.bytes--;
    assert_int_equal(output_begin(output, &here, &err), -1);
    assert_int_equal(err.class, ERR_PRECONDITION);
    assert_int_equal(output_begin(output, NULL, &err), -1);
    assert_int_equal(err.class, ERR_PRECONDITION);
    keeps(output, MIB);
    assert_int_equal(output_sha256(output, 1, hex, &err), -1);
    finishes(output, 3 * MIB);
    assert_int_equal(pthread_join(reader.thread, NULL), 0);
    output_close(output);
    memset(noise + MIB / 2 * 3, 0, MIB / 2 * 3);
    assert_int_equal(reader.got.len, 3 * MIB);
    assert_memory_equal(reader.got.data, noise, 3 * MIB);
    str_free(&reader.got);
    fill_noise(noise, sizeof(noise), 1);
}

/* A child, as its standard output is another and interrupts last. */
static int in_child(int (*test)(void), int out)
{
    pid_t pid = fork();
    int status = 0;

    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(20);
        if (out >= 0)
            dup2(out, STDOUT_FILENO);
        else
            close(STDOUT_FILENO);
        _exit(test());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int write_stdout(void)
{
    struct output *output;

    if (output_open("-", &output, &err) < 0)
        return err.class == ERR_INPUT                                   ? 10
               : err.class == ERR_IO && strstr(err.msg, "reading only") ? 18
                                                                        : 11;
    if (!output_in_order(output) || strcmp(output_name(output), "standard output") != 0)
        return 12;
    if (output_begin(output, NULL, &err) < 0)
        return 13;
    if (output_write(output, 0, noise, 100000, &err) < 0)
        return err.class == ERR_PEER && strstr(err.msg, "the reader of standard output left") ? 14
               : err.class == ERR_IO && strstr(err.msg, "No space left")                      ? 15
                                                                                              : 16;
    if (output_finish(output, 100000, &err) < 0)
        return 17;
    output_close(output);
    return 0;
}

static void standard_output(void **state)
{
    cleanup_close int file = open(scratch_path("out"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    cleanup_close int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    cleanup_close int read_only = open("/dev/null", O_RDONLY | O_CLOEXEC);
    uint8_t *got = calloc(1, 100001);
    int pipes[2];

    (void)state;
    assert_int_equal(write(file, "head", 4), 4); /* of the shell that redirects: stays */
    assert_int_equal(in_child(write_stdout, file), 0);
    assert_int_equal(pread(file, got, 100001, 4), 100000);
    assert_memory_equal(got, noise, 100000);
    free(got);
    assert_int_equal(in_child(write_stdout, full), 15);
    assert_int_equal(in_child(write_stdout, -1), 10); /* closed */
    assert_int_equal(in_child(write_stdout, read_only), 18);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    close(pipes[0]);
    assert_int_equal(in_child(write_stdout, pipes[1]), 14);
    close(pipes[1]);
}

static void a_socket_on_standard_output(void **state)
{
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(shutdown(pair[0], SHUT_RD), 0);
    assert_int_equal(in_child(write_stdout, pair[1]), 14);
    close(pair[0]);
    close(pair[1]);
}

static void a_character_device(void **state)
{
    struct output *output;

    (void)state;
    assert_int_equal(symlink("/dev/full", scratch_path("full")), 0);
    output = begun(scratch_path("full"));
    assert_true(output_in_order(output));
    assert_int_equal(output_write(output, 0, "x", 1, &err), -1);
    assert_int_equal(err.class, ERR_IO);
    assert_non_null(strstr(err.msg, "No space left"));
    assert_null(strstr(err.msg, "free or allow")); /* of what? */
    output_close(output);
    output = begun("/dev/null");
    writes(output, 0, noise, sizeof(noise));
    finishes(output, sizeof(noise));
    output_close(output);
}

/* ---- interrupts ---- */

static char fifo_path[512];

static int interrupted_open(void)
{
    struct output *output;

    interrupt_open();
    if (fork() == 0) {
        usleep(200000);
        kill(getppid(), SIGINT);
        _exit(0);
    }
    return output_open(fifo_path, &output, &err) < 0 && strstr(err.msg, "interrupted") ? 0 : 1;
}

static int interrupted_write(void)
{
    struct output *output;
    int reader;

    interrupt_open();
    reader = open(fifo_path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (reader < 0 || output_open(fifo_path, &output, &err) < 0 ||
        output_begin(output, NULL, &err) < 0)
        return 1;
    if (fork() == 0) {
        usleep(200000);
        kill(getppid(), SIGTERM);
        _exit(0);
    }
    if (output_write(output, 0, noise, sizeof(noise), &err) == 0)
        return 2;
    output_close(output);
    return strstr(err.msg, "interrupted") ? 0 : 3;
}

static void an_interrupt_ends_a_wait(void **state)
{
    (void)state;
    snprintf(fifo_path, sizeof(fifo_path), "%s", scratch_path("fifo"));
    assert_int_equal(mkfifo(fifo_path, 0600), 0);
    assert_int_equal(in_child(interrupted_open, STDOUT_FILENO), 0);
    assert_int_equal(in_child(interrupted_write, STDOUT_FILENO), 0);
}

/* ---- a block device ---- */

/* Attaches to a device that is free, as often as another program has taken the number meanwhile. */
static int attach(int control, int backing, char *path, size_t size)
{
    for (;;) {
        int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE), fd, error;

        if (number < 0)
            return -1;
        snprintf(path, size, "/dev/loop%d", number);
        fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0 || ioctl(fd, LOOP_SET_FD, backing) == 0)
            return fd;
        error = errno;
        close(fd);
        if (error != EBUSY)
            return -1;
    }
}

/* A loop device over a file of 2 MiB that is full of ones; -1 when there can be none. */
static int loop_device(char *path, size_t size, int *control)
{
    cleanup_close int backing = -1;
    uint8_t *ones = malloc(2 * MIB);

    memset(ones, 1, 2 * MIB);
    scratch_write("backing", ones, 2 * MIB);
    free(ones);
    backing = open(scratch_path("backing"), O_RDWR | O_CLOEXEC);
    *control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    return attach(*control, backing, path, size);
}

/* Found out before anything on it is overwritten. */
static void expect_of_device(const char *path)
{
    struct output *output = opened(path);
    uint8_t *ones = malloc(2 * MIB), *got = malloc(2 * MIB);
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_false(output_keeps(output));
    assert_int_equal(output_expect(output, 2 * MIB, &err), 0);
    assert_int_equal(output_expect(output, 2 * MIB + 1, &err), -1);
    assert_int_equal(err.class, ERR_INPUT);
    assert_non_null(strstr(err.msg, "it has 2097152 bytes, the disk 2097153"));
    output_close(output);
    memset(ones, 1, 2 * MIB);
    assert_int_equal(io_pread(fd, got, 2 * MIB, 0, "it", &err), 0);
    assert_memory_equal(got, ones, 2 * MIB);
    free(ones);
    free(got);
}

static void write_device(const char *path)
{
    struct output *output = begun(path);
    struct output_state earlier;
    uint8_t *want = calloc(1, 2 * MIB), *got = malloc(2 * MIB);
    cleanup_close int fd = -1;

    assert_false(output_in_order(output));
    assert_refused(path, ERR_INPUT, "in use");
    memcpy(want, noise, MIB);
    memset(want + 512 * KIB, 0, 256 * KIB);
    writes(output, 0, want, MIB);
    assert_int_equal(output_zeros(output, MIB, 700, &err), 0);
    assert_int_equal(output_zeros(output, MIB + 700, MIB - 700, &err), 0);
    assert_int_equal(output_zeros(output, MIB, MIB + 1, &err), -1);
    assert_int_equal(output_write(output, 2 * MIB - 1, "ab", 2, &err), -1);
    assert_non_null(strstr(err.msg, "smaller than the disk"));
    assert_int_equal(err.class, ERR_INPUT);
    keeps(output, MIB);
    assert_false(output_earlier(output, &earlier));
    finishes(output, 2 * MIB);
    output_close(output);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(io_pread(fd, got, 2 * MIB, 0, "it", &err), 0);
    assert_memory_equal(got, want, 2 * MIB);
    free(want);
    free(got);
}

static void a_block_device(void **state)
{
    char path[64];
    int control = -1, fd = loop_device(path, sizeof(path), &control);

    (void)state;
    if (fd < 0) {
        cleanup_close_(&control);
        SKIP("no loop device can be made here");
    }
    expect_of_device(path);
    write_device(path);
    ioctl(fd, LOOP_CLR_FD, 0);
    close(fd);
    close(control);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_fifo, clean),
        cmocka_unit_test_teardown(standard_output, clean),
        cmocka_unit_test_teardown(a_socket_on_standard_output, clean),
        cmocka_unit_test_teardown(a_character_device, clean),
        cmocka_unit_test_teardown(an_interrupt_ends_a_wait, clean),
        cmocka_unit_test_teardown(a_block_device, clean),
    };

    signal(SIGPIPE, SIG_IGN);
    say_open(true);
    return cmocka_run_group_tests(tests, output_set_up, scratch_tear_down);
}
