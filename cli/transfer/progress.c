/* SPDX-License-Identifier: Apache-2.0 */
#include "transfer/progress.h"
#include "base/clock.h"
#include "say.h"
#include "transfer/progress_line.h"

#include <pthread.h>
#include <signal.h>

enum { DRAW_MS = 200, LINE_MS = 10000, NS_PER_MS = 1000000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake;
static pthread_t thread;
static bool is_running, must_stop;

/* False when it is time to stop. */
static bool sleep_until(uint64_t ms)
{
    struct timespec end = clock_timespec(ms * NS_PER_MS);
    bool stop;

    pthread_mutex_lock(&lock);
    while (!must_stop && clock_ms() < ms)
        pthread_cond_timedwait(&wake, &lock, &end);
    stop = must_stop;
    pthread_mutex_unlock(&lock);
    return !stop;
}

/* The next moment to draw: of a steady beat, whatever a slow terminal takes. */
static uint64_t after(uint64_t last, uint64_t now)
{
    return now - last < DRAW_MS ? last + DRAW_MS : now + DRAW_MS;
}

static void *draw(void *arg)
{
    struct progress *progress = arg;
    struct progress_rate rate = {0};
    char line[PROGRESS_LINE_SIZE];
    uint64_t now = clock_ms(), next = now, next_line = now + LINE_MS;

    do {
        uint64_t position = atomic_load(&progress->position);

        now = clock_ms();
        progress_rate_add(&rate, now, position);
        progress_line(progress->what, position, atomic_load(&progress->total),
                      progress_rate_get(&rate), line);
        if (say_terminal()) {
            say_status(line);
        } else if (now >= next_line) {
            say("%s", line);
            next_line += LINE_MS;
        }
        next = after(next, now);
    } while (sleep_until(next));
    return NULL;
}

/* Signals are for the other threads. Without this one it goes on unseen. */
void progress_start(struct progress *progress)
{
    pthread_condattr_t attr;
    sigset_t all, was;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&wake, &attr);
    pthread_condattr_destroy(&attr);
    must_stop = false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &was);
    is_running = pthread_create(&thread, NULL, draw, progress) == 0;
    pthread_sigmask(SIG_SETMASK, &was, NULL);
    if (!is_running)
        pthread_cond_destroy(&wake);
}

void progress_stop(void)
{
    if (!is_running)
        return;
    pthread_mutex_lock(&lock);
    must_stop = true;
    pthread_cond_signal(&wake);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    pthread_cond_destroy(&wake);
    is_running = false;
    say_status("");
}
