/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A user's `exec:`, of
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
 */
#include "base/base64.h"
#include "base/cleanup.h"
#include "kube/kubeconfig.h"
#include "kube/secret.h"

#include <stdlib.h>
#include <string.h>

static const char extension_name[] = "client.authentication.k8s.io/exec";

static const char *const versions[] = {"client.authentication.k8s.io/v1",
                                       "client.authentication.k8s.io/v1beta1"};

static const struct mode {
    const char *name;
    bool interactive, needs_terminal;
} modes[] = {{"Never", false, false}, {"IfAvailable", true, false}, {"Always", true, true}};

static int take_version(const struct kubeconfig_entry *exec, struct kube_exec *out, struct err *err)
{
    const char *version;

    if (kubeconfig_text(exec, "apiVersion", &version, err) < 0)
        return -1;
    if (!version)
        return kubeconfig_refuse(exec, err, "exec needs an apiVersion, such as %s", versions[0]);
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
        if (strcmp(version, versions[i]) == 0) {
            out->api_version = secret_copy(version);
            return 0;
        }
    return kubeconfig_refuse(exec, err,
                             "the exec plugin's apiVersion '%s' is not one of %s and %s; a newer "
                             "version of the plugin may know these",
                             version, versions[0], versions[1]);
}

/* v1beta1 came before interactiveMode, v1 has no default for it. */
static int take_mode(const struct kubeconfig_entry *exec, struct kube_exec *out, struct err *err)
{
    const char *mode;

    if (kubeconfig_text(exec, "interactiveMode", &mode, err) < 0)
        return -1;
    if (!mode && strcmp(out->api_version, versions[1]) == 0)
        mode = "IfAvailable";
    for (size_t i = 0; mode && i < sizeof(modes) / sizeof(modes[0]); i++)
        if (strcmp(mode, modes[i].name) == 0) {
            out->interactive = modes[i].interactive;
            out->needs_terminal = modes[i].needs_terminal;
            return 0;
        }
    return kubeconfig_refuse(exec, err,
                             "exec needs an interactiveMode: Never, IfAvailable or Always");
}

/* A command with a '/' is a path, below the kubeconfig's directory; else it is looked up in PATH. */
static int take_command(const struct kubeconfig_entry *exec, struct kube_exec *out, struct err *err)
{
    char **args = NULL;
    const char *command;
    size_t count = 0;

    if (kubeconfig_text(exec, "command", &command, err) < 0 ||
        kubeconfig_texts(exec, "args", &args, err) < 0)
        return -1;
    while (args && args[count])
        count++;
    out->argv = calloc(count + 2, sizeof(char *));
    if (!out->argv)
        abort();
    if (count)
        memcpy(out->argv + 1, args, count * sizeof(char *));
    free(args);
    /* The first is never NULL, so that the others are freed, too. */
    out->argv[0] = command && strchr(command, '/') ? kubeconfig_path(exec, command)
                                                   : secret_copy(command ? command : "");
    return command ? 0 : kubeconfig_refuse(exec, err, "exec needs a command");
}

static int take_variable(const struct kubeconfig_entry *variable, char **out, struct err *err)
{
    struct str text = STR_INIT;
    const char *name, *value;

    if (json_kind(variable->value) != JSON_OBJECT)
        return kubeconfig_refuse(variable, err, "exec.env must be a list of name and value");
    if (kubeconfig_text(variable, "name", &name, err) < 0 ||
        kubeconfig_text(variable, "value", &value, err) < 0)
        return -1;
    if (!name || strchr(name, '='))
        return kubeconfig_refuse(variable, err, "a variable of exec.env needs a name without '='");
    str_printf(&text, "%s=%s", name, value ? value : "");
    *out = str_steal(&text);
    return 0;
}

static int take_env(const struct kubeconfig_entry *exec, struct kube_exec *out, struct err *err)
{
    const struct json *array = json_get(exec->value, "env");
    size_t count = 0;

    if (!array || json_kind(array) == JSON_NULL)
        return 0;
    if (json_kind(array) != JSON_ARRAY)
        return kubeconfig_refuse(exec, err, "exec.env must be a list");
    out->env = calloc(json_count(array) + 1, sizeof(char *));
    if (!out->env)
        abort();
    for (const struct json *value = json_first(array); value; value = json_next(value)) {
        struct kubeconfig_entry variable = *exec;

        variable.value = value;
        if (take_variable(&variable, &out->env[count++], err) < 0)
            return -1;
    }
    return 0;
}

/* The configuration for plugins that a cluster may carry among its extensions. */
static const struct json *find_extension(const struct json *cluster)
{
    const struct json *array = json_get(cluster, "extensions");

    if (!array || json_kind(array) != JSON_ARRAY)
        return NULL;
    for (const struct json *item = json_first(array); item; item = json_next(item)) {
        const struct json *name = json_get(item, "name");

        if (name && json_string(name) && strcmp(json_string(name), extension_name) == 0)
            return json_get(item, "extension");
    }
    return NULL;
}

/* spec.cluster of an ExecCredential (client-authentication.v1). */
static char *cluster_info(const struct kubeconfig_entry *cluster, const struct kube_config *config)
{
    cleanup_json struct json *info = json_new_object();
    const struct json *extension = find_extension(cluster->value);
    const struct json *no_compression = json_get(cluster->value, "disable-compression");
    struct str text = STR_INIT;

    json_set_string(info, "server", config->server);
    if (config->tls_server_name)
        json_set_string(info, "tls-server-name", config->tls_server_name);
    if (config->insecure)
        json_set(info, "insecure-skip-tls-verify", json_new_bool(true));
    if (config->ca) {
        cleanup_str struct str data = STR_INIT;

        base64_encode(config->ca, strlen(config->ca), &data);
        json_set_string(info, "certificate-authority-data", str_get(&data));
    }
    if (config->proxy_url)
        json_set_string(info, "proxy-url", config->proxy_url);
    if (no_compression && json_bool(no_compression))
        json_set(info, "disable-compression", json_new_bool(true));
    if (extension)
        json_set(info, "config", json_copy(extension));
    json_print(info, 0, &text);
    return str_steal(&text);
}

int kubeconfig_exec(const struct kubeconfig_entry *user, const struct kubeconfig_entry *cluster,
                    const struct kube_config *config, struct kube_exec **out, struct err *err)
{
    struct kubeconfig_entry exec = *user;
    const char *hint;
    bool provide;

    exec.value = json_get(user->value, "exec");
    if (!exec.value || json_kind(exec.value) == JSON_NULL)
        return 0;
    if (json_kind(exec.value) != JSON_OBJECT)
        return kubeconfig_refuse(user, err, "exec must be a map");
    *out = calloc(1, sizeof(**out));
    if (!*out)
        abort();
    if (take_version(&exec, *out, err) < 0 || take_mode(&exec, *out, err) < 0 ||
        take_command(&exec, *out, err) < 0 || take_env(&exec, *out, err) < 0 ||
        kubeconfig_text(&exec, "installHint", &hint, err) < 0 ||
        kubeconfig_bool(&exec, "provideClusterInfo", &provide, err) < 0)
        return -1;
    (*out)->install_hint = secret_copy(hint);
    if (provide)
        (*out)->cluster_info = cluster_info(cluster, config);
    return 0;
}
