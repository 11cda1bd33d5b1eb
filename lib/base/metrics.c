/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The series of a metric are an array in the order of their labels' values: found by bisection, and
 * printed in the same order each time. One mutex for all: each use of it is some comparisons long.
 */
#include "metrics.h"
#include "metrics_private.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { COLLECTORS_MAX = 32 };

static struct {
    pthread_mutex_t mutex;
    pthread_mutex_t print; /* held for a whole print, so that collectors run one at a time */
    struct metric *first, **last;
    struct {
        metrics_collect_fn *collect;
        void *ctx;
    } collector[COLLECTORS_MAX];
    size_t collectors;
} registry = {.mutex = PTHREAD_MUTEX_INITIALIZER, .print = PTHREAD_MUTEX_INITIALIZER};

/* ---- metrics ---- */

static void set_labels(struct metric *metric, const char *labels)
{
    while (labels && *labels) {
        int len = (int)strcspn(labels, ",");

        assert(metric->labels < METRICS_LABELS_MAX && len > 0);
        metric->label[metric->labels].name = labels;
        metric->label[metric->labels++].len = len;
        labels += len + (labels[len] == ',');
    }
}

static void must_be_new(const char *name)
{
    for (const struct metric *metric = registry.first; metric; metric = metric->next)
        assert(strcmp(metric->name, name) != 0);
}

static struct metric *register_metric(enum kind kind, const char *name, const char *labels,
                                      const char *help, const double *bounds, size_t count)
{
    struct metric *metric = calloc(1, sizeof(*metric));

    if (!metric)
        abort();
    assert(count <= METRICS_BUCKETS_MAX);
    metric->kind = kind;
    metric->name = name;
    metric->help = help;
    set_labels(metric, labels);
    for (metric->bounds = 0; metric->bounds < count; metric->bounds++)
        metric->bound[metric->bounds] = bounds[metric->bounds];
    pthread_mutex_lock(&registry.mutex);
    must_be_new(name);
    if (!registry.last)
        registry.last = &registry.first;
    *registry.last = metric;
    registry.last = &metric->next;
    pthread_mutex_unlock(&registry.mutex);
    return metric;
}

struct metric *metric_counter(const char *name, const char *labels, const char *help)
{
    return register_metric(COUNTER, name, labels, help, NULL, 0);
}

struct metric *metric_gauge(const char *name, const char *labels, const char *help)
{
    return register_metric(GAUGE, name, labels, help, NULL, 0);
}

struct metric *metric_histogram(const char *name, const char *labels, const char *help,
                                const double *bounds, size_t count)
{
    assert(count > 0);
    return register_metric(HISTOGRAM, name, labels, help, bounds, count);
}

/* ---- series ---- */

/* A label's value is UTF-8 of bounded length: cut between characters, and without what is none. */
static char *clean_value(const char *value)
{
    size_t len = strnlen(value, METRICS_VALUE_MAX + 1);
    char *out;

    if (len > METRICS_VALUE_MAX)
        for (len = METRICS_VALUE_MAX; len > 0 && ((unsigned char)value[len] & 0xc0) == 0x80;)
            len--;
    out = strndup(value, len);
    if (!out)
        abort();
    if (!str_is_utf8(out))
        for (char *p = out; *p; p++)
            *p = (unsigned char)*p < 0x80 ? *p : '?';
    return out;
}

static int compare(const struct metric *metric, const struct series *series,
                   const char *const *values)
{
    int order = 0;

    for (size_t i = 0; i < metric->labels && order == 0; i++)
        order = strcmp(series->value[i], values[i]);
    return order;
}

/* The series of the values, or where it belongs. */
static size_t place_of(const struct metric *metric, const char *const *values, bool *found)
{
    size_t low = 0, high = metric->count;

    *found = false;
    while (low < high && !*found) {
        size_t middle = low + (high - low) / 2;
        int order = compare(metric, &metric->series[middle], values);

        *found = order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return high;
}

/* Takes over the values. */
static void insert(struct metric *metric, size_t place, char *const *values)
{
    struct series *series;

    if (metric->count == metric->size) {
        metric->size = metric->size ? 2 * metric->size : 4;
        metric->series = realloc(metric->series, metric->size * sizeof(*series));
        if (!metric->series)
            abort();
    }
    series = &metric->series[place];
    memmove(series + 1, series, (metric->count++ - place) * sizeof(*series));
    *series = (struct series){0};
    for (size_t i = 0; i < metric->labels; i++)
        series->value[i] = values[i];
    if (metric->bounds > 0 && !(series->buckets = calloc(metric->bounds, sizeof(uint64_t))))
        abort();
}

static struct series *series_of(struct metric *metric, const char *const *values)
{
    static const char *const other[] = {"other", "other", "other", "other"};
    char *clean[METRICS_LABELS_MAX] = {NULL};
    size_t place;
    bool found;

    _Static_assert(sizeof(other) / sizeof(other[0]) == METRICS_LABELS_MAX, "one for each label");
    place = place_of(metric, values, &found);
    if (found)
        return &metric->series[place];
    for (size_t i = 0; i < metric->labels; i++)
        clean[i] = clean_value(metric->count < METRICS_SERIES_MAX ? values[i] : other[i]);
    place = place_of(metric, (const char *const *)clean, &found);
    if (!found)
        insert(metric, place, clean);
    for (size_t i = 0; found && i < metric->labels; i++)
        free(clean[i]);
    return &metric->series[place];
}

void metric_add(struct metric *metric, const char *const *values, double by)
{
    assert(metric->kind != HISTOGRAM);
    pthread_mutex_lock(&registry.mutex);
    series_of(metric, values)->number += by;
    pthread_mutex_unlock(&registry.mutex);
}

void metric_set(struct metric *metric, const char *const *values, double to)
{
    assert(metric->kind != HISTOGRAM);
    pthread_mutex_lock(&registry.mutex);
    series_of(metric, values)->number = to;
    pthread_mutex_unlock(&registry.mutex);
}

void metric_observe(struct metric *metric, const char *const *values, double value)
{
    struct series *series;

    assert(metric->kind == HISTOGRAM);
    pthread_mutex_lock(&registry.mutex);
    series = series_of(metric, values);
    for (size_t i = 0; i < metric->bounds; i++)
        series->buckets[i] += value <= metric->bound[i];
    series->count++;
    series->number += value;
    pthread_mutex_unlock(&registry.mutex);
}

void metric_set_histogram(struct metric *metric, const char *const *values,
                          const uint64_t *cumulative, uint64_t count, double sum)
{
    struct series *series;

    assert(metric->kind == HISTOGRAM);
    pthread_mutex_lock(&registry.mutex);
    series = series_of(metric, values);
    memcpy(series->buckets, cumulative, metric->bounds * sizeof(uint64_t));
    series->count = count;
    series->number = sum;
    pthread_mutex_unlock(&registry.mutex);
}

static void clear(struct metric *metric)
{
    for (size_t i = 0; i < metric->count; i++) {
        for (size_t k = 0; k < metric->labels; k++)
            free(metric->series[i].value[k]);
        free(metric->series[i].buckets);
    }
    metric->count = 0;
}

void metric_clear(struct metric *metric)
{
    pthread_mutex_lock(&registry.mutex);
    clear(metric);
    pthread_mutex_unlock(&registry.mutex);
}

/* ---- the registry ---- */

void metrics_collect(metrics_collect_fn *collect, void *ctx)
{
    pthread_mutex_lock(&registry.print);
    assert(registry.collectors < COLLECTORS_MAX);
    registry.collector[registry.collectors].collect = collect;
    registry.collector[registry.collectors++].ctx = ctx;
    pthread_mutex_unlock(&registry.print);
}

void metrics_print(struct str *out)
{
    pthread_mutex_lock(&registry.print);
    for (size_t i = 0; i < registry.collectors; i++)
        registry.collector[i].collect(registry.collector[i].ctx);
    pthread_mutex_lock(&registry.mutex);
    for (const struct metric *metric = registry.first; metric; metric = metric->next)
        metrics_print_one(out, metric);
    pthread_mutex_unlock(&registry.mutex);
    pthread_mutex_unlock(&registry.print);
}

void metrics_free(void)
{
    pthread_mutex_lock(&registry.print);
    pthread_mutex_lock(&registry.mutex);
    while (registry.first) {
        struct metric *metric = registry.first;

        registry.first = metric->next;
        clear(metric);
        free(metric->series);
        free(metric);
    }
    registry.last = NULL;
    registry.collectors = 0;
    pthread_mutex_unlock(&registry.mutex);
    pthread_mutex_unlock(&registry.print);
}
