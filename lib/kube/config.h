/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the API server is and who we are to it: a kubeconfig
 * (https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/) or what a
 * pod is given. Certificates and keys are kept in memory; nothing is written to disk.
 *
 * A config is read once and does not change; what does change (tokens, an exec plugin's
 * certificates) comes from struct kube_auth (auth.h).
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* A credential plugin (client.authentication.k8s.io/v1, v1beta1). */
struct kube_exec {
    char *api_version;
    char **argv; /* the command and its arguments; NULL ends it */
    char **env;  /* "NAME=value" to add; NULL ends it */
    char *install_hint;
    char *cluster_info; /* the JSON of spec.cluster when provideClusterInfo asks for it */
    bool interactive;   /* it may use the terminal */
    bool needs_terminal;
};

struct kube_config {
    char *
        server; /* https://host:port or with a path, no '/' at its end; http:// as `kubectl proxy` */
    char *tls_server_name;
    char *proxy_url;
    char *ca;      /* PEM; NULL: the system's */
    char *ca_file; /* in a pod: read again when TLS fails, as the CA may rotate */
    bool insecure;
    char *namespace;                /* of the context; NULL when it names none */
    char *client_cert, *client_key; /* PEM */
    char *token;
    char *token_file; /* read again each minute: beats `token` */
    char *username, *password;
    char *impersonate_user, *impersonate_uid;
    char **impersonate_groups;
    struct kube_exec *exec;
};

/* What the command line may choose; NULL: as the kubeconfig says. */
struct kube_config_options {
    const char *path; /* one file; NULL: the list in KUBECONFIG, else ~/.kube/config */
    const char *context;
    const char *cluster;
    const char *user;
};

/* Several files are merged as kubectl does: the first that sets a name wins. ERR_NOT_FOUND when there
 * is none (the one at `path`, or any of the list); what is wrong within one is ERR_INPUT. */
int kube_config_load(const struct kube_config_options *options, struct kube_config **out,
                     struct err *err);

/* From the service account that a pod is given; ERR_NOT_FOUND outside of one, ERR_UNAVAILABLE in one
 * that lacks the files. */
int kube_config_in_cluster(struct kube_config **out, struct err *err);

/* One kubeconfig's text; relative paths in it are below `dir`. For fuzzing and tests, too. */
int kube_config_parse(const char *text, size_t len, const char *dir,
                      const struct kube_config_options *options, struct kube_config **out,
                      struct err *err);

/* What a command line says over it, as kubectl's flags of these names do; NULL: nothing. */
struct kube_config_override {
    const char *server, *tls_server_name, *proxy_url;
    const char *certificate_authority, *client_certificate, *client_key; /* paths of PEM files */
    const char *token, *username, *password;
    const char *as, *as_uid;
    const char *const *as_groups;
    size_t as_group_count;
    bool insecure;
};

/*
 * Puts that over `*config`, in place. NULL there: no kubeconfig is, and it becomes one of what the
 * override says alone, which needs a server. Who names a credential means to be that user: none of
 * the kubeconfig's is used then. ERR_INPUT, with the flag; `*config` is to be freed all the same.
 */
int kube_config_override(struct kube_config **config, const struct kube_config_override *override,
                         struct err *err);

void kube_config_free(struct kube_config *config);
