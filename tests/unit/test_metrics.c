/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics.h"
#include "support.h"

#include <math.h>
#include <pthread.h>

static int tear_down(void **state)
{
    (void)state;
    metrics_free();
    return 0;
}

static void must_print(const char *want)
{
    cleanup_str struct str out = STR_INIT;

    metrics_print(&out);
    assert_string_equal(str_get(&out), want);
}

static void must_have(const char *line)
{
    cleanup_str struct str out = STR_INIT;

    metrics_print(&out);
    if (!strstr(str_get(&out), line))
        fail_msg("no '%s' in:\n%s", line, str_get(&out));
}

static void nothing(void **state)
{
    (void)state;
    must_print("");
}

static void counters_and_gauges(void **state)
{
    struct metric *requests = metric_counter("requests_total", "verb,code", "How many.\nAll\\.");
    struct metric *leader = metric_gauge("leader", NULL, "Whether it \"leads\".");

    (void)state;
    metric_add(requests, LABELS("get", "200"), 1);
    metric_add(requests, LABELS("create", "409"), 1);
    metric_add(requests, LABELS("get", "200"), 2);
    metric_set(leader, NULL, 1);
    must_print("# HELP requests_total How many.\\nAll\\\\.\n"
               "# TYPE requests_total counter\n"
               "requests_total{verb=\"create\",code=\"409\"} 1\n"
               "requests_total{verb=\"get\",code=\"200\"} 3\n"
               "# HELP leader Whether it \"leads\".\n"
               "# TYPE leader gauge\n"
               "leader 1\n");
    metric_add(leader, NULL, -3);
    must_have("\nleader -2\n");
    metric_clear(leader);
    metric_clear(requests);
    metric_add(requests, LABELS("get", "500"), 1);
    must_have("counter\nrequests_total{verb=\"get\",code=\"500\"} 1\n# HELP leader");
}

static void histograms(void **state)
{
    static const double bounds[] = {1e-8, 0.1, 10};
    static const uint64_t kept[] = {1, 2, 3};
    struct metric *seconds = metric_histogram("seconds", "name", "Time.", bounds, COUNT(bounds));

    (void)state;
    metric_observe(seconds, LABELS("a"), 0.1);
    metric_observe(seconds, LABELS("a"), 0.25);
    metric_observe(seconds, LABELS("a"), 11);
    metric_set_histogram(seconds, LABELS("b"), kept, 4, 2.5);
    must_print("# HELP seconds Time.\n"
               "# TYPE seconds histogram\n"
               "seconds_bucket{name=\"a\",le=\"1e-08\"} 0\n"
               "seconds_bucket{name=\"a\",le=\"0.1\"} 1\n"
               "seconds_bucket{name=\"a\",le=\"10\"} 2\n"
               "seconds_bucket{name=\"a\",le=\"+Inf\"} 3\n"
               "seconds_sum{name=\"a\"} 11.35\n"
               "seconds_count{name=\"a\"} 3\n"
               "seconds_bucket{name=\"b\",le=\"1e-08\"} 1\n"
               "seconds_bucket{name=\"b\",le=\"0.1\"} 2\n"
               "seconds_bucket{name=\"b\",le=\"10\"} 3\n"
               "seconds_bucket{name=\"b\",le=\"+Inf\"} 4\n"
               "seconds_sum{name=\"b\"} 2.5\n"
               "seconds_count{name=\"b\"} 4\n");
}

static void a_histogram_without_labels(void **state)
{
    static const double bounds[] = {1};
    struct metric *seconds = metric_histogram("s", NULL, "T", bounds, COUNT(bounds));

    (void)state;
    metric_observe(seconds, NULL, 1);
    must_print("# HELP s T\n# TYPE s histogram\ns_bucket{le=\"1\"} 1\ns_bucket{le=\"+Inf\"} 1\n"
               "s_sum 1\ns_count 1\n");
}

static void numbers(void **state)
{
    static const struct {
        double number;
        const char *want;
    } rows[] = {
        {0, "\ng 0\n"},          {1700000000.25, "\ng 1700000000.25\n"},
        {0.1, "\ng 0.1\n"},      {0.1 + 0.2, "\ng 0.30000000000000004\n"},
        {1e21, "\ng 1e+21\n"},   {INFINITY, "\ng +Inf\n"},
        {-INFINITY, "\ng -Inf"}, {NAN, "\ng NaN\n"},
    };
    struct metric *gauge = metric_gauge("g", NULL, "");

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        metric_set(gauge, NULL, rows[i].number);
        must_have(rows[i].want);
    }
}

static void label_values(void **state)
{
    struct metric *gauge = metric_gauge("g", "v", "");
    char value[300] = "", want[400];

    (void)state;
    metric_set(gauge, LABELS("a\\b\"c\nd"), 1);
    must_have("{v=\"a\\\\b\\\"c\\nd\"} 1");
    metric_set(gauge, LABELS(""), 1);
    must_have("{v=\"\"} 1");
    metric_set(gauge, LABELS("n\xc3\xa9"), 1);
    must_have("{v=\"n\xc3\xa9\"} 1");
    metric_set(gauge, LABELS("bad\xff\xc3"), 2);
    metric_add(gauge, LABELS("bad\xff\xc3"), 2);
    must_have("{v=\"bad??\"} 4");

    memset(value, 'x', METRICS_VALUE_MAX - 1);
    snprintf(want, sizeof(want), "{v=\"%s\"} 5", value);
    memcpy(value + METRICS_VALUE_MAX - 1, "\xc3\xa9tail", 6);
    metric_set(gauge, LABELS(value), 5);
    must_have(want);
}

static void too_many_series_are_counted_together(void **state)
{
    struct metric *counter = metric_counter("c", "a,b", "");
    cleanup_str struct str out = STR_INIT;
    size_t lines = 0;
    char value[16];

    (void)state;
    for (int i = 0; i < METRICS_SERIES_MAX + 100; i++) {
        snprintf(value, sizeof(value), "%d", i);
        metric_add(counter, LABELS(value, "b"), 1);
    }
    metric_add(counter, LABELS("7", "b"), 1);
    must_have("c{a=\"other\",b=\"other\"} 100\n");
    must_have("c{a=\"7\",b=\"b\"} 2\n");
    metrics_print(&out);
    for (const char *p = str_get(&out); (p = strchr(p, '\n')); p++)
        lines++;
    assert_int_equal(lines, 2 + METRICS_SERIES_MAX + 1);
}

static void collect(void *ctx)
{
    struct metric *gauge = ctx;
    static double scrapes;

    metric_clear(gauge);
    metric_set(gauge, NULL, ++scrapes);
}

static void collectors_run_at_each_print(void **state)
{
    (void)state;
    metrics_collect(collect, metric_gauge("scrapes", NULL, ""));
    must_have("\nscrapes 1\n");
    must_have("\nscrapes 2\n");
}

static void *hammer(void *arg)
{
    for (int i = 0; i < 5000; i++) {
        char value[16];

        snprintf(value, sizeof(value), "%d", i % 50);
        metric_add(arg, LABELS(value), 1);
        if (i % 1000 == 0) {
            cleanup_str struct str out = STR_INIT;

            metrics_print(&out);
        }
    }
    return NULL;
}

static void threads(void **state)
{
    struct metric *counter = metric_counter("c", "v", "");
    pthread_t thread[4];

    (void)state;
    for (size_t i = 0; i < COUNT(thread); i++)
        pthread_create(&thread[i], NULL, hammer, counter);
    for (size_t i = 0; i < COUNT(thread); i++)
        pthread_join(thread[i], NULL);
    must_have("c{v=\"0\"} 400\n");
    must_have("c{v=\"49\"} 400\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(nothing, tear_down),
        cmocka_unit_test_teardown(counters_and_gauges, tear_down),
        cmocka_unit_test_teardown(histograms, tear_down),
        cmocka_unit_test_teardown(a_histogram_without_labels, tear_down),
        cmocka_unit_test_teardown(numbers, tear_down),
        cmocka_unit_test_teardown(label_values, tear_down),
        cmocka_unit_test_teardown(too_many_series_are_counted_together, tear_down),
        cmocka_unit_test_teardown(collectors_run_at_each_print, tear_down),
        cmocka_unit_test_teardown(threads, tear_down),
    };

    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
