/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/pool.h"
#include "support.h"

#include <pthread.h>
#include <semaphore.h>

enum { THREADS = 3, SUBMITTERS = 4, JOBS = 500 };

struct counted {
    struct job job;
    struct worker *worker;
    unsigned runs;
};

static struct counted jobs[SUBMITTERS][JOBS];
static sem_t done;

static void count(struct job *job, struct worker *worker)
{
    struct counted *counted = (struct counted *)job;

    counted->runs++;
    counted->worker = worker;
    memset(worker->in, 0xff, FORMAT_BLOCK / 64); /* each worker's own */
    sem_post(&done);
}

static void *submit(void *arg)
{
    struct counted *mine = arg;

    for (int i = 0; i < JOBS; i++) {
        mine[i].job.run = count;
        pool_submit(&mine[i].job);
    }
    return NULL;
}

static void each_job_runs_once(void **state)
{
    pthread_t thread[SUBMITTERS];

    (void)state;
    for (int i = 0; i < SUBMITTERS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, submit, jobs[i]), 0);
    for (int i = 0; i < SUBMITTERS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < SUBMITTERS * JOBS; i++)
        sem_wait(&done);
    for (int i = 0; i < SUBMITTERS; i++)
        for (int k = 0; k < JOBS; k++) {
            assert_int_equal(jobs[i][k].runs, 1);
            assert_non_null(jobs[i][k].worker->codec);
        }
}

/* A job that is done may be submitted again, also by itself. */
static void again(struct job *job, struct worker *worker)
{
    struct counted *counted = (struct counted *)job;

    (void)worker;
    if (++counted->runs < JOBS)
        pool_submit(job);
    else
        sem_post(&done);
}

static void a_job_may_submit_itself(void **state)
{
    static struct counted self = {.job.run = again};

    (void)state;
    pool_submit(&self.job);
    sem_wait(&done);
    assert_int_equal(self.runs, JOBS);
}

static int set_up(void **state)
{
    struct err err;

    (void)state;
    sem_init(&done, 0, 0);
    return codec_choose(&err) < 0 ? -1 : pool_start(THREADS, &err);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_job_runs_once),
        cmocka_unit_test(a_job_may_submit_itself),
    };

    return cmocka_run_group_tests_name("pool", tests, set_up, NULL);
}
