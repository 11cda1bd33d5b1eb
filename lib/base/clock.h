/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time: how long (CLOCK_MONOTONIC, for every interval and deadline) and when (UTC, in the spellings
 * of Kubernetes' objects: metav1.Time and metav1.MicroTime, both RFC 3339). Thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

uint64_t clock_ms(void); /* CLOCK_MONOTONIC */
uint64_t clock_ns(void);
/* A moment of clock_ns as pthread_cond_timedwait takes it, for a condition
 * whose clock is CLOCK_MONOTONIC. */
struct timespec clock_timespec(uint64_t ns);

enum {
    CLOCK_RFC3339_SIZE = 21, /* "2006-01-02T15:04:05Z" */
    CLOCK_MICRO_SIZE = 28,   /* "2006-01-02T15:04:05.000000Z" */
};

/* Both return `text`. A time outside of the years 0 to 9999 becomes the nearest one within. */
const char *clock_rfc3339(time_t t, char text[CLOCK_RFC3339_SIZE]);
const char *clock_micro(struct timespec t, char text[CLOCK_MICRO_SIZE]);
/* CLOCK_REALTIME. */
struct timespec clock_now(void);

/* Any RFC 3339 time, with a fraction or without, in any zone. False, and nothing stored, when
 * `text` is none (or NULL). A leap second is the first one of the next minute. */
bool clock_parse(const char *text, struct timespec *out);
/* The same, without the fraction. */
bool clock_parse_seconds(const char *text, time_t *out);
