/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"
#include "account.h"
#include "apply.h"
#include "base/health.h"
#include "base/log.h"
#include "gap.h"
#include "kube/lease.h"
#include "owner.h"
#include "surroundings.h"
#include "telemetry.h"
#include "watches.h"
#include "worker.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEASE "vmexport-controller"
#define USER_AGENT "vmexport-controller/0.1.0"

enum {
    ARENAS = 2,            /* of malloc: threads that are mostly idle need none of their own */
    FIRST_LOOK_SECONDS = 5 /* that workers wait for the CA */
};

struct daemon {
    const struct settings *settings;
    struct kube_client *client;
    struct kube_resource exports; /* with the group of the settings */
    struct cache cache;
    struct routes routes;
    struct kube_queue *queue;
    struct signer signer;
    struct kube_events *events;
    struct watches *watches;
    struct surroundings_keeper *keeper;
    struct kube_lease *lease;
    struct kube_conn *gap_conn;
    struct inspector *inspector;
    struct workers *workers;
    struct health *health;
    atomic_bool leads;
    atomic_int exit_code;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopping;          /* below the lock */
    struct account account; /* has a lock of its own */
};

/* ---- what other threads tell the main one ---- */

static void wake(void *ctx)
{
    struct daemon *daemon = ctx;

    pthread_mutex_lock(&daemon->lock);
    pthread_cond_broadcast(&daemon->changed);
    pthread_mutex_unlock(&daemon->lock);
}

/* By the signal that also ends it from outside, so that there is one way to end. */
static void end(struct daemon *daemon, int code)
{
    atomic_store(&daemon->exit_code, code);
    kill(getpid(), SIGTERM);
}

static void *wait_for_signal(void *arg)
{
    struct daemon *daemon = arg;
    sigset_t set;
    int signal;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigwait(&set, &signal);
    pthread_mutex_lock(&daemon->lock);
    daemon->stopping = true;
    pthread_cond_broadcast(&daemon->changed);
    pthread_mutex_unlock(&daemon->lock);
    return NULL;
}

static void on_taken(void *ctx, const char *message)
{
    log_error("%s", message);
    end(ctx, EXIT_FAILURE);
}

static void on_surroundings(void *ctx)
{
    struct daemon *daemon = ctx;

    pthread_mutex_lock(&daemon->lock);
    if (daemon->keeper)
        surroundings_wake(daemon->keeper);
    pthread_mutex_unlock(&daemon->lock);
}

static void on_crd(void *ctx, const char *name)
{
    watches_crd(((struct daemon *)ctx)->watches, name);
}

/* ---- watches ---- */

/* Waits until the watches up to this kind, or all of them, have their state, or for the end. */
static void wait_synced(struct daemon *daemon, bool all)
{
    pthread_mutex_lock(&daemon->lock);
    while (!daemon->stopping && !(all ? watches_behind(daemon->watches) == KINDS
                                      : watches_synced(daemon->watches, KIND_EXPORT)))
        pthread_cond_wait(&daemon->changed, &daemon->lock);
    pthread_mutex_unlock(&daemon->lock);
}

static int start_watches(struct daemon *daemon, struct err *err)
{
    if (watches_start_exports(daemon->watches, err) < 0)
        return -1;
    wait_synced(daemon, false);
    if (watches_start_others(daemon->watches, err) < 0)
        return -1;
    wait_synced(daemon, true);
    malloc_trim(0); /* the first lists were the largest things ever held */
    return 0;
}

/* ---- leading ---- */

static void on_acquired(void *ctx, const char *note)
{
    struct daemon *daemon = ctx;

    account_found(&daemon->account, note);
    atomic_store(&daemon->leads, true);
    wake(daemon);
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

static int lead(struct daemon *daemon, struct err *err)
{
    struct workers_config config = {.client = daemon->client,
                                    .cache = &daemon->cache,
                                    .queue = daemon->queue,
                                    .events = daemon->events,
                                    .signer = &daemon->signer,
                                    .exports = &daemon->exports,
                                    .count = daemon->settings->workers};
    char *note, *now;

    log_info("this replica leads");
    surroundings_lead(daemon->keeper);
    note = account_text(&daemon->account);
    atomic_store(&daemon->routes.live, true);
    now = watches_version(daemon->watches, KIND_POD);
    gap_close(daemon->gap_conn, &daemon->routes, note, now);
    free(now);
    free(note);
    account_close(&daemon->account);
    /* One that ends before its next renewal must not leave a note that gets older and older. */
    kube_lease_renew(daemon->lease);
    surroundings_wait(daemon->keeper, FIRST_LOOK_SECONDS);
    routes_add_all(&daemon->routes);
    daemon->inspector = inspector_start(&daemon->cache, daemon->queue, err);
    if (!daemon->inspector)
        return -1;
    config.inspector = daemon->inspector;
    daemon->workers = workers_start(&config, err);
    return daemon->workers ? 0 : -1;
}

/* ---- health ---- */

static int check_synced(void *ctx, struct err *err)
{
    struct watches *watches = ((struct daemon *)ctx)->watches;
    enum kind kind = watches_behind(watches);
    cleanup_str struct str why = STR_INIT;

    if (kind == KINDS)
        return 0;
    watches_why_behind(watches, kind, &why);
    return err_set(err, ERR_UNAVAILABLE, "%s are not listed yet%s%s",
                   kind_table[kind].resource.plural, why.len ? ": " : "", str_get(&why));
}

/* Only the leader makes the CA; one that waits to lead is ready without. */
static int check_authority(void *ctx, struct err *err)
{
    struct daemon *daemon = ctx;
    bool ready;

    pthread_mutex_lock(&daemon->lock);
    ready = daemon->keeper && (!atomic_load(&daemon->leads) || surroundings_ready(daemon->keeper));
    pthread_mutex_unlock(&daemon->lock);
    return ready ? 0 : err_set(err, ERR_UNAVAILABLE, "there is no CA yet: see the log");
}

static int start_health(struct daemon *daemon, struct err *err)
{
    static struct health_check ready[3];
    const struct health_config config = {
        .address = daemon->settings->health_address, .ready = ready, .metrics = telemetry_print};

    ready[0] = (struct health_check){"synced", check_synced, daemon};
    ready[1] = (struct health_check){"authority", check_authority, daemon};
    daemon->health = health_start(&config, err);
    return daemon->health ? 0 : -1;
}

/* ---- begin and end ---- */

static struct kube_client *connect_client(const struct settings *settings, struct err *err)
{
    const struct kube_config_options options = {.path = settings->kubeconfig,
                                                .context = settings->context};
    struct kube_config *config = NULL;
    int rc = settings->kubeconfig ? kube_config_load(&options, &config, err)
                                  : kube_config_in_cluster(&config, err);

    if (rc < 0) {
        if (!settings->kubeconfig && err->class == ERR_NOT_FOUND)
            err_set(err, ERR_NOT_FOUND, "not in a cluster: set --kubeconfig");
        return NULL;
    }
    return kube_client_new(config, USER_AGENT);
}

static int prepare(struct daemon *daemon, struct err *err)
{
    const struct settings *settings = daemon->settings;
    const struct kube_queue_config queue = {.backoff_max_ms = 15000};
    struct telemetry telemetry;

    daemon->signer.settings = (struct authority_settings){
        .group = settings->api_group,
        .ca_duration = settings->ca_duration,
        .leaf_duration = settings->certificate_duration,
        .publish = settings->ca_publish,
    };
    pthread_rwlock_init(&daemon->signer.lock, NULL);
    daemon->client = connect_client(settings, err);
    if (!daemon->client)
        return -1;
    daemon->exports = kind_table[KIND_EXPORT].resource;
    daemon->exports.group = settings->api_group;
    daemon->queue = kube_queue_new(&queue);
    cache_init(&daemon->cache, settings, routes_change, &daemon->routes);
    daemon->routes = (struct routes){.cache = &daemon->cache,
                                     .queue = daemon->queue,
                                     .surroundings = on_surroundings,
                                     .crd = on_crd,
                                     .ctx = daemon};
    kube_client_observe(daemon->client, telemetry_request, NULL);
    daemon->events =
        kube_events_start(daemon->client, "export-controller", settings->identity, err);
    if (!daemon->events)
        return -1;
    daemon->gap_conn = kube_conn_new(daemon->client);
    daemon->watches = watches_new(&(const struct watches_config){.client = daemon->client,
                                                                 .cache = &daemon->cache,
                                                                 .routes = &daemon->routes,
                                                                 .exports = &daemon->exports,
                                                                 .changed = wake,
                                                                 .ctx = daemon});
    telemetry = (struct telemetry){&daemon->cache, daemon->queue, daemon->events, daemon->watches,
                                   &daemon->leads};
    telemetry_start(&telemetry);
    return start_health(daemon, err);
}

static int begin(struct daemon *daemon, struct err *err)
{
    const struct surroundings_config config = {.client = daemon->client,
                                               .cache = &daemon->cache,
                                               .routes = &daemon->routes,
                                               .signer = &daemon->signer,
                                               .taken = on_taken,
                                               .ctx = daemon};
    struct surroundings_keeper *keeper;

    if (start_watches(daemon, err) < 0)
        return -1;
    keeper = surroundings_start(&config, err);
    if (!keeper)
        return -1;
    pthread_mutex_lock(&daemon->lock);
    daemon->keeper = keeper;
    pthread_mutex_unlock(&daemon->lock);
    if (start_lease(daemon, err) < 0)
        return -1;
    log_info("waits for the lease %s/%s", daemon->settings->namespace_, LEASE);
    return wait_to_lead(daemon) ? lead(daemon, err) : 0;
}

static void wait_for_end(struct daemon *daemon)
{
    pthread_mutex_lock(&daemon->lock);
    while (!daemon->stopping)
        pthread_cond_wait(&daemon->changed, &daemon->lock);
    pthread_mutex_unlock(&daemon->lock);
}

/* What fills the queue last, so that nothing is told of what is gone already. */
static void finish(struct daemon *daemon)
{
    struct surroundings_keeper *keeper;

    workers_stop(daemon->workers);
    inspector_stop(daemon->inspector);
    pthread_mutex_lock(&daemon->lock);
    keeper = daemon->keeper;
    daemon->keeper = NULL;
    pthread_mutex_unlock(&daemon->lock);
    surroundings_stop(keeper);
    /* From here on another replica may lead: what writes for the leader has ended. */
    if (daemon->lease)
        kube_lease_stop(daemon->lease);
    health_stop(daemon->health); /* it tells numbers of all that follows */
    if (daemon->events)
        kube_events_stop(daemon->events);
    watches_stop(daemon->watches);
    if (daemon->gap_conn)
        kube_conn_free(daemon->gap_conn);
    if (daemon->queue) {
        cache_free(&daemon->cache);
        kube_queue_free(daemon->queue);
    }
    if (daemon->signer.authority)
        authority_free(daemon->signer.authority);
    free(daemon->signer.authority);
    if (daemon->client)
        kube_client_free(daemon->client);
    account_free(&daemon->account);
    telemetry_stop();
}

int daemon_run(const struct settings *settings)
{
    static struct daemon daemon; /* threads that outlive nothing else may still look at it */
    pthread_t signals;
    sigset_t set;
    struct err err;

    mallopt(M_ARENA_MAX, ARENAS);
    mallopt(M_MXFAST, 0); /* trees of small nodes come and go: their bins would only be merged */
    daemon.settings = settings;
    pthread_mutex_init(&daemon.lock, NULL);
    pthread_cond_init(&daemon.changed, NULL);
    account_init(&daemon.account);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (pthread_create(&signals, NULL, wait_for_signal, &daemon)) {
        log_error("cannot start a thread");
        return EXIT_FAILURE;
    }
    log_info("serves %s, from namespace %s", settings->api_group, settings->namespace_);
    if (prepare(&daemon, &err) < 0 || begin(&daemon, &err) < 0) {
        log_error("%s", err.msg);
        end(&daemon, EXIT_FAILURE);
    }
    wait_for_end(&daemon);
    log_info("ends");
    finish(&daemon);
    pthread_join(signals, NULL);
    return atomic_load(&daemon.exit_code);
}
