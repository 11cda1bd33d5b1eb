/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One item per key, in one table, for as long as there is anything to know of it: it waits, it is
 * worked on, it waits for a time, or it has failed. The sets of client-go's workqueue (queue, dirty,
 * processing) are marks of the item and two lists through it.
 *
 *     add -> dirty -> (not worked on) in `ready` -> get -> in `working`, no longer dirty
 *     add while worked on -> dirty, and into `ready` by done
 *
 * No thread moves the delayed keys to `ready`: of the workers that wait, one (the sentry) waits for
 * the earliest time, the others for a signal only, so that a time wakes one thread and not all. A
 * worker that leaves with a key wakes the next one when there is more to do or no sentry is left.
 */
#include "kube/workqueue.h"
#include "base/clock.h"
#include "base/map.h"
#include "kube/delays.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 10 };

static const uint64_t ns_per_ms = 1000000, ns_per_second = 1000000000;
/* Some 292 years: no time is later. */
static const uint64_t most_ms = INT64_MAX / 1000000 / 2;

struct item {
    struct item *prev, *next; /* in one of the two lists, when it is in one */
    uint64_t since;           /* when it came to be ready, or to be worked on */
    struct delay delay;
    unsigned failures;
    bool dirty, working;
    char key[];
};

struct list {
    struct item *first, *last;
    size_t count;
};

struct histogram {
    uint64_t count, buckets[BUCKETS];
    double sum;
};

struct kube_queue {
    struct kube_queue_config config;
    pthread_mutex_t mutex;
    pthread_cond_t signal, sentry_signal;
    unsigned waiting; /* without the sentry */
    bool sentry, shut_down;

    struct map *items;
    struct list ready, working;
    struct delays delays;

    uint64_t bucket_full; /* when the bucket of retries will be full again, in ns */
    uint64_t adds, retries;
    struct histogram latency, work;
};

/* ---- lists ---- */

static void list_append(struct list *list, struct item *item)
{
    item->prev = list->last;
    item->next = NULL;
    *(list->last ? &list->last->next : &list->first) = item;
    list->last = item;
    list->count++;
}

static void list_remove(struct list *list, struct item *item)
{
    *(item->prev ? &item->prev->next : &list->first) = item->next;
    *(item->next ? &item->next->prev : &list->last) = item->prev;
    list->count--;
}

/* ---- items ---- */

static struct item *item_of(struct kube_queue *queue, const char *key)
{
    struct item *item = map_get(queue->items, key);
    size_t size = strlen(key) + 1;

    if (item)
        return item;
    item = calloc(1, sizeof(*item) + size);
    if (!item)
        abort();
    memcpy(item->key, key, size);
    map_put(queue->items, item->key, item);
    return item;
}

/* Frees an item of which there is nothing to know any more. */
static void forget_idle(struct kube_queue *queue, struct item *item)
{
    if (item->dirty || item->working || item->failures || item->delay.place)
        return;
    map_remove(queue->items, item->key);
    free(item);
}

static void wake_one(struct kube_queue *queue)
{
    if (queue->waiting > 0)
        pthread_cond_signal(&queue->signal);
    else if (queue->sentry)
        pthread_cond_signal(&queue->sentry_signal);
}

static void make_ready(struct kube_queue *queue, struct item *item, uint64_t now)
{
    item->since = now;
    list_append(&queue->ready, item);
}

/* True when somebody may be waiting for it. */
static bool add(struct kube_queue *queue, struct item *item, uint64_t now)
{
    if (item->dirty)
        return false;
    item->dirty = true;
    queue->adds++;
    if (!item->working)
        make_ready(queue, item, now);
    return !item->working;
}

/* Moves what is due to the ready ones; what was due earlier has waited for longer. */
static void promote(struct kube_queue *queue, uint64_t now)
{
    struct delay *first;

    while ((first = delays_first(&queue->delays)) && first->due <= now) {
        char *at = (char *)first - offsetof(struct item, delay);

        delays_remove(&queue->delays, first);
        add(queue, (struct item *)(void *)at, first->due);
    }
}

static void delay_until(struct kube_queue *queue, struct item *item, uint64_t due)
{
    if (!delays_put(&queue->delays, &item->delay, due))
        return;
    /* Earlier than what the sentry waits for. */
    if (queue->sentry)
        pthread_cond_signal(&queue->sentry_signal);
    else
        wake_one(queue);
}

/* ---- adding ---- */

void kube_queue_add(struct kube_queue *queue, const char *key)
{
    pthread_mutex_lock(&queue->mutex);
    if (!queue->shut_down) {
        if (add(queue, item_of(queue, key), clock_ns()))
            wake_one(queue);
    }
    pthread_mutex_unlock(&queue->mutex);
}

void kube_queue_add_after(struct kube_queue *queue, const char *key, uint64_t ms)
{
    if (ms == 0) {
        kube_queue_add(queue, key);
        return;
    }
    ms = ms < most_ms ? ms : most_ms;
    pthread_mutex_lock(&queue->mutex);
    if (!queue->shut_down)
        delay_until(queue, item_of(queue, key), clock_ns() + ms * ns_per_ms);
    pthread_mutex_unlock(&queue->mutex);
}

static uint64_t backoff_ms(const struct kube_queue *queue, unsigned failures)
{
    uint64_t ms = queue->config.backoff_first_ms;

    while (failures-- > 0 && ms < queue->config.backoff_max_ms)
        ms *= 2;
    return ms < queue->config.backoff_max_ms ? ms : queue->config.backoff_max_ms;
}

/*
 * Takes one from the bucket of retries and returns for how long that has to be waited for, in ns. The
 * bucket is kept as the time at which it is full again: each one taken puts that off by 1/rate.
 */
static uint64_t take_token(struct kube_queue *queue, uint64_t now)
{
    uint64_t each = ns_per_second / queue->config.rate_per_second;
    uint64_t all = each * queue->config.rate_burst;

    queue->bucket_full = (queue->bucket_full > now ? queue->bucket_full : now) + each;
    return queue->bucket_full > now + all ? queue->bucket_full - now - all : 0;
}

void kube_queue_retry(struct kube_queue *queue, const char *key, uint64_t at_least_ms)
{
    uint64_t now = clock_ns(), wait, paced;
    struct item *item;

    at_least_ms = at_least_ms < most_ms ? at_least_ms : most_ms;
    pthread_mutex_lock(&queue->mutex);
    if (!queue->shut_down) {
        item = item_of(queue, key);
        wait = backoff_ms(queue, item->failures);
        wait = (wait > at_least_ms ? wait : at_least_ms) * ns_per_ms;
        paced = take_token(queue, now);
        item->failures++;
        queue->retries++;
        delay_until(queue, item, now + (wait > paced ? wait : paced));
    }
    pthread_mutex_unlock(&queue->mutex);
}

static void forget(struct kube_queue *queue, const char *key, bool delay_too)
{
    struct item *item;

    pthread_mutex_lock(&queue->mutex);
    item = map_get(queue->items, key);
    if (item) {
        item->failures = 0;
        if (delay_too)
            delays_remove(&queue->delays, &item->delay);
        forget_idle(queue, item);
    }
    pthread_mutex_unlock(&queue->mutex);
}

void kube_queue_forget(struct kube_queue *queue, const char *key)
{
    forget(queue, key, false);
}

void kube_queue_drop(struct kube_queue *queue, const char *key)
{
    forget(queue, key, true);
}

/* ---- working ---- */

static void observe(struct histogram *histogram, uint64_t ns)
{
    uint64_t bound = 10;

    for (size_t i = 0; i < BUCKETS; i++, bound *= 10)
        histogram->buckets[i] += ns <= bound;
    histogram->count++;
    histogram->sum += (double)ns / 1e9;
}

static uint64_t age(uint64_t since, uint64_t now)
{
    return now > since ? now - since : 0;
}

static void wait_as_sentry(struct kube_queue *queue)
{
    struct timespec until = clock_timespec(delays_first(&queue->delays)->due);

    queue->sentry = true;
    pthread_cond_timedwait(&queue->sentry_signal, &queue->mutex, &until);
    queue->sentry = false;
}

static void wait_for_signal(struct kube_queue *queue)
{
    queue->waiting++;
    pthread_cond_wait(&queue->signal, &queue->mutex);
    queue->waiting--;
}

static char *take(struct kube_queue *queue)
{
    struct item *item = queue->ready.first;
    uint64_t now = clock_ns();
    char *key = strdup(item->key);

    if (!key)
        abort();
    list_remove(&queue->ready, item);
    observe(&queue->latency, age(item->since, now));
    item->dirty = false;
    item->working = true;
    item->since = now;
    list_append(&queue->working, item);
    if (queue->ready.count > 0 || (delays_first(&queue->delays) && !queue->sentry))
        wake_one(queue);
    return key;
}

char *kube_queue_get(struct kube_queue *queue)
{
    char *key = NULL;

    pthread_mutex_lock(&queue->mutex);
    while (!key && !queue->shut_down) {
        promote(queue, clock_ns());
        if (queue->ready.count > 0)
            key = take(queue);
        else if (delays_first(&queue->delays) && !queue->sentry)
            wait_as_sentry(queue);
        else
            wait_for_signal(queue);
    }
    pthread_mutex_unlock(&queue->mutex);
    return key;
}

void kube_queue_done(struct kube_queue *queue, const char *key)
{
    uint64_t now = clock_ns();
    struct item *item;

    pthread_mutex_lock(&queue->mutex);
    item = map_get(queue->items, key);
    assert(item && item->working);
    list_remove(&queue->working, item);
    observe(&queue->work, age(item->since, now));
    item->working = false;
    if (item->dirty) {
        make_ready(queue, item, now);
        wake_one(queue);
    }
    forget_idle(queue, item);
    pthread_mutex_unlock(&queue->mutex);
}

/* ---- the queue ---- */

static unsigned or_default(unsigned value, unsigned otherwise)
{
    return value ? value : otherwise;
}

struct kube_queue *kube_queue_new(const struct kube_queue_config *config)
{
    struct kube_queue *queue = calloc(1, sizeof(*queue));
    pthread_condattr_t attr;

    if (!queue)
        abort();
    queue->config = (struct kube_queue_config){
        .backoff_first_ms = or_default(config->backoff_first_ms, 5),
        .backoff_max_ms = or_default(config->backoff_max_ms, 300000),
        .rate_per_second = or_default(config->rate_per_second, 50),
        .rate_burst = or_default(config->rate_burst, 100),
    };
    queue->items = map_new();
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->signal, NULL);
    pthread_cond_init(&queue->sentry_signal, &attr);
    pthread_condattr_destroy(&attr);
    return queue;
}

void kube_queue_free(struct kube_queue *queue)
{
    struct item *item;
    size_t at = 0;

    if (!queue)
        return;
    while ((item = map_next(queue->items, &at)))
        free(item);
    map_free(queue->items);
    delays_free(&queue->delays);
    pthread_cond_destroy(&queue->sentry_signal);
    pthread_cond_destroy(&queue->signal);
    pthread_mutex_destroy(&queue->mutex);
    free(queue);
}

void kube_queue_shut_down(struct kube_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->shut_down = true;
    pthread_cond_broadcast(&queue->signal);
    pthread_cond_broadcast(&queue->sentry_signal);
    pthread_mutex_unlock(&queue->mutex);
}

void kube_queue_stats(struct kube_queue *queue, struct kube_queue_stats *out)
{
    uint64_t now;

    *out = (struct kube_queue_stats){0};
    pthread_mutex_lock(&queue->mutex);
    now = clock_ns();
    promote(queue, now);
    out->depth = queue->ready.count;
    out->delayed = queue->delays.count;
    out->working = queue->working.count;
    out->adds = queue->adds;
    out->retries = queue->retries;
    for (const struct item *item = queue->working.first; item; item = item->next)
        out->unfinished_seconds += (double)age(item->since, now) / 1e9;
    /* They are in the order in which they were taken. */
    if (queue->working.first)
        out->longest_seconds = (double)age(queue->working.first->since, now) / 1e9;
    out->latency_count = queue->latency.count;
    out->latency_sum = queue->latency.sum;
    memcpy(out->latency_buckets, queue->latency.buckets, sizeof(out->latency_buckets));
    out->work_count = queue->work.count;
    out->work_sum = queue->work.sum;
    memcpy(out->work_buckets, queue->work.buckets, sizeof(out->work_buckets));
    if (queue->ready.count > 0)
        wake_one(queue);
    pthread_mutex_unlock(&queue->mutex);
}
