/* SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum { STACK_SIZE = 256 * 1024 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t available = PTHREAD_COND_INITIALIZER;
static struct job *first, **last = &first;

void pool_submit(struct job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&lock);
    *last = job;
    last = &job->next;
    pthread_cond_signal(&available);
    pthread_mutex_unlock(&lock);
}

static struct job *take(void)
{
    struct job *job;

    pthread_mutex_lock(&lock);
    while (!first)
        pthread_cond_wait(&available, &lock);
    job = first;
    first = job->next;
    if (!first)
        last = &first;
    pthread_mutex_unlock(&lock);
    return job;
}

/* Runs as long as the process: a pool has no end of its own. */
static void *work(void *arg)
{
    struct worker *worker = arg;

    for (;;) {
        struct job *job = take();

        job->run(job, worker);
    }
    return NULL;
}

static int start_worker(struct err *err)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    pthread_attr_t attr;
    pthread_t thread;
    int rc;

    if (!worker || !(worker->in = aligned_alloc(FORMAT_PAGE, FORMAT_BLOCK)))
        return err_errno(err, ERR_SYSTEM, ENOMEM, "cannot set up the compressor");
    worker->codec = codec_new(err);
    if (!worker->codec)
        return -1;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    rc = pthread_create(&thread, &attr, work, worker);
    pthread_attr_destroy(&attr);
    return rc ? err_errno(err, ERR_SYSTEM, rc, "cannot start a thread") : 0;
}

int pool_start(unsigned threads, struct err *err)
{
    sigset_t all, old;
    int rc = 0;

    /* Signals are for the program's own threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (unsigned i = 0; i < threads && rc == 0; i++)
        rc = start_worker(err);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}
