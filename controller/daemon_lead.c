/* SPDX-License-Identifier: Apache-2.0 */
/* The lease, and what is begun with it. */
#include "base/log.h"
#include "daemon_private.h"
#include "gap.h"
#include "owner.h"

#include <stdlib.h>
#include <unistd.h>

#define LEASE "vmexport-controller"

enum { FIRST_LOOK_SECONDS = 5 }; /* that workers wait for the CA */

static void on_acquired(void *ctx, const char *note)
{
    struct daemon *daemon = ctx;

    account_found(&daemon->account, note);
    atomic_store(&daemon->leads, true);
    daemon_wake(daemon);
}

static void on_lost(void *ctx)
{
    (void)ctx;
    log_error("the lease is lost: another replica may lead by now");
    _exit(EXIT_FAILURE); /* at once: what is under way must not go on */
}

static void on_lease_trouble(void *ctx, const struct err *err)
{
    (void)ctx;
    log_warning("lease: %s", err->msg);
}

static char *lease_note(void *ctx)
{
    struct daemon *daemon = ctx;

    return account_note(&daemon->account, &daemon->cache,
                        watches_version(daemon->watches, KIND_POD));
}

static int make_lease(void *ctx, struct kube_conn *conn, struct json *object, struct err *err)
{
    const struct daemon *daemon = ctx;

    return owner_put(conn, daemon->settings, object, err);
}

static int start_lease(struct daemon *daemon, struct err *err)
{
    const struct settings *settings = daemon->settings;
    const struct kube_lease_config config = {
        .client = daemon->client,
        .ns = settings->namespace_,
        .name = LEASE,
        .identity = settings->identity,
        .duration_seconds = (unsigned)settings->lease_duration,
        .renew_seconds = (unsigned)settings->lease_renew,
        .retry_ms = (unsigned)settings->lease_retry * 1000,
        .note_key = "vmexport.io/pods-resource-version",
        .note = lease_note,
        .make = make_lease,
        .acquired = on_acquired,
        .lost = on_lost,
        .trouble = on_lease_trouble,
        .ctx = daemon,
    };

    daemon->lease = kube_lease_start(&config, err);
    return daemon->lease ? 0 : -1;
}

/* Waits for the first lease, or the end. */
static bool wait_to_lead(struct daemon *daemon)
{
    bool leads;

    pthread_mutex_lock(&daemon->lock);
    while (!daemon->stopping && !atomic_load(&daemon->leads))
        pthread_cond_wait(&daemon->changed, &daemon->lock);
    leads = !daemon->stopping;
    pthread_mutex_unlock(&daemon->lock);
    return leads;
}

static int begin_to_lead(struct daemon *daemon, struct err *err)
{
    struct workers_config config = {.client = daemon->client,
                                    .cache = &daemon->cache,
                                    .queue = daemon->queue,
                                    .events = daemon->events,
                                    .signer = &daemon->signer,
                                    .exports = &daemon->exports,
                                    .count = daemon->settings->workers};
    char *note, *now;
    bool known;

    log_info("this replica leads");
    surroundings_lead(daemon->keeper);
    note = account_text(&daemon->account);
    atomic_store(&daemon->routes.live, true);
    now = watches_version(daemon->watches, KIND_POD);
    known = gap_close(daemon->gap_conn, &daemon->routes, note, now);
    free(now);
    free(note);
    if (!known)
        return 0; /* the end has come; the next leader reads it */
    account_close(&daemon->account);
    /* One that ends before its next renewal must not leave a note that gets older and older. */
    kube_lease_renew(daemon->lease);
    if (!surroundings_wait(daemon->keeper, FIRST_LOOK_SECONDS))
        return 0; /* workers would take the CA that is not there yet out of the exports' links */
    routes_add_all(&daemon->routes);
    daemon->inspector = inspector_start(&daemon->cache, daemon->queue, err);
    if (!daemon->inspector)
        return -1;
    config.inspector = daemon->inspector;
    daemon->workers = workers_start(&config, err);
    return daemon->workers ? 0 : -1;
}

int daemon_lead(struct daemon *daemon, struct err *err)
{
    if (start_lease(daemon, err) < 0)
        return -1;
    log_info("waits for the lease %s/%s", daemon->settings->namespace_, LEASE);
    return wait_to_lead(daemon) ? begin_to_lead(daemon, err) : 0;
}
