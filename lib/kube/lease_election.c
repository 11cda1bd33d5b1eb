/* SPDX-License-Identifier: Apache-2.0 */
/*
 * While it leads, a renewal is one PUT of the object as the last answer had it. Only when that
 * fails, and while another one leads, is the Lease read. Once lost, nothing more is written.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "kube/lease_private.h"
#include "kube/lease_record.h"

#include <stdlib.h>
#include <string.h>

enum { RELEASE_SECONDS = 2 };

static const uint64_t ns_per_second = 1000000000;

static const struct kube_resource leases = {"coordination.k8s.io", "v1", "leases", "Lease", true};

/* ---- what is known ---- */

static char *copy(const char *text)
{
    char *out = text ? strdup(text) : NULL;

    if (text && !out)
        abort();
    return out;
}

/* Takes over `object`, as the server has it now. */
static void remember(struct kube_lease *lease, struct json *object)
{
    char *seen = lease_record_text(object);

    json_free(lease->object);
    lease->object = object;
    if (!lease->seen || strcmp(seen, lease->seen) != 0)
        lease->seen_first = clock_ns();
    free(lease->seen);
    lease->seen = seen;

    pthread_mutex_lock(&lease->mutex);
    free(lease->holder);
    lease->holder = copy(lease_record_holder(object));
    pthread_mutex_unlock(&lease->mutex);
}

bool lease_is_held(struct kube_lease *lease)
{
    bool held;

    pthread_mutex_lock(&lease->mutex);
    held = lease->held;
    pthread_mutex_unlock(&lease->mutex);
    return held;
}

static bool is_ours(const struct kube_lease *lease)
{
    const char *holder = lease_record_holder(lease->object);

    return holder && strcmp(holder, lease->identity) == 0;
}

/* Nobody holds it, or its holder has not changed it for as long as it is valid. */
static bool is_free(const struct kube_lease *lease)
{
    uint64_t valid = lease_record_seconds(lease->object, lease->config.duration_seconds);

    return !lease_record_holder(lease->object) ||
           clock_ns() - lease->seen_first >= valid * ns_per_second;
}

/* ---- leading begins and ends ---- */

static void begin(struct kube_lease *lease, uint64_t sent, const char *note)
{
    bool first;

    pthread_mutex_lock(&lease->mutex);
    first = !lease->held && !lease->over && !lease->stopping;
    lease->held = !lease->over;
    lease->renewed = sent;
    pthread_cond_broadcast(&lease->changed);
    pthread_mutex_unlock(&lease->mutex);
    if (first && lease->config.acquired)
        lease->config.acquired(lease->config.ctx, note);
}

void lease_end(struct kube_lease *lease)
{
    bool ends;

    pthread_mutex_lock(&lease->mutex);
    ends = lease->held;
    lease->held = false;
    lease->over = lease->over || ends;
    pthread_cond_broadcast(&lease->changed);
    pthread_mutex_unlock(&lease->mutex);
    if (!ends)
        return;
    kube_conn_cancel(lease->conn);
    if (lease->config.lost)
        lease->config.lost(lease->config.ctx);
}

/* ---- requests ---- */

/* What is left for the next leader, as it is now. */
static void put_note(struct kube_lease *lease, struct json *wanted)
{
    cleanup_free char *note =
        lease->config.note && lease->config.note_key ? lease->config.note(lease->config.ctx) : NULL;

    if (note)
        lease_record_put_note(wanted, lease->config.note_key, note);
}

/* Writes the remembered object with us as its holder. */
static int claim(struct kube_lease *lease, struct err *err)
{
    cleanup_json struct json *wanted = json_copy(lease->object);
    cleanup_free char *before = copy(lease_record_note(wanted, lease->config.note_key));
    struct json *answer = NULL;
    uint64_t sent = clock_ns();
    int rc;

    lease_record_claim(wanted, lease->identity, lease->config.duration_seconds, clock_now());
    if (lease_is_held(lease))
        put_note(lease, wanted);
    rc = kube_update(lease->conn, &leases, lease->config.ns, lease->config.name, wanted, &answer,
                     err);
    if (rc < 0)
        return rc;
    remember(lease, answer);
    begin(lease, sent, before);
    return 0;
}

static int create(struct kube_lease *lease, struct err *err)
{
    cleanup_json struct json *wanted = lease_record_new(lease->config.ns, lease->config.name);
    struct json *answer = NULL;
    uint64_t sent = clock_ns();
    int rc;

    lease_record_claim(wanted, lease->identity, lease->config.duration_seconds, clock_now());
    rc = lease->config.make ? lease->config.make(lease->config.ctx, lease->conn, wanted, err) : 0;
    if (rc < 0)
        return rc;
    rc = kube_create(lease->conn, &leases, lease->config.ns, wanted, &answer, err);
    if (rc < 0)
        return rc;
    remember(lease, answer);
    begin(lease, sent, NULL);
    return 0;
}

/* Reads the Lease, then renews it or takes it over if it is ours or free. */
static int read_and_claim(struct kube_lease *lease, struct err *err)
{
    struct json *found = NULL;
    int rc = kube_get(lease->conn, &leases, lease->config.ns, lease->config.name, &found, err);

    if (rc == -KUBE_NOT_FOUND)
        return create(lease, err);
    if (rc < 0)
        return rc;
    remember(lease, found);
    if (!is_ours(lease) && lease_is_held(lease)) {
        lease_end(lease);
        return 0;
    }
    return is_ours(lease) || is_free(lease) ? claim(lease, err) : 0;
}

int lease_try(struct kube_lease *lease, struct err *err)
{
    if (lease_is_held(lease) && claim(lease, err) == 0)
        return 0;
    return read_and_claim(lease, err);
}

/* ---- giving it back ---- */

static int release_once(struct kube_lease *lease, struct kube_conn *conn)
{
    struct err err;

    put_note(lease, lease->object);
    lease_record_release(lease->object, clock_now());
    return kube_update(conn, &leases, lease->config.ns, lease->config.name, lease->object, NULL,
                       &err);
}

/* A renewal that was cut off may have been done: then the object is another one. */
void lease_release(struct kube_lease *lease)
{
    struct kube_conn *conn = kube_conn_new(lease->config.client);
    struct json *found = NULL;
    struct err err;

    kube_conn_timeout(conn, RELEASE_SECONDS);
    if (release_once(lease, conn) == -KUBE_CONFLICT &&
        kube_get(conn, &leases, lease->config.ns, lease->config.name, &found, &err) == 0) {
        remember(lease, found);
        if (is_ours(lease))
            release_once(lease, conn);
    }
    kube_conn_free(conn);
}
