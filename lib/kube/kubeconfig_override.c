/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubectl's flags over a kubeconfig (client-go, tools/clientcmd/client_config.go). One thing differs:
 * there a kubeconfig's certificate is presented beside a token of the command line, and wins.
 */
#include "base/io.h"
#include "kube/kubeconfig.h"
#include "kube/secret.h"

#include <stdlib.h>
#include <string.h>

enum { PEM_MAX = 1024 * 1024 };

/* ---- taking values over ---- */

static void put_text(char **out, const char *text)
{
    if (!text)
        return;
    secret_free(*out);
    *out = secret_copy(text);
}

static int put_pem(char **out, const char *flag, const char *path, const char *label,
                   struct err *err)
{
    cleanup_secret struct str text = STR_INIT;

    if (!path)
        return 0;
    if (io_read_file(path, PEM_MAX, &text, err) < 0) {
        err->class = ERR_INPUT;
        return err_wrap(err, "%s", flag);
    }
    if (!secret_is_pem(str_get(&text), label))
        return err_set(err, ERR_INPUT, "%s: '%s' holds no %s in PEM", flag, path, label);
    put_text(out, str_get(&text));
    return 0;
}

static char **copy_texts(const char *const *texts, size_t count)
{
    char **out = calloc(count + 1, sizeof(*out));

    if (!out)
        abort();
    for (size_t i = 0; i < count; i++)
        out[i] = secret_copy(texts[i]);
    return out;
}

/* ---- the cluster ---- */

static int put_server(struct kube_config *config, const struct kube_config_override *override,
                      struct err *err)
{
    if (override->server) {
        if (!kubeconfig_is_server(override->server))
            return err_set(err, ERR_INPUT,
                           "--server: '%s' is no URL of an API server; it must be "
                           "https://HOST:PORT or with a path",
                           override->server);
        put_text(&config->server, override->server);
        for (size_t len = strlen(config->server); config->server[len - 1] == '/'; len--)
            config->server[len - 1] = '\0';
        /* The kubeconfig's name was its own server's. */
        free(config->tls_server_name);
        config->tls_server_name = NULL;
    }
    put_text(&config->tls_server_name, override->tls_server_name);
    if (override->proxy_url && !kubeconfig_is_proxy(override->proxy_url))
        return err_set(err, ERR_INPUT,
                       "--proxy-url: that is no URL of a proxy; it must be "
                       "http://, https:// or socks5:// and HOST:PORT");
    put_text(&config->proxy_url, override->proxy_url);
    return 0;
}

static int put_trust(struct kube_config *config, const struct kube_config_override *override,
                     struct err *err)
{
    if (!override->certificate_authority && !override->insecure)
        return 0;
    if (override->certificate_authority && override->insecure)
        return err_set(err, ERR_INPUT,
                       "--certificate-authority and --insecure-skip-tls-verify are both given; "
                       "leave one out");
    config->insecure = override->insecure;
    free(config->ca);
    free(config->ca_file);
    config->ca = config->ca_file = NULL;
    return put_pem(&config->ca, "--certificate-authority", override->certificate_authority,
                   "CERTIFICATE", err);
}

/* ---- the user ---- */

static void drop_credentials(struct kube_config *config)
{
    char **const secrets[] = {&config->token,       &config->token_file, &config->username,
                              &config->client_cert, &config->client_key, &config->password};

    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        secret_free(*secrets[i]);
        *secrets[i] = NULL;
    }
    kubeconfig_free_exec(config->exec);
    config->exec = NULL;
}

static int put_credentials(struct kube_config *config, const struct kube_config_override *override,
                           struct err *err)
{
    if (!override->client_certificate != !override->client_key)
        return err_set(err, ERR_INPUT,
                       "--client-certificate and --client-key are only of use together");
    if (!override->token && !override->username && !override->password && !override->client_key)
        return 0;
    if (override->token && (override->username || override->password))
        return err_set(err, ERR_INPUT, "--token and --username are both given; leave one out");
    if (override->token && !secret_is_bearer(override->token))
        return err_set(err, ERR_INPUT, "--token has characters that no token has");
    drop_credentials(config);
    put_text(&config->token, override->token);
    put_text(&config->username, override->username);
    put_text(&config->password, override->password);
    return put_pem(&config->client_cert, "--client-certificate", override->client_certificate,
                   "CERTIFICATE", err) < 0
               ? -1
               : put_pem(&config->client_key, "--client-key", override->client_key, "PRIVATE KEY",
                         err);
}

static int put_impersonation(struct kube_config *config,
                             const struct kube_config_override *override, struct err *err)
{
    put_text(&config->impersonate_user, override->as);
    put_text(&config->impersonate_uid, override->as_uid);
    if (override->as_group_count) {
        kubeconfig_free_texts(config->impersonate_groups);
        config->impersonate_groups = copy_texts(override->as_groups, override->as_group_count);
    }
    if (!config->impersonate_user && (override->as_uid || override->as_group_count))
        return err_set(err, ERR_INPUT, "--as-uid and --as-group need --as, the user's name");
    return 0;
}

int kube_config_override(struct kube_config **config, const struct kube_config_override *override,
                         struct err *err)
{
    if (!*config && !override->server)
        return err_set(err, ERR_INPUT, "without a kubeconfig it needs --server");
    if (!*config && !(*config = calloc(1, sizeof(**config))))
        abort();
    if (put_server(*config, override, err) < 0 || put_trust(*config, override, err) < 0 ||
        put_credentials(*config, override, err) < 0)
        return -1;
    return put_impersonation(*config, override, err);
}
