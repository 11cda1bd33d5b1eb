/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a context means. Refused is what kubectl refuses (client-go, tools/clientcmd/validation.go),
 * and what this program could not honour.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "kube/kubeconfig.h"
#include "kube/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PEM_MAX = 1024 * 1024 };

/* Copies the text of a key. */
static int take_text(const struct kubeconfig_entry *entry, const char *key, char **out,
                     struct err *err)
{
    const char *text;

    if (kubeconfig_text(entry, key, &text, err) < 0)
        return -1;
    *out = secret_copy(text);
    return 0;
}

/* ---- certificates and keys ---- */

/* What KEY names a file for and KEY-data holds itself: not both. NULL when there is neither. */
static int take_pem(const struct kubeconfig_entry *entry, const char *key, const char *label,
                    char **out, struct err *err)
{
    cleanup_secret struct str text = STR_INIT;
    cleanup_free char *absolute = NULL;
    const char *path, *data;
    char data_key[64];

    snprintf(data_key, sizeof(data_key), "%s-data", key);
    if (kubeconfig_text(entry, key, &path, err) < 0 ||
        kubeconfig_text(entry, data_key, &data, err) < 0)
        return -1;
    if (path && data)
        return kubeconfig_refuse(entry, err, "both %s and %s are given; leave one out", key,
                                 data_key);
    if (data && !(*out = secret_from_base64(data)))
        return kubeconfig_refuse(entry, err, "%s is no valid base64", data_key);
    if (path) {
        absolute = kubeconfig_path(entry, path);
        if (io_read_file(absolute, PEM_MAX, &text, err) < 0) {
            err->class = ERR_INPUT; /* ERR_NOT_FOUND is for a kubeconfig that is not there */
            return err_wrap(err, "%s '%s' in '%s': %s", entry->kind, entry->name, entry->file->path,
                            key);
        }
        *out = secret_copy(str_get(&text));
    }
    if (*out && !secret_is_pem(*out, label))
        return kubeconfig_refuse(entry, err, "%s holds no %s in PEM", path ? key : data_key, label);
    return 0;
}

/* ---- what the context means ---- */

static bool is_url(const char *url, const char *const *schemes)
{
    for (; *schemes; schemes++) {
        size_t len = strlen(*schemes);

        if (strncasecmp(url, *schemes, len) == 0 && url[len] && url[len] != '/')
            break;
    }
    return *schemes && !url[strspn(url, "!#$%&'()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "[]_abcdefghijklmnopqrstuvwxyz~")];
}

/* Without what may not be in a server's. */
static bool is_http_url(const char *url)
{
    static const char *const schemes[] = {"https://", "http://", NULL};

    return is_url(url, schemes);
}

bool kubeconfig_is_server(const char *url)
{
    return is_http_url(url) && !strpbrk(url, "?#@");
}

bool kubeconfig_is_proxy(const char *url)
{
    static const char *const schemes[] = {"http://", "https://", "socks5://", NULL};

    return is_url(url, schemes);
}

static int take_cluster(const struct kubeconfig_entry *cluster, struct kube_config *out,
                        struct err *err)
{
    if (take_text(cluster, "server", &out->server, err) < 0 ||
        take_text(cluster, "tls-server-name", &out->tls_server_name, err) < 0 ||
        take_text(cluster, "proxy-url", &out->proxy_url, err) < 0 ||
        kubeconfig_bool(cluster, "insecure-skip-tls-verify", &out->insecure, err) < 0 ||
        take_pem(cluster, "certificate-authority", "CERTIFICATE", &out->ca, err) < 0)
        return -1;
    if (!out->server)
        return kubeconfig_refuse(cluster, err, "it has no server");
    if (!is_http_url(out->server))
        return kubeconfig_refuse(cluster, err, "its server is no URL that can be used here");
    if (out->proxy_url && !kubeconfig_is_proxy(out->proxy_url))
        return kubeconfig_refuse(cluster, err, "its proxy-url is no URL that can be used here");
    if (!kubeconfig_is_server(out->server))
        return kubeconfig_refuse(cluster, err,
                                 "its server must be https://HOST:PORT or with a path");
    if (out->insecure && out->ca)
        return kubeconfig_refuse(cluster, err,
                                 "insecure-skip-tls-verify and a certificate-authority are both "
                                 "given; leave one out");
    for (size_t len = strlen(out->server); out->server[len - 1] == '/'; len--)
        out->server[len - 1] = '\0';
    return 0;
}

static int take_impersonation(const struct kubeconfig_entry *user, struct kube_config *out,
                              struct err *err)
{
    if (take_text(user, "as", &out->impersonate_user, err) < 0 ||
        take_text(user, "as-uid", &out->impersonate_uid, err) < 0 ||
        kubeconfig_texts(user, "as-groups", &out->impersonate_groups, err) < 0)
        return -1;
    if (json_get(user->value, "as-user-extra"))
        return kubeconfig_refuse(user, err, "as-user-extra is not supported");
    if (!out->impersonate_user && (out->impersonate_uid || out->impersonate_groups))
        return kubeconfig_refuse(user, err, "as-uid and as-groups need 'as', the user's name");
    return 0;
}

static int take_credentials(const struct kubeconfig_entry *user, struct kube_config *out,
                            struct err *err)
{
    const char *token_file;

    if (take_text(user, "token", &out->token, err) < 0 ||
        kubeconfig_text(user, "tokenFile", &token_file, err) < 0 ||
        take_text(user, "username", &out->username, err) < 0 ||
        take_text(user, "password", &out->password, err) < 0 ||
        take_pem(user, "client-certificate", "CERTIFICATE", &out->client_cert, err) < 0 ||
        take_pem(user, "client-key", "PRIVATE KEY", &out->client_key, err) < 0)
        return -1;
    if (token_file)
        out->token_file = kubeconfig_path(user, token_file);
    if (out->token && !secret_is_bearer(out->token))
        return kubeconfig_refuse(user, err, "its token has characters that no token has");
    if ((out->token || out->token_file) && (out->username || out->password))
        return kubeconfig_refuse(user, err, "a token and a password are both given; leave one out");
    if (!out->client_cert != !out->client_key)
        return kubeconfig_refuse(user, err,
                                 "client-certificate and client-key are only of use together");
    return 0;
}

static int take_user(const struct kubeconfig_entry *user, const struct kubeconfig_entry *cluster,
                     struct kube_config *out, struct err *err)
{
    const struct json *provider = json_get(user->value, "auth-provider");

    if (provider && json_kind(provider) != JSON_NULL)
        return kubeconfig_refuse(user, err,
                                 "auth-provider was removed from Kubernetes in 1.26; use an exec "
                                 "plugin, such as gke-gcloud-auth-plugin or kubelogin");
    if (take_credentials(user, out, err) < 0 || take_impersonation(user, out, err) < 0)
        return -1;
    return kubeconfig_exec(user, cluster, out, &out->exec, err);
}

/* The name of the context: the first file that says one decides. */
static int current_context(const struct kubeconfig *config, const char **out, struct err *err)
{
    for (size_t i = 0; i < config->count; i++) {
        struct kubeconfig_entry root = {config->file[i].root, &config->file[i], "kubeconfig",
                                        config->file[i].path};

        if (kubeconfig_text(&root, "current-context", out, err) < 0)
            return -1;
        if (*out)
            return 0;
    }
    return 0;
}

int kubeconfig_resolve(const struct kubeconfig *config, const struct kube_config_options *options,
                       struct kube_config *out, struct err *err)
{
    const char *name = options->context, *cluster_name = NULL, *user_name = NULL;
    struct kubeconfig_entry context, cluster, user;

    if (!name && current_context(config, &name, err) < 0)
        return -1;
    if (name && (kubeconfig_find(config, "context", name, &context, err) < 0 ||
                 kubeconfig_text(&context, "cluster", &cluster_name, err) < 0 ||
                 kubeconfig_text(&context, "user", &user_name, err) < 0 ||
                 take_text(&context, "namespace", &out->namespace, err) < 0))
        return -1;
    cluster_name = options->cluster ? options->cluster : cluster_name;
    user_name = options->user ? options->user : user_name;
    if (!name && !cluster_name)
        return err_set(err, ERR_INPUT,
                       "the kubeconfig has no current-context: name a context with --context, or "
                       "set one with `kubectl config use-context NAME`");
    if (!cluster_name)
        return kubeconfig_refuse(&context, err, "it names no cluster");
    if (kubeconfig_find(config, "cluster", cluster_name, &cluster, err) < 0 ||
        take_cluster(&cluster, out, err) < 0)
        return -1;
    if (!user_name)
        return 0; /* anonymous */
    return kubeconfig_find(config, "user", user_name, &user, err) < 0
               ? -1
               : take_user(&user, &cluster, out, err);
}
