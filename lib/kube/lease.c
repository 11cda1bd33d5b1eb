/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two threads: one asks and writes, the other (the guard) keeps the deadline. So leading ends in
 * time whatever becomes of a request: one that hangs, one that is answered "come again in ten
 * seconds", a process that was stopped for a while. The deadline counts from when the last request
 * that succeeded was sent, so that we end before another one may begin.
 */
#include "kube/lease.h"
#include "base/clock.h"
#include "kube/lease_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static const uint64_t ns_per_ms = 1000000, ns_per_second = 1000000000;

/* ---- the guard ---- */

static uint64_t deadline(const struct kube_lease *lease)
{
    return lease->renewed + lease->config.renew_seconds * ns_per_second;
}

static void *keep_deadline(void *arg)
{
    struct kube_lease *lease = arg;
    bool late = false;

    pthread_mutex_lock(&lease->mutex);
    while (!lease->stopping && !lease->over && !late) {
        struct timespec until = clock_timespec(deadline(lease));

        late = lease->held && clock_ns() >= deadline(lease);
        if (late)
            break;
        if (lease->held)
            pthread_cond_timedwait(&lease->changed, &lease->mutex, &until);
        else
            pthread_cond_wait(&lease->changed, &lease->mutex);
    }
    pthread_mutex_unlock(&lease->mutex);
    if (late)
        lease_end(lease);
    return NULL;
}

/* ---- the writer ---- */

/* Of what is wrong for many tries in a row, once. */
static void tell(struct kube_lease *lease, int rc, const struct err *err)
{
    /* Another one was faster: nothing is wrong. */
    bool wrong =
        rc < 0 && rc != -KUBE_CONFLICT && rc != -KUBE_ALREADY_EXISTS && rc != -KUBE_CANCELLED;

    if (!wrong) {
        lease->trouble[0] = '\0';
    } else if (strcmp(lease->trouble, err->msg) != 0) {
        memcpy(lease->trouble, err->msg, sizeof(lease->trouble));
        if (lease->config.trouble)
            lease->config.trouble(lease->config.ctx, err);
    }
}

static uint64_t random_number(void)
{
    uint64_t number = 0;

    while (getrandom(&number, sizeof(number), 0) < 0)
        if (errno != EINTR)
            abort();
    return number;
}

/* Those who wait for it do not all come at once: up to 1.2 times later, as client-go's. */
static uint64_t pause_ns(struct kube_lease *lease)
{
    uint64_t ns = lease->config.retry_ms * ns_per_ms;

    return lease_is_held(lease) ? ns : ns + random_number() % (ns / 5 * 6);
}

/* Or until a renewal is asked for. False when it is time to end. */
static bool sleep_until(struct kube_lease *lease, uint64_t when)
{
    struct timespec until = clock_timespec(when);
    bool go_on;
    int rc = 0;

    pthread_mutex_lock(&lease->mutex);
    while (!lease->stopping && !lease->over && !lease->asked && rc == 0)
        rc = pthread_cond_timedwait(&lease->changed, &lease->mutex, &until);
    lease->asked = false;
    go_on = !lease->stopping && !lease->over;
    pthread_mutex_unlock(&lease->mutex);
    return go_on;
}

static void *write_lease(void *arg)
{
    struct kube_lease *lease = arg;

    do {
        struct err err = {0};

        tell(lease, lease_try(lease, &err), &err);
    } while (sleep_until(lease, clock_ns() + pause_ns(lease)));
    return NULL;
}

/* ---- start and stop ---- */

static char *copy(const char *text)
{
    char *out = text ? strdup(text) : NULL;

    if (text && !out)
        abort();
    return out;
}

static unsigned or_default(unsigned value, unsigned otherwise)
{
    return value ? value : otherwise;
}

static int check(const struct kube_lease_config *config, struct err *err)
{
    uint64_t renew_ms = config->renew_seconds * UINT64_C(1000);

    if (config->duration_seconds <= config->renew_seconds)
        return err_set(err, ERR_INPUT,
                       "a lease of %u s must be longer than the %u s that its renewal may take",
                       config->duration_seconds, config->renew_seconds);
    if (renew_ms * 5 <= config->retry_ms * UINT64_C(6))
        return err_set(err, ERR_INPUT,
                       "the renewal of a lease may take %u s, which must be more than 1.2 times "
                       "the %u ms between two tries",
                       config->renew_seconds, config->retry_ms);
    return 0;
}

static char *new_identity(void)
{
    char host[256] = "";
    struct str identity = STR_INIT;

    gethostname(host, sizeof(host) - 1);
    str_printf(&identity, "%s_%016llx", host, (unsigned long long)random_number());
    return str_steal(&identity);
}

static void free_lease(struct kube_lease *lease)
{
    kube_conn_free(lease->conn);
    pthread_cond_destroy(&lease->changed);
    pthread_mutex_destroy(&lease->mutex);
    json_free(lease->object);
    free(lease->seen);
    free(lease->holder);
    free(lease->identity);
    free(lease);
}

static struct kube_lease *new_lease(const struct kube_lease_config *config)
{
    struct kube_lease *lease = calloc(1, sizeof(*lease));
    pthread_condattr_t attr;

    if (!lease)
        abort();
    lease->config = *config;
    lease->identity = config->identity ? copy(config->identity) : new_identity();
    lease->conn = kube_conn_new(config->client);
    kube_conn_timeout(lease->conn, (config->renew_seconds + 1) / 2);
    pthread_mutex_init(&lease->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&lease->changed, &attr);
    pthread_condattr_destroy(&attr);
    return lease;
}

static void stop_threads(struct kube_lease *lease, bool writer)
{
    pthread_mutex_lock(&lease->mutex);
    lease->stopping = true;
    pthread_cond_broadcast(&lease->changed);
    pthread_mutex_unlock(&lease->mutex);
    kube_conn_cancel(lease->conn);
    pthread_join(lease->guard, NULL);
    if (writer)
        pthread_join(lease->writer, NULL);
}

struct kube_lease *kube_lease_start(const struct kube_lease_config *config, struct err *err)
{
    struct kube_lease_config whole = *config;
    struct kube_lease *lease;
    int rc;

    whole.duration_seconds = or_default(config->duration_seconds, 15);
    whole.renew_seconds = or_default(config->renew_seconds, 10);
    whole.retry_ms = or_default(config->retry_ms, 2000);
    if (check(&whole, err) < 0)
        return NULL;
    lease = new_lease(&whole);
    rc = pthread_create(&lease->guard, NULL, keep_deadline, lease);
    if (rc == 0) {
        rc = pthread_create(&lease->writer, NULL, write_lease, lease);
        if (rc != 0)
            stop_threads(lease, false);
    }
    if (rc != 0) {
        err_errno(err, ERR_SYSTEM, rc, "cannot start the threads of the lease '%s/%s'", whole.ns,
                  whole.name);
        free_lease(lease);
        return NULL;
    }
    return lease;
}

void kube_lease_stop(struct kube_lease *lease)
{
    if (!lease)
        return;
    stop_threads(lease, true);
    if (lease->held && lease->object)
        lease_release(lease);
    free_lease(lease);
}

void kube_lease_renew(struct kube_lease *lease)
{
    pthread_mutex_lock(&lease->mutex);
    lease->asked = true;
    pthread_cond_broadcast(&lease->changed);
    pthread_mutex_unlock(&lease->mutex);
}

bool kube_lease_held(struct kube_lease *lease)
{
    bool held;

    pthread_mutex_lock(&lease->mutex);
    /* The guard may be late when the whole process was stopped. */
    held = lease->held && clock_ns() < deadline(lease);
    pthread_mutex_unlock(&lease->mutex);
    return held;
}

char *kube_lease_holder(struct kube_lease *lease)
{
    char *holder;

    pthread_mutex_lock(&lease->mutex);
    holder = copy(lease->holder);
    pthread_mutex_unlock(&lease->mutex);
    return holder;
}
