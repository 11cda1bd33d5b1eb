/* SPDX-License-Identifier: Apache-2.0 */
/* A kubeconfig is refused with a reason, or means something that can be used. */
#include "fuzz.h"
#include "kube/config.h"
#include "kube/secret.h"

static void check_exec(const struct kube_exec *exec)
{
    MUST(*exec->argv[0] && *exec->api_version);
    for (char **variable = exec->env; variable && *variable; variable++)
        MUST(strchr(*variable, '=') > *variable);
    MUST(!exec->needs_terminal || exec->interactive);
}

static void check(const struct kube_config *config)
{
    size_t len = strlen(config->server);

    MUST(strncasecmp(config->server, "http", 4) == 0 && config->server[len - 1] != '/');
    MUST(!strpbrk(config->server, " \r\n\t@"));
    MUST(!config->proxy_url || !strpbrk(config->proxy_url, " \r\n\t"));
    MUST(!config->ca || (!config->insecure && secret_is_pem(config->ca, "CERTIFICATE")));
    MUST(!config->client_cert == !config->client_key);
    MUST(!config->token || secret_is_bearer(config->token));
    MUST(!(config->token || config->token_file) || !(config->username || config->password));
    MUST(config->impersonate_user || !config->impersonate_groups);
    if (config->exec)
        check_exec(config->exec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct kube_config_options options = {NULL, NULL, "k", "u"};
    cleanup_str struct str text = STR_INIT;
    struct err err;

    str_append(&text, data, size);
    for (int i = 0; i < 2; i++) {
        struct kube_config *config = NULL;

        err = (struct err){.class = ERR_NONE};
        if (kube_config_parse(text.data, text.len, "/nonexistent", i ? &options : NULL, &config,
                              &err) < 0) {
            MUST(err.class == ERR_INPUT && *err.msg && !config);
            continue;
        }
        check(config);
        kube_config_free(config);
    }
    return 0;
}
