/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys that are to be worked on, each by one worker at a time and never lost: client-go's
 * workqueue. A key that is added while it is worked on is worked on once more after.
 *
 * Thread-safe; times are of CLOCK_MONOTONIC, in milliseconds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kube_queue;

struct kube_queue_config {
    unsigned backoff_first_ms; /* of a key that failed: doubles with each failure; 0: 5 */
    unsigned backoff_max_ms;   /* 0: 300000 */
    unsigned rate_per_second;  /* of all keys that failed together; 0: 50 */
    unsigned rate_burst;       /* 0: 100 */
};

struct kube_queue_stats {
    size_t depth;   /* keys that wait and could be worked on now */
    size_t delayed; /* keys that wait for a time */
    size_t working;
    uint64_t adds, retries;
    double unfinished_seconds; /* of those being worked on, together */
    double longest_seconds;    /* of the one longest worked on */
    uint64_t latency_count;    /* from being addable to being taken */
    double latency_sum;
    uint64_t latency_buckets[10]; /* cumulative: up to 1e-8 * 10^n s, as client-go's */
    uint64_t work_count;
    double work_sum;
    uint64_t work_buckets[10];
};

struct kube_queue *kube_queue_new(const struct kube_queue_config *config);
void kube_queue_free(struct kube_queue *queue);

void kube_queue_add(struct kube_queue *queue, const char *key);
/* Keeps the earlier of two times. */
void kube_queue_add_after(struct kube_queue *queue, const char *key, uint64_t ms);
/* After a failure: with the key's own back-off, or `at_least_ms` if that is more. */
void kube_queue_retry(struct kube_queue *queue, const char *key, uint64_t at_least_ms);
/* After a success: the next failure is the first. */
void kube_queue_forget(struct kube_queue *queue, const char *key);
/* A key that no longer exists: neither delayed nor remembered. */
void kube_queue_drop(struct kube_queue *queue, const char *key);

/* Blocks until there is a key (the caller frees it) or the queue is shut down (NULL). */
char *kube_queue_get(struct kube_queue *queue);
/* To be called for each key that was got. */
void kube_queue_done(struct kube_queue *queue, const char *key);

/* No key is given out any more; those who wait get NULL. Keys being worked on are waited for by
 * their workers' own ends. */
void kube_queue_shut_down(struct kube_queue *queue);
void kube_queue_stats(struct kube_queue *queue, struct kube_queue_stats *out);
