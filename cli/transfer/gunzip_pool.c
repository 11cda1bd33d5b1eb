/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slots are a ring: `head` is filled and submitted next, `taken` is the next one for a thread,
 * `tail` the oldest that is not done. A slot from tail on belongs to the thread that took it until it
 * says `done`, under the lock. Where order matters, a thread waits until its slot is the tail: as
 * slots are taken in order, there is always one that need not wait.
 *
 * The first failure ends it all: nobody takes another slot, and whoever waits is woken.
 */
#include "gunzip_pool.h"
#include "gunzip_piece.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum {
    /* Two slots a thread and two more, of up to a megabyte, and a megabyte of its own for each
     * thread: 20 MiB at the worst. */
    THREADS_MAX = 5,
    SLOTS_MAX = 2 * THREADS_MAX + 2,
    STACK_SIZE = 256 << 10,
};

struct slot {
    struct gunzip_piece piece;
    bool done;
};

struct worker {
    struct gunzip_pool *pool;
    pthread_t thread;
    struct unpacker unpacker;
};

struct gunzip_pool {
    struct gunzip_state *state;
    bool ordered;
    struct worker *worker[THREADS_MAX];
    unsigned workers; /* that were started */

    pthread_mutex_t lock;
    pthread_cond_t submitted, retired; /* the latter when anything else changed, too */
    struct slot slot[SLOTS_MAX];
    size_t slots;
    size_t head, taken, tail; /* counted up without end; the slot is the rest */
    bool stopped;
    bool failed;
    struct err err;
    uint64_t at; /* the stream's content up to the tail */
    uint32_t crc;
};

/* ---- what is done, under the lock ---- */

static void fail(struct gunzip_pool *pool, const struct err *err)
{
    if (!pool->failed)
        pool->err = *err;
    pool->failed = true;
    pthread_cond_broadcast(&pool->submitted);
    pthread_cond_broadcast(&pool->retired);
}

/* `piece` is delivered, and all before it. */
static int retire_one(struct gunzip_pool *pool, const struct gunzip_piece *piece, struct err *err)
{
    struct gunzip_state *state = pool->state;
    uint64_t end = piece->offset + piece->bytes, have = atomic_load(&state->position);

    if (piece->offset != pool->at)
        return gunzip_damaged(err, pool->at, "something follows a block that ends within a page");
    pool->crc = gunzip_piece_join(pool->crc, piece, piece->bytes);
    pool->at = end;
    if (end <= have)
        return 0;
    state->crc = gunzip_piece_join(state->crc, piece, end - have);
    atomic_store(&state->position, end);
    return 0;
}

static void retire(struct gunzip_pool *pool)
{
    struct err err;

    for (; pool->tail != pool->taken && !pool->failed; pool->tail++) {
        struct slot *slot = &pool->slot[pool->tail % pool->slots];

        if (!slot->done)
            break;
        if (retire_one(pool, &slot->piece, &err) < 0)
            fail(pool, &err);
    }
    pthread_cond_broadcast(&pool->retired);
}

/* ---- the threads ---- */

/* Waits until all before it is done; false when that will not be. */
static bool wait_for_turn(struct gunzip_pool *pool, size_t number)
{
    bool turn;

    pthread_mutex_lock(&pool->lock);
    while (pool->tail != number && !pool->failed && !pool->stopped)
        pthread_cond_wait(&pool->retired, &pool->lock);
    turn = !pool->failed && !pool->stopped;
    pthread_mutex_unlock(&pool->lock);
    return turn;
}

/* The next slot's number; false at the end. Called and returns under the lock. */
static bool take(struct gunzip_pool *pool, size_t *number)
{
    while (pool->taken == pool->head && !pool->failed && !pool->stopped)
        pthread_cond_wait(&pool->submitted, &pool->lock);
    if (pool->failed || pool->stopped)
        return false;
    *number = pool->taken++;
    return true;
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct gunzip_pool *pool = worker->pool;
    size_t number;

    pthread_mutex_lock(&pool->lock);
    while (take(pool, &number)) {
        struct slot *slot = &pool->slot[number % pool->slots];
        struct err err;
        int rc;

        pthread_mutex_unlock(&pool->lock);
        rc = gunzip_piece_unpack(&worker->unpacker, &slot->piece, &err);
        if (rc == 0 && pool->ordered && !wait_for_turn(pool, number))
            return NULL;
        if (rc == 0)
            rc = gunzip_piece_deliver(&worker->unpacker, &slot->piece, pool->state, &err);
        pthread_mutex_lock(&pool->lock);
        slot->done = rc == 0;
        if (rc < 0)
            fail(pool, &err);
        retire(pool);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static int start_worker(struct gunzip_pool *pool, struct err *err)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    pthread_attr_t attr;
    int rc;

    pool->worker[pool->workers] = worker;
    if (!worker)
        return err_errno(err, ERR_SYSTEM, ENOMEM, "cannot unpack");
    worker->pool = pool;
    if (unpacker_init(&worker->unpacker, err) < 0)
        return -1;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    rc = pthread_create(&worker->thread, &attr, work, worker);
    pthread_attr_destroy(&attr);
    if (rc)
        return err_errno(err, ERR_SYSTEM, rc, "cannot start a thread");
    pool->workers++;
    return 0;
}

static int start(struct gunzip_pool *pool, unsigned threads, struct err *err)
{
    sigset_t all, old;
    int rc = 0;

    /* Signals are for the program's own threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (unsigned i = 0; i < threads && rc == 0; i++)
        rc = start_worker(pool, err);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

struct gunzip_pool *gunzip_pool_new(struct gunzip_state *state, struct err *err)
{
    const struct gunzip_options *o = &state->options;
    unsigned threads = o->threads < THREADS_MAX ? o->threads : THREADS_MAX;
    struct gunzip_pool *pool = calloc(1, sizeof(*pool));

    if (!pool) {
        err_errno(err, ERR_SYSTEM, ENOMEM, "cannot unpack");
        return NULL;
    }
    pool->state = state;
    pool->ordered = o->in_order || o->keep;
    pool->at = o->from;
    pool->slots = 2 * threads + 2;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->submitted, NULL);
    pthread_cond_init(&pool->retired, NULL);
    if (start(pool, threads, err) == 0)
        return pool;
    gunzip_pool_free(pool);
    return NULL;
}

void gunzip_pool_stop(struct gunzip_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopped = true;
    pthread_cond_broadcast(&pool->submitted);
    pthread_cond_broadcast(&pool->retired);
    pthread_mutex_unlock(&pool->lock);
    for (; pool->workers; pool->workers--)
        pthread_join(pool->worker[pool->workers - 1]->thread, NULL);
}

void gunzip_pool_free(struct gunzip_pool *pool)
{
    if (!pool)
        return;
    gunzip_pool_stop(pool);
    for (unsigned i = 0; i < THREADS_MAX; i++) {
        if (pool->worker[i])
            unpacker_release(&pool->worker[i]->unpacker);
        free(pool->worker[i]);
    }
    for (unsigned i = 0; i < SLOTS_MAX; i++)
        gunzip_piece_release(&pool->slot[i].piece);
    pthread_cond_destroy(&pool->retired);
    pthread_cond_destroy(&pool->submitted);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

/* ---- the thread that feeds ---- */

/* Waits until at most `most` slots are under way. */
static int wait_for(struct gunzip_pool *pool, size_t most, struct err *err)
{
    int rc = 0;

    pthread_mutex_lock(&pool->lock);
    while (pool->head - pool->tail > most && !pool->failed)
        pthread_cond_wait(&pool->retired, &pool->lock);
    if (pool->failed) {
        *err = pool->err;
        rc = -1;
    }
    pthread_mutex_unlock(&pool->lock);
    return rc;
}

/* The slot at the head, free to be filled. */
static struct slot *new_slot(struct gunzip_pool *pool, struct err *err)
{
    struct slot *slot = &pool->slot[pool->head % pool->slots];

    if (wait_for(pool, pool->slots - 1, err) < 0)
        return NULL;
    slot->done = false;
    return slot;
}

uint8_t *gunzip_pool_data(struct gunzip_pool *pool, const struct frames *piece, struct err *err)
{
    struct slot *slot = new_slot(pool, err);

    return slot ? gunzip_piece_data(&slot->piece, piece, err) : NULL;
}

void gunzip_pool_submit(struct gunzip_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->head++;
    pthread_cond_signal(&pool->submitted);
    pthread_mutex_unlock(&pool->lock);
}

int gunzip_pool_zeros(struct gunzip_pool *pool, const struct frames *piece, struct err *err)
{
    struct slot *slot = new_slot(pool, err);

    if (!slot)
        return -1;
    gunzip_piece_zeros(&slot->piece, piece);
    gunzip_pool_submit(pool);
    return 0;
}

int gunzip_pool_drain(struct gunzip_pool *pool, struct err *err)
{
    return wait_for(pool, 0, err);
}

int gunzip_pool_check(struct gunzip_pool *pool, const struct frames *end, struct err *err)
{
    if (gunzip_pool_drain(pool, err) < 0)
        return -1;
    if (pool->crc != end->crc)
        return gunzip_damaged(err, pool->at, "its content has another CRC than its trailer says");
    if ((uint32_t)(pool->at - pool->state->options.from) != end->isize)
        return gunzip_damaged(err, pool->at, "its content is not as long as its trailer says");
    return 0;
}
