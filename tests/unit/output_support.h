/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of outputs share. */
#pragma once

#include "base/cleanup.h"
#include "base/io.h"
#include "support.h"
#include "transfer/output.h"

#include <time.h>

enum { KIB = 1024, MIB = 1 << 20 };

static struct err err;
static uint8_t noise[4 * MIB]; /* what is written: output_set_up fills it */

static inline struct output *opened(const char *path)
{
    struct output *output = NULL;

    if (output_open(path, &output, &err) < 0)
        fail_msg("%s", err.msg);
    return output;
}

static inline struct output *begun(const char *path)
{
    struct output *output = opened(path);

    if (output_begin(output, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    return output;
}

static inline void writes(struct output *output, uint64_t offset, const void *data, size_t len)
{
    if (output_write(output, offset, data, len, &err) < 0)
        fail_msg("%s", err.msg);
}

static inline void finishes(struct output *output, uint64_t size)
{
    if (output_finish(output, size, &err) < 0)
        fail_msg("%s", err.msg);
}

static inline struct output_state state_at(uint64_t position)
{
    return (struct output_state){.what = "raw",
                                 .etag = "\"e\\1\"",
                                 .size = 4 * MIB,
                                 .position = position,
                                 .bytes = position,
                                 .crc = 0xfedcba98};
}

static inline void keeps(struct output *output, uint64_t position)
{
    struct output_state state = state_at(position);

    if (output_keep(output, &state, &err) < 0)
        fail_msg("%s", err.msg);
}

static inline void assert_refused(const char *path, enum err_class class, const char *want)
{
    struct output *output;

    assert_int_equal(output_open(path, &output, &err), -1);
    if (err.class != class || !strstr(err.msg, want))
        fail_msg("class %d: %s", (int)err.class, err.msg);
}

static inline void assert_holds(const char *path, const void *want, size_t len)
{
    cleanup_str struct str text = STR_INIT;

    assert_int_equal(io_read_file(path, 64 * MIB, &text, &err), 0);
    assert_int_equal(text.len, len);
    assert_true(len == 0 || memcmp(text.data, want, len) == 0);
}

/* Waits until what is written from now on has another time than what was. */
static inline void ticks(void)
{
    struct timespec before, now;

    clock_gettime(CLOCK_REALTIME_COARSE, &before);
    do {
        usleep(2000);
        clock_gettime(CLOCK_REALTIME_COARSE, &now);
    } while (now.tv_sec == before.tv_sec && now.tv_nsec == before.tv_nsec);
}

static inline bool exists(const char *name)
{
    struct stat st;

    return lstat(scratch_path(name), &st) == 0;
}

static inline void assert_no_traces(void)
{
    assert_false(exists("d.part"));
    assert_false(exists("d.part.json"));
    assert_false(exists("d.part.json.new"));
}

static inline uint64_t allocated(const char *path)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    assert_int_equal(fsync(fd), 0);
    assert_int_equal(fstat(fd, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

/* The fixtures: each test has the scratch directory empty. */
static inline int output_set_up(void **state)
{
    fill_noise(noise, sizeof(noise), 1);
    return scratch_set_up(state);
}

static inline int clean(void **state)
{
    return scratch_tear_down(state) || scratch_set_up(state);
}
