/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const kind_names[] = {"counter", "gauge", "histogram"};

/* The shortest text that reads back as the same double, as Go's strconv.FormatFloat(f, 'g', -1). */
static void print_number(struct str *out, double number)
{
    char text[32];

    if (isnan(number) || isinf(number)) {
        str_puts(out, isnan(number) ? "NaN" : number > 0 ? "+Inf" : "-Inf");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    str_puts(out, text);
}

static void print_escaped(struct str *out, const char *text, bool quotes_too)
{
    for (; *text; text++) {
        if (*text == '\n')
            str_puts(out, "\\n");
        else if (*text == '\\' || (*text == '"' && quotes_too))
            str_printf(out, "\\%c", *text);
        else
            str_putc(out, *text);
    }
}

/* `bound` is the value of a label "le"; NULL: none. */
static void print_labels(struct str *out, const struct metric *metric, const struct series *series,
                         const double *bound)
{
    char separator = '{';

    for (size_t i = 0; i < metric->labels; i++) {
        str_printf(out, "%c%.*s=\"", separator, metric->label[i].len, metric->label[i].name);
        print_escaped(out, series->value[i], true);
        str_putc(out, '"');
        separator = ',';
    }
    if (bound) {
        str_printf(out, "%cle=\"", separator);
        print_number(out, *bound);
        str_putc(out, '"');
        separator = ',';
    }
    if (separator == ',')
        str_putc(out, '}');
}

static void print_line(struct str *out, const struct metric *metric, const struct series *series,
                       const char *suffix, const double *bound, double number)
{
    str_printf(out, "%s%s", metric->name, suffix);
    print_labels(out, metric, series, bound);
    str_putc(out, ' ');
    print_number(out, number);
    str_putc(out, '\n');
}

static void print_histogram(struct str *out, const struct metric *metric,
                            const struct series *series)
{
    const double infinite = INFINITY;

    for (size_t i = 0; i < metric->bounds; i++)
        print_line(out, metric, series, "_bucket", &metric->bound[i], (double)series->buckets[i]);
    print_line(out, metric, series, "_bucket", &infinite, (double)series->count);
    print_line(out, metric, series, "_sum", NULL, series->number);
    print_line(out, metric, series, "_count", NULL, (double)series->count);
}

void metrics_print_one(struct str *out, const struct metric *metric)
{
    str_printf(out, "# HELP %s ", metric->name);
    print_escaped(out, metric->help, false);
    str_printf(out, "\n# TYPE %s %s\n", metric->name, kind_names[metric->kind]);
    for (size_t i = 0; i < metric->count; i++) {
        if (metric->kind == HISTOGRAM)
            print_histogram(out, metric, &metric->series[i]);
        else
            print_line(out, metric, &metric->series[i], "", NULL, metric->series[i].number);
    }
}
