/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens is correlated (correlate.h) where it is told, under a mutex, and written by the
 * thread: the first of a series is a POST, the next ones a PATCH of its count. A series that waits
 * to be written is in the queue once, however often it happens again meanwhile.
 */
#include "kube/events.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "kube/correlate.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    QUEUE_MAX = 4096,
    MESSAGE_MAX = 1024, /* bytes, as the API server has it for events.k8s.io */
    STOP_SECONDS = 2,
    REQUEST_SECONDS = 10,
};

#define COMBINED_PREFIX "(combined from similar events): "

static const struct kube_resource events_resource = {"", "v1", "events", "Event", true};

enum field { API_VERSION, KIND, NAMESPACE, NAME, UID, VERSION, TYPE, REASON, MESSAGE, FIELDS };

/* An event that waits to be written. */
struct job {
    struct job *next;
    struct kube_series *series; /* pinned */
    char *field[FIELDS];        /* NULL: not given */
};

struct kube_events {
    char *component, *instance;
    struct kube_conn *conn;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake, ended_signal;
    bool stopping, ended;
    struct kube_correlator *correlator;
    struct job *first, **last;
    size_t queued;
    unsigned long dropped;
};

/* ---- jobs ---- */

static char *copy(const char *text)
{
    char *out = text ? strdup(text) : NULL;

    if (text && !out)
        abort();
    return out;
}

static void free_job(struct job *job)
{
    for (size_t i = 0; i < FIELDS; i++)
        free(job->field[i]);
    free(job);
}

/* Cut between characters. */
static char *clean_message(const char *prefix, const char *message)
{
    struct str out = STR_INIT;
    size_t len = MESSAGE_MAX;

    str_puts(&out, prefix);
    str_append(&out, message, strnlen(message, MESSAGE_MAX + 1));
    if (out.len > MESSAGE_MAX) {
        while (len > 0 && ((unsigned char)out.data[len] & 0xc0) == 0x80)
            len--;
        out.data[len] = '\0';
    }
    return str_steal(&out);
}

static struct job *new_job(struct kube_series *series, const struct json *about, const char *type,
                           const char *reason, char *message)
{
    static const char *const paths[] = {
        [API_VERSION] = "apiVersion",
        [KIND] = "kind",
        [NAMESPACE] = "metadata.namespace",
        [NAME] = "metadata.name",
        [UID] = "metadata.uid",
        [VERSION] = "metadata.resourceVersion",
    };
    struct job *job = calloc(1, sizeof(*job));

    if (!job)
        abort();
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        job->field[i] = copy(json_text(about, paths[i]));
    job->field[TYPE] = copy(type);
    job->field[REASON] = copy(reason);
    job->field[MESSAGE] = message;
    job->series = series;
    return job;
}

/* ---- writing ---- */

/* A series as it is when its turn comes; it may go on while it is written. */
struct moment {
    char *name;
    char first[CLOCK_RFC3339_SIZE], last[CLOCK_RFC3339_SIZE];
    int count;
    bool posted;
};

static struct json *whole_event(const struct kube_events *events, const struct job *job,
                                const struct moment *moment, const char *ns)
{
    char *const *field = job->field;

    return json_format(
        "{'apiVersion': 'v1', 'kind': 'Event', 'metadata': {'name': %s, 'namespace': %s},"
        " 'involvedObject': {'apiVersion': %s, 'kind': %s, 'namespace': %s, 'name': %s,"
        " 'uid': %s, 'resourceVersion': %s}, 'type': %s, 'reason': %s, 'message': %s,"
        " 'source': {'component': %s}, 'reportingComponent': %s, 'reportingInstance': %s,"
        " 'firstTimestamp': %s, 'lastTimestamp': %s, 'count': %d}",
        moment->name, ns, field[API_VERSION], field[KIND], field[NAMESPACE], field[NAME],
        field[UID], field[VERSION], field[TYPE], field[REASON], field[MESSAGE], events->component,
        events->component, events->instance, moment->first, moment->last, moment->count);
}

/* True when the server has it; `moment->posted` then or before. */
static bool write_event(struct kube_events *events, const struct job *job, struct moment *moment)
{
    const char *ns = job->field[NAMESPACE] ? job->field[NAMESPACE] : "default";
    cleanup_json struct json *object = NULL;
    struct err err;
    int rc;

    if (moment->posted) {
        cleanup_json struct json *patch =
            json_format("{'count': %d, 'lastTimestamp': %s, 'message': %s}", moment->count,
                        moment->last, job->field[MESSAGE]);

        rc = kube_patch(events->conn, &events_resource, ns, moment->name, NULL, KUBE_PATCH_MERGE,
                        patch, NULL, &err);
        if (rc != -KUBE_NOT_FOUND)
            return rc == 0;
    }
    object = whole_event(events, job, moment, ns);
    rc = kube_create(events->conn, &events_resource, ns, object, NULL, &err);
    /* It is there already when only the answer to an earlier try was lost. */
    moment->posted = rc == 0 || rc == -KUBE_ALREADY_EXISTS;
    return moment->posted;
}

/* Called and returns with the mutex held; not held while it writes. */
static void write_first(struct kube_events *events)
{
    struct job *job = events->first;
    struct kube_series *series = job->series;
    struct moment moment = {
        .name = series->name, .count = (int)series->count, .posted = series->posted};
    bool written;

    events->first = job->next;
    if (!events->first)
        events->last = &events->first;
    events->queued--;
    series->queued = false;
    clock_rfc3339(series->first, moment.first);
    clock_rfc3339(series->last, moment.last);
    pthread_mutex_unlock(&events->mutex);

    written = write_event(events, job, &moment);
    free_job(job);

    pthread_mutex_lock(&events->mutex);
    series->posted = moment.posted;
    series->pinned = series->queued;
    events->dropped += !written;
}

static void *write_all(void *arg)
{
    struct kube_events *events = arg;

    pthread_mutex_lock(&events->mutex);
    while (events->first || !events->stopping) {
        if (events->first)
            write_first(events);
        else
            pthread_cond_wait(&events->wake, &events->mutex);
    }
    events->ended = true;
    pthread_cond_signal(&events->ended_signal);
    pthread_mutex_unlock(&events->mutex);
    return NULL;
}

/* ---- telling ---- */

static void enqueue(struct kube_events *events, struct job *job)
{
    job->series->queued = job->series->pinned = true;
    *events->last = job;
    events->last = &job->next;
    events->queued++;
    pthread_cond_signal(&events->wake);
}

/* All that tells an object from others. */
static char *object_key(const struct json *about)
{
    static const char *const paths[] = {"apiVersion", "kind", "metadata.namespace", "metadata.name",
                                        "metadata.uid"};
    struct str key = STR_INIT;

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const char *text = json_text(about, paths[i]);

        str_puts(&key, text ? text : "");
        str_putc(&key, '\n');
    }
    return str_steal(&key);
}

void kube_events_add(struct kube_events *events, const struct json *about, const char *type,
                     const char *reason, const char *message)
{
    cleanup_free char *object = object_key(about);
    const char *name = json_text(about, "metadata.name");
    const struct kube_happening happening = {object, name ? name : "", type, reason, message};
    struct timespec now = clock_now();
    struct kube_series *series;
    bool combined;

    pthread_mutex_lock(&events->mutex);
    series = kube_correlate(events->correlator, &happening, now, &combined);
    if (!series->queued) {
        /* The burst's record may be made, and then an old one is forgotten: not this one. */
        bool pinned = series->pinned, allowed;

        series->pinned = true;
        allowed = !events->stopping && events->queued < QUEUE_MAX &&
                  kube_correlate_allow(events->correlator, object, now.tv_sec);
        series->pinned = pinned;
        if (allowed)
            enqueue(events, new_job(series, about, type, reason,
                                    clean_message(combined ? COMBINED_PREFIX : "", message)));
        else
            events->dropped++;
    }
    pthread_mutex_unlock(&events->mutex);
}

unsigned long kube_events_dropped(struct kube_events *events)
{
    unsigned long dropped;

    pthread_mutex_lock(&events->mutex);
    dropped = events->dropped;
    pthread_mutex_unlock(&events->mutex);
    return dropped;
}

/* ---- start and stop ---- */

static void free_events(struct kube_events *events)
{
    kube_conn_free(events->conn);
    kube_correlator_free(events->correlator);
    pthread_cond_destroy(&events->ended_signal);
    pthread_cond_destroy(&events->wake);
    pthread_mutex_destroy(&events->mutex);
    free(events->component);
    free(events->instance);
    free(events);
}

struct kube_events *kube_events_start(struct kube_client *client, const char *component,
                                      const char *instance, struct err *err)
{
    struct kube_events *events = calloc(1, sizeof(*events));
    pthread_condattr_t attr;
    int rc;

    if (!events)
        abort();
    events->component = copy(component);
    events->instance = copy(instance);
    events->last = &events->first;
    events->correlator = kube_correlator_new(CORRELATE_RECORDS);
    events->conn = kube_conn_new(client);
    kube_conn_timeout(events->conn, REQUEST_SECONDS);
    pthread_mutex_init(&events->mutex, NULL);
    pthread_cond_init(&events->wake, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&events->ended_signal, &attr);
    pthread_condattr_destroy(&attr);
    rc = pthread_create(&events->thread, NULL, write_all, events);
    if (rc != 0) {
        err_errno(err, ERR_SYSTEM, rc, "cannot start the thread that writes events");
        free_events(events);
        return NULL;
    }
    return events;
}

void kube_events_stop(struct kube_events *events)
{
    struct timespec until = clock_timespec(clock_ns() + STOP_SECONDS * UINT64_C(1000000000));
    int rc = 0;

    if (!events)
        return;
    pthread_mutex_lock(&events->mutex);
    events->stopping = true;
    pthread_cond_signal(&events->wake);
    while (!events->ended && rc == 0)
        rc = pthread_cond_timedwait(&events->ended_signal, &events->mutex, &until);
    pthread_mutex_unlock(&events->mutex);
    /* Ends the request under way; those that are left then fail at once. */
    kube_conn_cancel(events->conn);
    pthread_join(events->thread, NULL);
    free_events(events);
}
