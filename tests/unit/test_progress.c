/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "say.h"
#include "support.h"
#include "transfer/progress.h"
#include "transfer/progress_line.h"

#include <poll.h>
#include <pty.h>

static void sizes(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *want;
    } rows[] = {
        {0, "0 B"},
        {512, "512 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {1 << 20, "1.0 MiB"},
        {(1 << 20) - 1, "1.0 MiB"},
        {102400, "100 KiB"},
        {(10 << 10) + 512, "10.5 KiB"},
        {8ULL << 30, "8.0 GiB"},
        {812ULL << 20, "812 MiB"},
        {UINT64_MAX, "16.0 EiB"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[PROGRESS_SIZE];

        assert_string_equal(progress_bytes(rows[i].bytes, text), rows[i].want);
    }
}

static void durations(void **state)
{
    static const struct {
        double seconds;
        const char *want;
    } rows[] = {{0, "0 s"},           {-1, "0 s"},
                {0.7, "0.7 s"},       {0.04, "0 s"},
                {0.97, "1 s"},        {6, "6 s"},
                {6.25, "6.3 s"},      {9.96, "10 s"},
                {59.4, "59 s"},       {59.96, "1 min 0 s"},
                {125, "2 min 5 s"},   {3599.9, "1 h 0 min"},
                {3661, "1 h 1 min"},  {48 * 3600, "2 d 0 h"},
                {1e300, "9999 d 0 h"}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[PROGRESS_SIZE];

        assert_string_equal(progress_duration(rows[i].seconds, text), rows[i].want);
    }
}

static void lines(void **state)
{
    static const uint64_t gib = 1 << 30;
    char line[PROGRESS_LINE_SIZE], name[300] = "";

    (void)state;
    assert_string_equal(progress_line("disk0", 33 * gib / 10, 8 * gib, 812.0 * (1 << 20), line),
                        "disk0  3.3 GiB of 8.0 GiB  41 %  812 MiB/s  6 s left");
    assert_string_equal(progress_line("disk0", 5 * gib, 0, 1024, line),
                        "disk0  5.0 GiB  1.0 KiB/s");
    assert_string_equal(progress_line("d", 0, gib, 0, line), "d  0 B of 1.0 GiB  0 %  0 B/s");
    /* not before all is there */
    assert_string_equal(progress_line("d", gib - 1, gib, 0, line),
                        "d  1.0 GiB of 1.0 GiB  99 %  0 B/s");
    assert_string_equal(progress_line("d", gib, gib, 1024, line),
                        "d  1.0 GiB of 1.0 GiB  100 %  1.0 KiB/s");
    /* more than there should be: what was said is not so */
    assert_string_equal(progress_line("d", 2 * gib, gib, 1024, line), "d  2.0 GiB  1.0 KiB/s");
    memset(name, 'n', sizeof(name) - 1);
    assert_int_equal(strlen(progress_line(name, 0, 0, 0, line)), PROGRESS_LINE_SIZE - 1);
}

static void the_rate_is_of_the_last_seconds(void **state)
{
    struct progress_rate rate = {0};
    uint64_t ms = 1000, position = 0;

    (void)state;
    assert_true(progress_rate_get(&rate) == 0);
    progress_rate_add(&rate, ms, 7);
    assert_true(progress_rate_get(&rate) == 0);
    position = 7;
    for (int i = 0; i < 100; i++)
        progress_rate_add(&rate, ms += 200, position += 1000);
    assert_true(progress_rate_get(&rate) == 5000);
    for (int i = 0; i < 25; i++) /* five seconds of another rate: nothing is left of the first */
        progress_rate_add(&rate, ms += 200, position += 10);
    assert_true(progress_rate_get(&rate) == 50);
    for (int i = 0; i < 25; i++)
        progress_rate_add(&rate, ms += 200, position);
    assert_true(progress_rate_get(&rate) == 0);
    progress_rate_add(&rate, ms += 20000, position + 4000); /* the program slept */
    assert_true(progress_rate_get(&rate) == 0);
    progress_rate_add(&rate, ms += 1000, position + 8000);
    assert_true(progress_rate_get(&rate) == 4000);
    progress_rate_add(&rate, ms += 1000, 0); /* began anew */
    assert_true(progress_rate_get(&rate) == 0);
    progress_rate_add(&rate, ms += 1000, 3);
    assert_true(progress_rate_get(&rate) == 3);
}

/* ---- the thread ---- */

/* Reads on until `want` is there, or to the end where it is NULL. */
static void read_until(int master, const char *want, char *out, size_t size)
{
    struct pollfd fd = {master, POLLIN, 0};
    size_t len = strlen(out);
    ssize_t n = 1;

    while (!(want && strstr(out, want)) && n > 0 && len < size - 1 && poll(&fd, 1, 20000) > 0) {
        n = read(master, out + len, size - 1 - len);
        len += n > 0 ? (size_t)n : 0;
        out[len] = '\0';
    }
}

/* What the program writes on its standard error, a terminal, until each of two texts is drawn; without
 * them while `ms` pass. */
static void draw(bool quiet, struct progress *progress, unsigned ms, const char *const want[2],
                 char *out, size_t size)
{
    int master, slave, saved = dup(STDERR_FILENO);

    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    setenv("TERM", "xterm", 1);
    dup2(slave, STDERR_FILENO);
    say_open(quiet);
    out[0] = '\0';
    progress_start(progress);
    for (int i = 0; i < 2; i++) {
        usleep(ms * 1000);
        if (want)
            read_until(master, want[i], out, size);
        atomic_store(&progress->position, 3 << 20);
    }
    progress_stop();
    progress_stop(); /* once more is fine */
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(slave);
    read_until(master, NULL, out, size);
    close(master);
    say_open(false);
}

static void a_terminal_gets_a_line_that_is_drawn_anew(void **state)
{
    static const char *const want[2] = {"disk7  0 B of 4.0 MiB  0 %",
                                        "disk7  3.0 MiB of 4.0 MiB  75 %"};
    struct progress progress = {.what = "disk7", .total = 4 << 20};
    char out[4096];

    (void)state;
    draw(false, &progress, 0, want, out, sizeof(out));
    if (!strstr(out, want[0]) || !strstr(out, want[1]) || strchr(out, '\n'))
        fail_msg("drawn: '%s'", out);
}

static void quiet_is_quiet(void **state)
{
    struct progress progress = {.what = "disk7"};
    char out[4096];

    (void)state;
    draw(true, &progress, 250, NULL, out, sizeof(out));
    assert_string_equal(out, "");
}

static void it_stops_at_once(void **state)
{
    struct progress progress = {.what = "disk7"};
    uint64_t began = clock_ms();

    (void)state;
    for (int i = 0; i < 20; i++) {
        progress_start(&progress);
        progress_stop();
    }
    assert_true(clock_ms() - began < 2000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(durations),
        cmocka_unit_test(lines),
        cmocka_unit_test(the_rate_is_of_the_last_seconds),
        cmocka_unit_test(a_terminal_gets_a_line_that_is_drawn_anew),
        cmocka_unit_test(quiet_is_quiet),
        cmocka_unit_test(it_stops_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
