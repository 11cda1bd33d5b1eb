/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/config.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "kube/kubeconfig.h"
#include "kube/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 4 * 1024 * 1024, POD_FILE_MAX = 1024 * 1024 };

#define cleanup_kubeconfig __attribute__((cleanup(kubeconfig_free)))

static const char pod_dir[] = "/var/run/secrets/kubernetes.io/serviceaccount";

/* ---- freeing ---- */

void kubeconfig_free_texts(char **texts)
{
    for (char **text = texts; text && *text; text++)
        secret_free(*text);
    free(texts);
}

void kubeconfig_free_exec(struct kube_exec *exec)
{
    if (!exec)
        return;
    kubeconfig_free_texts(exec->argv);
    kubeconfig_free_texts(exec->env);
    free(exec->api_version);
    free(exec->install_hint);
    secret_free(exec->cluster_info);
    free(exec);
}

void kube_config_free(struct kube_config *config)
{
    if (!config)
        return;
    free(config->server);
    free(config->tls_server_name);
    secret_free(config->proxy_url); /* may hold a password */
    free(config->ca);
    free(config->ca_file);
    free(config->namespace);
    free(config->client_cert);
    secret_free(config->client_key);
    secret_free(config->token);
    free(config->token_file);
    free(config->username);
    secret_free(config->password);
    free(config->impersonate_user);
    free(config->impersonate_uid);
    kubeconfig_free_texts(config->impersonate_groups);
    kubeconfig_free_exec(config->exec);
    free(config);
}

static struct kube_config *new_config(void)
{
    struct kube_config *config = calloc(1, sizeof(*config));

    if (!config)
        abort();
    return config;
}

/* ---- files ---- */

static char *dir_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = !slash         ? strdup(".")
                : slash > path ? strndup(path, (size_t)(slash - path))
                               : strdup("/");

    if (!dir)
        abort();
    return dir;
}

static int add_file(struct kubeconfig *files, const char *path, struct err *err)
{
    cleanup_secret struct str text = STR_INIT;
    cleanup_free char *dir = dir_of(path);

    if (io_read_file(path, FILE_MAX, &text, err) < 0)
        return err_wrap(err, "kubeconfig");
    return kubeconfig_add(files, path, dir, str_get(&text), text.len, err);
}

/* Files of the list that are not there are left out, as kubectl does. */
static int add_list(struct kubeconfig *files, const char *list, struct err *err)
{
    for (; *list; list += strcspn(list, ":"), list += *list == ':') {
        cleanup_free char *path = strndup(list, strcspn(list, ":"));

        if (!path)
            abort();
        if (*path && (access(path, F_OK) == 0 || errno != ENOENT) && add_file(files, path, err) < 0)
            return -1;
    }
    return 0;
}

static char *default_path(void)
{
    const char *home = getenv("HOME");
    struct str path = STR_INIT;

    if (!home || !*home)
        return NULL;
    str_printf(&path, "%s/.kube/config", home);
    return str_steal(&path);
}

static int add_all(struct kubeconfig *files, const char *path, struct err *err)
{
    const char *list = getenv("KUBECONFIG");
    cleanup_free char *home = NULL;

    if (path)
        return add_file(files, path, err);
    if (list && *list)
        return add_list(files, list, err);
    home = default_path();
    return home && (access(home, F_OK) == 0 || errno != ENOENT) ? add_file(files, home, err) : 0;
}

static int resolve(const struct kubeconfig *files, const struct kube_config_options *options,
                   struct kube_config **out, struct err *err)
{
    static const struct kube_config_options none = {NULL, NULL, NULL, NULL};
    struct kube_config *config = new_config();

    if (kubeconfig_resolve(files, options ? options : &none, config, err) < 0) {
        kube_config_free(config);
        return -1;
    }
    *out = config;
    return 0;
}

int kube_config_load(const struct kube_config_options *options, struct kube_config **out,
                     struct err *err)
{
    cleanup_kubeconfig struct kubeconfig files = {NULL, 0};

    if (add_all(&files, options ? options->path : NULL, err) < 0)
        return -1;
    if (!files.count)
        return err_set(
            err, ERR_NOT_FOUND,
            "there is no kubeconfig: name one with --kubeconfig or in KUBECONFIG, or put "
            "one at ~/.kube/config");
    return resolve(&files, options, out, err);
}

int kube_config_parse(const char *text, size_t len, const char *dir,
                      const struct kube_config_options *options, struct kube_config **out,
                      struct err *err)
{
    cleanup_kubeconfig struct kubeconfig files = {NULL, 0};

    if (kubeconfig_add(&files, "kubeconfig", dir, text, len, err) < 0)
        return -1;
    return resolve(&files, options, out, err);
}

/* ---- in a pod (https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/) ---- */

static char *pod_path(const char *dir, const char *name)
{
    struct str path = STR_INIT;

    str_printf(&path, "%s/%s", dir, name);
    return str_steal(&path);
}

/* A namespace is not always given (the volume may be made by hand). */
static char *pod_namespace(const char *dir)
{
    cleanup_free char *path = pod_path(dir, "namespace");
    cleanup_str struct str text = STR_INIT;
    struct err ignored;

    if (io_read_file(path, POD_FILE_MAX, &text, &ignored) < 0)
        return NULL;
    while (text.len && strchr(" \r\n\t", text.data[text.len - 1]))
        text.data[--text.len] = '\0';
    return text.len ? str_steal(&text) : NULL;
}

static int pod_ca(struct kube_config *config, const char *dir, struct err *err)
{
    cleanup_str struct str text = STR_INIT;

    config->ca_file = pod_path(dir, "ca.crt");
    if (io_read_file(config->ca_file, POD_FILE_MAX, &text, err) < 0) {
        err->class = ERR_UNAVAILABLE; /* ERR_NOT_FOUND is for what is no pod */
        return err_wrap(err, "the certificate authority of the cluster");
    }
    if (!secret_is_pem(str_get(&text), "CERTIFICATE"))
        return err_set(err, ERR_UNAVAILABLE, "'%s' holds no certificate in PEM", config->ca_file);
    config->ca = str_steal(&text);
    return 0;
}

int kube_config_from_pod(const char *host, const char *port, const char *dir,
                         struct kube_config **out, struct err *err)
{
    struct kube_config *config;
    struct str server = STR_INIT;

    if (!host || !*host || !port || !*port)
        return err_set(err, ERR_NOT_FOUND,
                       "this is not a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are "
                       "not set; name a kubeconfig with --kubeconfig");
    config = new_config();
    str_printf(&server, strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host, port);
    config->server = str_steal(&server);
    config->token_file = pod_path(dir, "token");
    if (access(config->token_file, F_OK) < 0) {
        err_errno(
            err, ERR_UNAVAILABLE, errno,
            "the pod has no service account token '%s'; set automountServiceAccountToken: true",
            config->token_file);
        kube_config_free(config);
        return -1;
    }
    if (pod_ca(config, dir, err) < 0) {
        kube_config_free(config);
        return -1;
    }
    config->namespace = pod_namespace(dir);
    *out = config;
    return 0;
}

int kube_config_in_cluster(struct kube_config **out, struct err *err)
{
    return kube_config_from_pod(getenv("KUBERNETES_SERVICE_HOST"),
                                getenv("KUBERNETES_SERVICE_PORT"), pod_dir, out, err);
}
