/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which cluster, by the rules of kubectl: the kubeconfig with the flags over it; without one, what a
 * pod is given. An interrupt has to end a request that waits for a server that is silent: a thread
 * waits for it and cancels the connection.
 */
#include "api/cluster.h"

#include "base/cleanup.h"
#include "base/version.h"
#include "interrupt.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define USER_AGENT "vmexport/" VMEXPORT_VERSION

enum { TIMEOUT_DEFAULT_S = 30, SPARE_TIMEOUT_S = 10 };

struct cluster_watchman {
    pthread_t thread;
    int stop; /* an eventfd */
    struct kube_conn *conn;
};

/* ---- interrupts ---- */

static void *watch_out(void *arg)
{
    struct cluster_watchman *watchman = arg;
    struct pollfd fds[] = {{watchman->stop, POLLIN, 0}, {interrupt_fd(), POLLIN, 0}};

    while (poll(fds, 2, -1) < 0 && errno == EINTR) {
    }
    if (fds[1].revents)
        kube_conn_cancel(watchman->conn);
    return NULL;
}

static int start_watchman(struct cluster *cluster, struct err *err)
{
    struct cluster_watchman *watchman = calloc(1, sizeof(*watchman));
    int rc;

    if (!watchman)
        abort();
    watchman->conn = cluster->conn;
    watchman->stop = eventfd(0, EFD_CLOEXEC);
    if (watchman->stop < 0) {
        err_errno(err, ERR_SYSTEM, errno, "cannot make an eventfd");
        free(watchman);
        return -1;
    }
    rc = pthread_create(&watchman->thread, NULL, watch_out, watchman);
    if (rc) {
        close(watchman->stop);
        free(watchman);
        return err_errno(err, ERR_SYSTEM, rc, "cannot start a thread");
    }
    cluster->watchman = watchman;
    return 0;
}

static void stop_watchman(struct cluster_watchman *watchman)
{
    if (!watchman)
        return;
    eventfd_write(watchman->stop, 1);
    pthread_join(watchman->thread, NULL);
    close(watchman->stop);
    free(watchman);
}

/* ---- which cluster ---- */

static struct kube_config_override override_of(const struct options *options)
{
    return (struct kube_config_override){
        .server = options->server,
        .tls_server_name = options->tls_server_name,
        .proxy_url = options->proxy_url,
        .certificate_authority = options->certificate_authority,
        .client_certificate = options->client_certificate,
        .client_key = options->client_key,
        .token = options->token,
        .username = options->username,
        .password = options->password,
        .as = options->as,
        .as_uid = options->as_uid,
        .as_groups = options->as_group.text,
        .as_group_count = options->as_group.count,
        .insecure = options->insecure_skip_tls_verify,
    };
}

/* The kubeconfig, or what stands in for it. `*config` stays NULL when --server has to do. */
static int load(const struct options *options, struct kube_config **config, struct err *err)
{
    const struct kube_config_options choice = {
        .path = options->kubeconfig,
        .context = options->context,
        .cluster = options->cluster,
        .user = options->user,
    };
    struct err pod = {.class = ERR_NONE};

    if (kube_config_load(&choice, config, err) == 0)
        return 0;
    if (err->class != ERR_NOT_FOUND || options->kubeconfig || options->context ||
        options->cluster || options->user)
        return -1;
    if (options->server || kube_config_in_cluster(config, &pod) == 0)
        return 0;
    if (pod.class != ERR_NOT_FOUND)
        *err = pod;
    return -1;
}

static char *choose_namespace(const struct options *options, const struct kube_config *config)
{
    const char *ns = options->namespace ? options->namespace : config->namespace;
    char *out = strdup(ns && *ns ? ns : "default");

    if (!out)
        abort();
    return out;
}

int cluster_open(const struct options *options, struct cluster *cluster, struct err *err)
{
    const struct kube_config_override override = override_of(options);
    struct kube_config *config = NULL;

    *cluster = (struct cluster){.timeout_s = options->request_timeout_s ? options->request_timeout_s
                                                                        : TIMEOUT_DEFAULT_S};
    if (load(options, &config, err) < 0)
        return -1;
    if (kube_config_override(&config, &override, err) < 0) {
        kube_config_free(config);
        return -1;
    }
    cluster->ns = choose_namespace(options, config);
    cluster->client = kube_client_new(config, USER_AGENT);
    cluster->conn = kube_conn_new(cluster->client);
    kube_conn_timeout(cluster->conn, cluster->timeout_s);
    if (start_watchman(cluster, err) == 0)
        return 0;
    cluster_close(cluster);
    return -1;
}

void cluster_close(struct cluster *cluster)
{
    stop_watchman(cluster->watchman);
    kube_conn_free(cluster->conn);
    kube_client_free(cluster->client);
    free(cluster->ns);
    *cluster = (struct cluster){0};
}

struct kube_conn *cluster_spare(struct cluster *cluster)
{
    struct kube_conn *conn = kube_conn_new(cluster->client);

    kube_conn_timeout(conn, SPARE_TIMEOUT_S);
    return conn;
}

/* ---- what it says ---- */

static enum err_class class_of(enum kube_reason reason)
{
    switch (reason) {
    case KUBE_UNAUTHORIZED:
    case KUBE_FORBIDDEN:
        return ERR_FORBIDDEN;
    case KUBE_NOT_FOUND:
        return ERR_NOT_FOUND;
    case KUBE_ALREADY_EXISTS:
    case KUBE_CONFLICT:
    case KUBE_TERMINATING:
    case KUBE_TIMEOUT:
    case KUBE_TOO_MANY_REQUESTS:
    case KUBE_SERVER:
    case KUBE_TRANSPORT:
    case KUBE_CANCELLED:
        return ERR_IO;
    case KUBE_BAD_REQUEST:
    case KUBE_INVALID:
        return ERR_INPUT;
    default:
        return ERR_SYSTEM;
    }
}

int cluster_fail(int rc, struct err *err)
{
    err->class = class_of((enum kube_reason) - rc);
    return -1;
}

static bool has_version(const struct json *group, const char *wanted)
{
    const struct json *versions = json_get(group, "versions");

    for (const struct json *v = json_first(versions); v; v = json_next(v)) {
        const char *version = json_text(v, "version");

        if (version && strcmp(version, wanted) == 0)
            return true;
    }
    return false;
}

int cluster_version(struct cluster *cluster, const char *group, const char *const *preferred,
                    const char **version, struct err *err)
{
    cleanup_str struct str path = STR_INIT;
    cleanup_json struct json *answer = NULL;
    int rc;

    str_printf(&path, "/apis/%s", group);
    rc = kube_get_path(cluster->conn, str_get(&path), &answer, err);
    if (rc < 0)
        return cluster_fail(rc, err);
    for (; *preferred; preferred++) {
        if (has_version(answer, *preferred)) {
            *version = *preferred;
            return 0;
        }
    }
    return err_set(err, ERR_NOT_FOUND,
                   "the cluster serves no version of '%s' that is known here; a newer vmexport may "
                   "know it",
                   group);
}
