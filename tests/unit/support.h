/* SPDX-License-Identifier: Apache-2.0 */
/* What the unit tests share: cmocka with the headers that it needs, and a scratch directory. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The scratch directory, between scratch_set_up and scratch_tear_down (cmocka's fixtures). */
static char scratch[64] __attribute__((unused));

static inline int scratch_set_up(void **state)
{
    (void)state;
    strcpy(scratch, "/tmp/vmexport-unit.XXXXXX");
    return mkdtemp(scratch) ? 0 : -1;
}

static inline int scratch_remove_(const char *path, const struct stat *st, int type,
                                  struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

static inline int scratch_tear_down(void **state)
{
    (void)state;
    return nftw(scratch, scratch_remove_, 16, FTW_DEPTH | FTW_PHYS);
}

/*
 * Ends a test that cannot be done here, saying so. Not cmocka's skip(): its TAP for that is "not
 * ok", which counts as a failure.
 */
#define SKIP(reason) \
    do { \
        print_message("# SKIP %s: %s\n", __func__, reason); \
        return; \
    } while (0)

/* The path of `name` in the scratch directory; one of eight buffers in turn. */
static inline const char *scratch_path(const char *name)
{
    static char paths[8][512];
    static unsigned turn;
    char *path = paths[turn++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", scratch, name);
    return path;
}

static inline void scratch_write(const char *name, const void *data, size_t len)
{
    int fd = open(scratch_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    close(fd);
}

static inline void scratch_puts(const char *name, const char *text)
{
    scratch_write(name, text, strlen(text));
}

static inline void scratch_mkdir(const char *name)
{
    assert_int_equal(mkdir(scratch_path(name), 0755), 0);
}

/* Runs `test` in a child that is not root, as root may read everything; returns its exit status. */
static inline int as_nobody(int (*test)(void))
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(geteuid() == 0 && setuid(65534) < 0 ? 99 : test());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Numbers that look like chance and are the same in each run (xorshift). */
static inline uint32_t noise_next(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static inline void fill_noise(uint8_t *data, size_t len, uint32_t seed)
{
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(noise_next(&seed) >> 11);
}

/* Words, as text and programs are: deflate finds matches of all lengths. */
static inline void fill_text(uint8_t *data, size_t len, uint32_t seed)
{
    static const char *const words[] = {"the ",    "disk ", "of a ",    "virtual ", "machine ",
                                        "export ", "is\n",  "0123456 ", "a",        "kubevirt"};

    for (size_t i = 0; i < len;) {
        const char *word = words[noise_next(&seed) % COUNT(words)];

        for (; *word && i < len; word++)
            data[i++] = (uint8_t)*word;
    }
}
