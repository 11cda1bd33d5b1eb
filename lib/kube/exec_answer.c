/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/json.h"
#include "kube/exec.h"
#include "kube/secret.h"

#include <string.h>

void kube_exec_answer_free(struct kube_exec_answer *answer)
{
    secret_free(answer->token);
    secret_free(answer->cert);
    secret_free(answer->key);
    *answer = (struct kube_exec_answer){0};
}

static int take_text(const struct json *object, const char *key, char **out, struct err *err)
{
    const struct json *value = json_get(object, key);

    if (!value || json_kind(value) == JSON_NULL)
        return 0;
    if (json_kind(value) != JSON_STRING)
        return err_set(err, ERR_INPUT, "its %s is no text", key);
    if (*json_string(value))
        *out = secret_copy(json_string(value));
    return 0;
}

static int check_head(const struct kube_exec *exec, const struct json *root, struct err *err)
{
    const struct json *kind = json_get(root, "kind"), *version = json_get(root, "apiVersion");

    if (!kind || !json_string(kind) || strcmp(json_string(kind), "ExecCredential") != 0)
        return err_set(err, ERR_INPUT, "it is no ExecCredential");
    if (!version || !json_string(version) || strcmp(json_string(version), exec->api_version) != 0)
        return err_set(err, ERR_INPUT,
                       "its apiVersion is not the one that the kubeconfig names, '%s'",
                       exec->api_version);
    return 0;
}

static int take_expiry(const struct json *status, struct kube_exec_answer *out, struct err *err)
{
    const struct json *expiry = json_get(status, "expirationTimestamp");

    if (!expiry || json_kind(expiry) == JSON_NULL)
        return 0;
    out->expires = true;
    return clock_parse(json_string(expiry), &out->expiry)
               ? 0
               : err_set(err, ERR_INPUT, "its expirationTimestamp is no RFC 3339 time");
}

static int take_answer(const struct kube_exec *exec, const struct json *root,
                       struct kube_exec_answer *out, struct err *err)
{
    const struct json *status = json_get(root, "status");

    if (check_head(exec, root, err) < 0)
        return -1;
    if (!status || json_kind(status) != JSON_OBJECT)
        return err_set(err, ERR_INPUT, "it has no status");
    if (take_text(status, "token", &out->token, err) < 0 ||
        take_text(status, "clientCertificateData", &out->cert, err) < 0 ||
        take_text(status, "clientKeyData", &out->key, err) < 0 || take_expiry(status, out, err) < 0)
        return -1;
    if (!out->cert != !out->key)
        return err_set(err, ERR_INPUT, "it has only one of certificate and key");
    if (!out->token && !out->cert)
        return err_set(err, ERR_INPUT, "it has neither a token nor a certificate and its key");
    if (out->token && !secret_is_bearer(out->token))
        return err_set(err, ERR_INPUT, "its token has characters that no token has");
    if (out->cert &&
        (!secret_is_pem(out->cert, "CERTIFICATE") || !secret_is_pem(out->key, "PRIVATE KEY")))
        return err_set(err, ERR_INPUT, "its certificate or its key is not in PEM");
    return 0;
}

int kube_exec_parse(const struct kube_exec *exec, const char *text, size_t len,
                    struct kube_exec_answer *out, struct err *err)
{
    cleanup_json struct json *root = json_parse(text, len, err);
    struct kube_exec_answer answer = {0};

    if (!root || take_answer(exec, root, &answer, err) < 0) {
        kube_exec_answer_free(&answer);
        return err_wrap(err, "the answer of the credential plugin '%s'", exec->argv[0]);
    }
    *out = answer;
    return 0;
}
