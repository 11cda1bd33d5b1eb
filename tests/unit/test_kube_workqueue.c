/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "kube/delays.h"
#include "kube/workqueue.h"
#include "support.h"

#include <pthread.h>

static const struct kube_queue_config defaults;

static struct kube_queue_stats stats_of(struct kube_queue *queue)
{
    struct kube_queue_stats stats;

    kube_queue_stats(queue, &stats);
    return stats;
}

/* Gets a key, which must be `want`, and keeps it in work. */
static void get(struct kube_queue *queue, const char *want)
{
    char *key = kube_queue_get(queue);

    assert_non_null(key);
    assert_string_equal(key, want);
    free(key);
}

static void work(struct kube_queue *queue, const char *want)
{
    get(queue, want);
    kube_queue_done(queue, want);
}

/* ---- dirty and processing ---- */

static void keys_come_once_and_in_order(void **state)
{
    struct kube_queue *queue = kube_queue_new(&defaults);

    (void)state;
    kube_queue_add(queue, "a");
    kube_queue_add(queue, "b");
    kube_queue_add(queue, "a");
    assert_int_equal(stats_of(queue).depth, 2);
    work(queue, "a");
    work(queue, "b");
    assert_int_equal(stats_of(queue).depth, 0);
    assert_int_equal(stats_of(queue).adds, 2);
    kube_queue_add(queue, "a");
    work(queue, "a");
    kube_queue_free(queue);
}

static void a_key_added_while_worked_on_comes_again(void **state)
{
    struct kube_queue *queue = kube_queue_new(&defaults);

    (void)state;
    kube_queue_add(queue, "a");
    get(queue, "a");
    kube_queue_add(queue, "a");
    kube_queue_add(queue, "a");
    kube_queue_add(queue, "b");
    assert_int_equal(stats_of(queue).depth, 1);
    assert_int_equal(stats_of(queue).working, 1);
    work(queue, "b");
    kube_queue_done(queue, "a");
    assert_int_equal(stats_of(queue).depth, 1);
    work(queue, "a");
    assert_int_equal(stats_of(queue).depth, 0);
    assert_int_equal(stats_of(queue).working, 0);
    kube_queue_free(queue);
}

/* ---- times ---- */

static void the_earlier_time_counts(void **state)
{
    struct kube_queue *queue = kube_queue_new(&defaults);
    uint64_t start = clock_ms();

    (void)state;
    kube_queue_add_after(queue, "late", 60000);
    kube_queue_add_after(queue, "c", 700);
    kube_queue_add_after(queue, "a", 60000);
    kube_queue_add_after(queue, "a", 500);
    kube_queue_add_after(queue, "a", 50000);
    kube_queue_add_after(queue, "now", 0);
    assert_int_equal(stats_of(queue).delayed, 3);
    work(queue, "now");
    work(queue, "a");
    assert_in_range(clock_ms() - start, 499, 20000);
    work(queue, "c");
    assert_in_range(clock_ms() - start, 699, 20000);
    assert_int_equal(stats_of(queue).delayed, 1);
    kube_queue_drop(queue, "late");
    assert_int_equal(stats_of(queue).delayed, 0);
    kube_queue_add_after(queue, "never", UINT64_MAX);
    assert_int_equal(stats_of(queue).delayed, 1);
    assert_int_equal(stats_of(queue).depth, 0);
    kube_queue_free(queue);
}

static void a_key_due_while_worked_on_comes_again(void **state)
{
    struct kube_queue *queue = kube_queue_new(&defaults);

    (void)state;
    kube_queue_add(queue, "a");
    get(queue, "a");
    kube_queue_add_after(queue, "a", 1);
    usleep(5000);
    assert_int_equal(stats_of(queue).delayed, 0);
    assert_int_equal(stats_of(queue).depth, 0);
    kube_queue_done(queue, "a");
    work(queue, "a");
    kube_queue_free(queue);
}

/* Milliseconds until the key comes when it is tried again. */
static uint64_t retry(struct kube_queue *queue, const char *key, uint64_t at_least_ms)
{
    uint64_t start = clock_ms();

    kube_queue_retry(queue, key, at_least_ms);
    work(queue, key);
    return clock_ms() - start;
}

static void failures_back_off(void **state)
{
    static const struct kube_queue_config config = {.backoff_first_ms = 10, .backoff_max_ms = 60};
    static const unsigned want[] = {10, 20, 40, 60, 60};
    struct kube_queue *queue = kube_queue_new(&config);

    (void)state;
    for (size_t i = 0; i < COUNT(want); i++)
        assert_in_range(retry(queue, "a", 0), want[i] - 1, want[i] + 5000);
    assert_in_range(retry(queue, "b", 30), 29, 5000);
    assert_int_equal(stats_of(queue).retries, 6);
    kube_queue_free(queue);
}

/* Its next failure would be the eleventh, and waits as the first. */
static void forgotten_failures_do_not_count(void **state)
{
    static const struct kube_queue_config config = {.backoff_first_ms = 20,
                                                    .backoff_max_ms = 20 << 10};
    struct kube_queue *queue = kube_queue_new(&config);

    (void)state;
    for (int i = 0; i < 10; i++)
        kube_queue_retry(queue, "a", 0);
    work(queue, "a");
    kube_queue_forget(queue, "a");
    kube_queue_forget(queue, "unknown");
    assert_in_range(retry(queue, "a", 0), 19, 10000);
    kube_queue_drop(queue, "a");
    kube_queue_retry(queue, "a", 60000);
    kube_queue_drop(queue, "a");
    assert_int_equal(stats_of(queue).delayed, 0);
    kube_queue_free(queue);
}

static void retries_together_are_paced(void **state)
{
    static const struct kube_queue_config config = {
        .backoff_first_ms = 1, .rate_per_second = 5, .rate_burst = 10};
    struct kube_queue *queue = kube_queue_new(&config);
    uint64_t start = clock_ms();
    char key[16];

    (void)state;
    for (int i = 0; i < 15; i++) {
        snprintf(key, sizeof(key), "key-%d", i);
        kube_queue_retry(queue, key, 0);
    }
    for (int i = 0; i < 10; i++)
        free(kube_queue_get(queue));
    assert_in_range(clock_ms() - start, 1, 1500);
    for (int i = 0; i < 5; i++)
        free(kube_queue_get(queue));
    assert_in_range(clock_ms() - start, 999, 20000);
    /* What is added for another reason is not. */
    for (int i = 15; i < 30; i++) {
        snprintf(key, sizeof(key), "key-%d", i);
        kube_queue_retry(queue, key, 0);
    }
    start = clock_ms();
    kube_queue_add(queue, "x");
    get(queue, "x");
    assert_in_range(clock_ms() - start, 0, 1500);
    kube_queue_free(queue);
}

/* ---- stats ---- */

static void histograms(void **state)
{
    struct kube_queue *queue = kube_queue_new(&defaults);
    struct kube_queue_stats stats;

    (void)state;
    kube_queue_add(queue, "a");
    usleep(20000);
    get(queue, "a");
    usleep(20000);
    stats = stats_of(queue);
    assert_int_equal(stats.working, 1);
    assert_true(stats.unfinished_seconds >= 0.02 && stats.unfinished_seconds < 5);
    assert_true(stats.longest_seconds >= 0.02 && stats.longest_seconds < 5);
    kube_queue_done(queue, "a");
    stats = stats_of(queue);
    assert_int_equal(stats.latency_count, 1);
    assert_int_equal(stats.work_count, 1);
    assert_true(stats.latency_sum >= 0.02 && stats.work_sum >= 0.02);
    assert_int_equal(stats.latency_buckets[6], 0); /* up to 0.01 s */
    assert_int_equal(stats.work_buckets[6], 0);
    assert_int_equal(stats.work_buckets[8], 1); /* up to 1 s */
    assert_int_equal(stats.work_buckets[9], 1);
    assert_true(stats.unfinished_seconds == 0 && stats.longest_seconds == 0);
    kube_queue_free(queue);
}

static void a_heap_of_many_times(void **state)
{
    enum { MANY = 5000 };
    static struct delay all[MANY];
    struct delays delays = {0};
    uint32_t seed = 7;
    uint64_t last = 0;
    size_t count = 0;

    (void)state;
    for (int i = 0; i < MANY; i++)
        delays_put(&delays, &all[i], noise_next(&seed) % 100000);
    for (int i = 0; i < MANY; i += 3)
        delays_put(&delays, &all[i], noise_next(&seed) % 100000);
    for (int i = 0; i < MANY; i += 7)
        delays_remove(&delays, &all[i]);
    for (struct delay *first; (first = delays_first(&delays)); count++) {
        assert_true(first->due >= last);
        last = first->due;
        delays_remove(&delays, first);
    }
    assert_int_equal(count, MANY - (MANY + 6) / 7);
    delays_free(&delays);
}

/* ---- threads ---- */

enum { KEYS = 500, ADDS = 20000, WORKERS = 4 };

static struct {
    struct kube_queue *queue;
    int added[KEYS],
        seen[KEYS]; /* of each key: how often it was added, as of when last worked on */
    int busy[KEYS];
    int got;
} crowd;

static void *crowd_worker(void *arg)
{
    char *key;

    (void)arg;
    while ((key = kube_queue_get(crowd.queue))) {
        int i = (int)strtol(key, NULL, 10),
            added = __atomic_load_n(&crowd.added[i], __ATOMIC_SEQ_CST);

        assert_int_equal(__atomic_add_fetch(&crowd.busy[i], 1, __ATOMIC_SEQ_CST), 1);
        __atomic_store_n(&crowd.seen[i], added, __ATOMIC_SEQ_CST);
        if (__atomic_add_fetch(&crowd.got, 1, __ATOMIC_SEQ_CST) % 50 == 0)
            kube_queue_retry(crowd.queue, key, 0);
        else
            kube_queue_forget(crowd.queue, key);
        __atomic_sub_fetch(&crowd.busy[i], 1, __ATOMIC_SEQ_CST);
        kube_queue_done(crowd.queue, key);
        free(key);
    }
    return NULL;
}

static void crowd_add(uint32_t *seed)
{
    int i = (int)(noise_next(seed) % KEYS);
    char key[16];

    snprintf(key, sizeof(key), "%d", i);
    __atomic_add_fetch(&crowd.added[i], 1, __ATOMIC_SEQ_CST);
    if (noise_next(seed) % 4 == 0)
        kube_queue_add_after(crowd.queue, key, noise_next(seed) % 20);
    else
        kube_queue_add(crowd.queue, key);
}

static void nothing_is_lost_or_worked_on_twice_at_once(void **state)
{
    pthread_t thread[WORKERS];
    uint32_t seed = 3;

    (void)state;
    crowd.queue = kube_queue_new(&(struct kube_queue_config){
        .backoff_first_ms = 1, .rate_per_second = 100000, .rate_burst = 1000});
    for (int i = 0; i < WORKERS; i++)
        pthread_create(&thread[i], NULL, crowd_worker, NULL);
    for (int i = 0; i < ADDS; i++) {
        crowd_add(&seed);
        if (i % 500 == 0)
            usleep(1000);
    }
    for (int i = 0; i < 60000; i++) {
        struct kube_queue_stats stats = stats_of(crowd.queue);

        if (stats.depth + stats.delayed + stats.working == 0)
            break;
        usleep(1000);
    }
    kube_queue_shut_down(crowd.queue);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(crowd.seen[i], crowd.added[i]);
    assert_true(crowd.got >= KEYS);
    kube_queue_free(crowd.queue);
}

static void *one_get(void *queue)
{
    return kube_queue_get(queue);
}

static void shutting_down_wakes_all(void **state)
{
    struct kube_queue *queue = kube_queue_new(&defaults);
    pthread_t thread[WORKERS];

    (void)state;
    kube_queue_add_after(queue, "late", 60000);
    for (int i = 0; i < WORKERS; i++)
        pthread_create(&thread[i], NULL, one_get, queue);
    usleep(20000);
    kube_queue_shut_down(queue);
    for (int i = 0; i < WORKERS; i++) {
        void *key = queue;

        pthread_join(thread[i], &key);
        assert_null(key);
    }
    kube_queue_add(queue, "a");
    kube_queue_add_after(queue, "a", 1);
    kube_queue_retry(queue, "a", 1);
    assert_null(kube_queue_get(queue));
    assert_int_equal(stats_of(queue).depth, 0);
    kube_queue_free(queue);
    kube_queue_free(NULL);
}

static void an_earlier_time_wakes_the_one_who_waits(void **state)
{
    struct kube_queue *queue = kube_queue_new(&defaults);
    uint64_t start = clock_ms();
    void *key[2] = {NULL, NULL};
    pthread_t thread[2];

    (void)state;
    kube_queue_add_after(queue, "late", 60000);
    for (int i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, one_get, queue);
    usleep(10000);
    kube_queue_add_after(queue, "a", 30);
    kube_queue_add_after(queue, "b", 20);
    for (int i = 0; i < 2; i++) {
        pthread_join(thread[i], &key[i]);
        assert_non_null(key[i]);
    }
    assert_in_range(clock_ms() - start, 39, 20000);
    assert_true(strcmp(key[0], key[1]) != 0);
    free(key[0]);
    free(key[1]);
    kube_queue_free(queue);
}

static void tens_of_thousands(void **state)
{
    enum { MANY = 50000 };
    struct kube_queue *queue = kube_queue_new(&defaults);
    uint64_t start = clock_ms();
    char key[64];

    (void)state;
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof(key), "namespace-%d/export-%d", i % 20, i);
        if (i % 2)
            kube_queue_add(queue, key);
        else
            kube_queue_add_after(queue, key, (uint64_t)(MANY - i) / 1000 + 1);
    }
    for (int i = 0; i < MANY; i++) {
        char *got = kube_queue_get(queue);

        kube_queue_done(queue, got);
        free(got);
    }
    assert_in_range(clock_ms() - start, 0, 5000);
    assert_int_equal(stats_of(queue).depth + stats_of(queue).delayed, 0);
    kube_queue_free(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_come_once_and_in_order),
        cmocka_unit_test(a_key_added_while_worked_on_comes_again),
        cmocka_unit_test(the_earlier_time_counts),
        cmocka_unit_test(a_key_due_while_worked_on_comes_again),
        cmocka_unit_test(failures_back_off),
        cmocka_unit_test(forgotten_failures_do_not_count),
        cmocka_unit_test(retries_together_are_paced),
        cmocka_unit_test(histograms),
        cmocka_unit_test(a_heap_of_many_times),
        cmocka_unit_test(nothing_is_lost_or_worked_on_twice_at_once),
        cmocka_unit_test(shutting_down_wakes_all),
        cmocka_unit_test(an_earlier_time_wakes_the_one_who_waits),
        cmocka_unit_test(tens_of_thousands),
    };

    return cmocka_run_group_tests_name("kube_workqueue", tests, NULL, NULL);
}
