/* SPDX-License-Identifier: Apache-2.0 */
#include "telemetry.h"
#include "base/metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define QUEUE LABELS("vmexport")

static const double seconds[] = {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30};
static const double powers[] = {1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10};
enum { SECONDS = sizeof(seconds) / sizeof(seconds[0]), POWERS = 10 };

static struct {
    struct telemetry from;
    struct metric *requests, *request_seconds;
    struct metric *reconciles, *errors, *reconcile_seconds;
    struct metric *depth, *delayed, *working, *adds, *retries, *unfinished, *longest;
    struct metric *queue_seconds, *work_seconds;
    struct metric *exports, *objects, *restarts, *dropped, *leads;
    struct metric *memory, *cpu, *descriptors;
} my;

/* ---- kept elsewhere, read when asked for ---- */

static void collect_queue(void)
{
    struct kube_queue_stats stats;

    kube_queue_stats(my.from.queue, &stats);
    metric_set(my.depth, QUEUE, (double)stats.depth);
    metric_set(my.delayed, QUEUE, (double)stats.delayed);
    metric_set(my.working, QUEUE, (double)stats.working);
    metric_set(my.adds, QUEUE, (double)stats.adds);
    metric_set(my.retries, QUEUE, (double)stats.retries);
    metric_set(my.unfinished, QUEUE, stats.unfinished_seconds);
    metric_set(my.longest, QUEUE, stats.longest_seconds);
    metric_set_histogram(my.queue_seconds, QUEUE, stats.latency_buckets, stats.latency_count,
                         stats.latency_sum);
    metric_set_histogram(my.work_seconds, QUEUE, stats.work_buckets, stats.work_count,
                         stats.work_sum);
}

static void collect_exports(void)
{
    static const char *const phases[] = {"Pending", "Ready", "Terminated", "Skipped", ""};

    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
        metric_set(my.exports, LABELS(*phases[i] ? phases[i] : "Unknown"),
                   (double)kube_store_count_of(my.from.cache->stores[KIND_EXPORT], EXPORTS_BY_PHASE,
                                               phases[i]));
}

static void collect_watches(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        const char *name =
            kind == KIND_OWN_SECRET ? "secrets-own-namespace" : kind_table[kind].resource.plural;

        metric_set(my.restarts, LABELS(name),
                   (double)watches_restarts(my.from.watches, (enum kind)kind));
        metric_set(my.objects, LABELS(name), (double)kube_store_count(my.from.cache->stores[kind]));
    }
}

static double resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    long size = 0, resident = 0;

    if (!f)
        return 0;
    if (fscanf(f, "%ld %ld", &size, &resident) != 2)
        resident = 0;
    fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static double open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    double count = -3; /* ".", ".." and this folder's own */

    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count;
}

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void collect(void *ctx)
{
    (void)ctx;
    collect_queue();
    collect_exports();
    collect_watches();
    metric_set(my.dropped, NULL, (double)kube_events_dropped(my.from.events));
    metric_set(my.leads, LABELS("vmexport-controller"), atomic_load(my.from.leads) ? 1 : 0);
    metric_set(my.memory, NULL, resident_bytes());
    metric_set(my.descriptors, NULL, open_descriptors());
    metric_set(my.cpu, NULL, cpu_seconds());
}

/* ---- the list ---- */

static void make_queue_metrics(void)
{
    my.depth = metric_gauge("workqueue_depth", "name", "Exports that wait to be looked at");
    my.delayed = metric_gauge("vmexport_workqueue_delayed", "name", "Exports that wait for a time");
    my.working =
        metric_gauge("controller_runtime_active_workers", "controller", "Exports looked at now");
    my.adds = metric_counter("workqueue_adds_total", "name", "Times an export was put in line");
    my.retries =
        metric_counter("workqueue_retries_total", "name", "Times an export is tried again");
    my.unfinished = metric_gauge("workqueue_unfinished_work_seconds", "name",
                                 "Seconds of the looks under way, together");
    my.longest = metric_gauge("workqueue_longest_running_processor_seconds", "name",
                              "Seconds of the longest look under way");
    my.queue_seconds = metric_histogram("workqueue_queue_duration_seconds", "name",
                                        "From being in line to being looked at", powers, POWERS);
    my.work_seconds = metric_histogram("workqueue_work_duration_seconds", "name",
                                       "How long looks take", powers, POWERS);
}

static void make_own_metrics(void)
{
    my.requests = metric_counter("rest_client_requests_total", "method,code",
                                 "Requests to the API server; code 0: no answer");
    my.request_seconds = metric_histogram("rest_client_request_duration_seconds", "verb",
                                          "How long requests take", seconds, SECONDS);
    my.reconciles = metric_counter("controller_runtime_reconcile_total", "controller,result",
                                   "Looks at exports");
    my.errors = metric_counter("vmexport_reconcile_errors_total", "reason",
                               "Looks at exports that failed, by what failed");
    my.reconcile_seconds = metric_histogram("controller_runtime_reconcile_time_seconds",
                                            "controller", "How long looks take", seconds, SECONDS);
    my.exports = metric_gauge("vmexport_exports", "phase", "Exports in the cluster");
    my.objects = metric_gauge("vmexport_cached_objects", "resource", "Objects that are kept");
    my.restarts = metric_counter("vmexport_watch_restarts_total", "resource",
                                 "Watches and lists that began anew after an error");
    my.dropped =
        metric_counter("vmexport_events_dropped_total", NULL, "Events that could not be written");
    my.leads = metric_gauge("leader_election_master_status", "name", "1: this replica leads");
    my.memory = metric_gauge("process_resident_memory_bytes", NULL, "Memory in use");
    my.cpu = metric_counter("process_cpu_seconds_total", NULL, "Processor time used");
    my.descriptors = metric_gauge("process_open_fds", NULL, "Open file descriptors");
}

void telemetry_start(const struct telemetry *sources)
{
    my.from = *sources;
    make_queue_metrics();
    make_own_metrics();
    metrics_collect(collect, NULL);
}

void telemetry_print(struct str *out)
{
    metrics_print(out);
}

void telemetry_stop(void)
{
    metrics_free();
    memset(&my, 0, sizeof(my));
}

void telemetry_request(void *ctx, const char *verb, int code, double duration)
{
    char text[12];

    (void)ctx;
    if (!my.requests)
        return;
    snprintf(text, sizeof(text), "%d", code);
    metric_add(my.requests, LABELS(verb, text), 1);
    if (strcmp(verb, "WATCH"))
        metric_observe(my.request_seconds, LABELS(verb), duration);
}

void telemetry_reconciled(const char *reason, double duration)
{
    metric_add(my.reconciles, LABELS("vmexport", reason ? "error" : "success"), 1);
    if (reason)
        metric_add(my.errors, LABELS(reason), 1);
    metric_observe(my.reconcile_seconds, LABELS("vmexport"), duration);
}
