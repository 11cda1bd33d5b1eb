/* SPDX-License-Identifier: Apache-2.0 */
/* Within metrics.c, which keeps the numbers, and metrics_print.c, which writes them. */
#pragma once

#include "metrics.h"

enum kind { COUNTER, GAUGE, HISTOGRAM };

struct series {
    char *value[METRICS_LABELS_MAX];
    double number;     /* of a histogram: the sum */
    uint64_t count;    /* of a histogram */
    uint64_t *buckets; /* of a histogram: cumulative, as many as there are bounds */
};

struct metric {
    struct metric *next;
    enum kind kind;
    const char *name, *help;
    struct {
        const char *name;
        int len;
    } label[METRICS_LABELS_MAX];
    size_t labels;
    double bound[METRICS_BUCKETS_MAX];
    size_t bounds;
    struct series *series;
    size_t count, size;
};

/* Appends a metric with all its series; the caller holds the lock. */
void metrics_print_one(struct str *out, const struct metric *metric);
