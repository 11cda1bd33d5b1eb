/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/version.h"
#include "daemon_private.h"
#include "telemetry.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USER_AGENT "vmexport-controller/" VMEXPORT_VERSION

enum { ARENAS = 2 }; /* of malloc: threads that are mostly idle need none of their own */

/* ---- what other threads tell the main one ---- */

void daemon_wake(void *ctx)
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

/* Ends what the main thread may be waiting in while it begins to lead. */
static void interrupt(struct daemon *daemon)
{
    if (daemon->gap_conn)
        kube_conn_cancel(daemon->gap_conn);
    if (daemon->keeper)
        surroundings_cancel(daemon->keeper);
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
    interrupt(daemon);
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
    pthread_mutex_lock(&daemon->lock);
    daemon->gap_conn = kube_conn_new(daemon->client);
    pthread_mutex_unlock(&daemon->lock);
    daemon->watches = watches_new(&(const struct watches_config){.client = daemon->client,
                                                                 .cache = &daemon->cache,
                                                                 .routes = &daemon->routes,
                                                                 .exports = &daemon->exports,
                                                                 .changed = daemon_wake,
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
    return daemon_lead(daemon, err);
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
