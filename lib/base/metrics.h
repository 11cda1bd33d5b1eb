/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers of a program for Prometheus, in its text format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). One registry per process.
 *
 * A metric is made once, at start, and lives as long as the program. It has one series for each
 * combination of its labels' values. Their number is bounded: the values that come after
 * METRICS_SERIES_MAX are counted together, as "other". Thread-safe.
 */
#pragma once

#include "str.h"

#include <stdint.h>

enum {
    METRICS_LABELS_MAX = 4,
    METRICS_SERIES_MAX = 500,
    METRICS_BUCKETS_MAX = 20,
    METRICS_VALUE_MAX = 128, /* bytes of a label's value; longer ones are cut */
};

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metric;

/* Name, help and label names are literals; `labels` are joined by commas ("verb,code"), NULL: none. A name
 * that is there already is an assertion. */
struct metric *metric_counter(const char *name, const char *labels, const char *help);
struct metric *metric_gauge(const char *name, const char *labels, const char *help);
/* `bounds` are ascending and without +Inf. */
struct metric *metric_histogram(const char *name, const char *labels, const char *help,
                                const double *bounds, size_t count);

/* The values of the labels, as many as there are: `metric_add(m, LABELS("get", "200"), 1)`; NULL for
 * a metric without any. */
#define LABELS(...) ((const char *const[]){__VA_ARGS__})

void metric_add(struct metric *metric, const char *const *values, double by);
/* Of a gauge, or of a counter that is kept elsewhere. */
void metric_set(struct metric *metric, const char *const *values, double to);
/* Of a histogram. */
void metric_observe(struct metric *metric, const char *const *values, double value);
/* A histogram that is kept elsewhere: cumulative counts, one for each of its bounds. */
void metric_set_histogram(struct metric *metric, const char *const *values,
                          const uint64_t *cumulative, uint64_t count, double sum);
/* Forgets all series, for a collector that sets anew those that there are. */
void metric_clear(struct metric *metric);

/* Called at the start of each metrics_print, to set what is kept elsewhere. */
typedef void metrics_collect_fn(void *ctx);
void metrics_collect(metrics_collect_fn *collect, void *ctx);

/* Appends all of it. */
void metrics_print(struct str *out);
/* Forgets all metrics and collectors; pointers to them are no longer valid. */
void metrics_free(void);
