/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller's settings: flags, or a YAML file (--config) whose keys are the flags' names; a
 * flag beats the file. Read once at start and then read only.
 */
#pragma once

#include "base/json.h"
#include "export/names.h"

#include <stdbool.h>
#include <stdint.h>

/* Whose certificate clients see at `external_host` where no Ingress or Route tells. */
enum external_trust { TRUST_SYSTEM, TRUST_PROXY };
enum external_mode { EXTERNAL_NONE, EXTERNAL_PROXY, EXTERNAL_DIRECT };

struct settings {
    /* the cluster */
    const char *kubeconfig; /* NULL: in a cluster, the service account's */
    const char *context;
    const char *api_group;
    const char *namespace_; /* the controller's own: CA, lease, Ingress to the proxy */
    const char *cluster_domain;
    const char *owner;                /* NULL: its own objects stay */
    const struct names_scheme *names; /* of api_group */

    /* export pods */
    const char *image;
    const char *image_pull_policy;
    const struct json *image_pull_secrets; /* names */
    const struct json *resources;
    const struct json *node_selector;
    const struct json *tolerations;
    const struct json *affinity;
    const struct json *pod_annotations;
    const struct json *pod_labels;
    const char *priority_class;
    int run_as_user, run_as_group;
    int fs_group; /* -1: none, the default: it would change the volume's files */

    /* ways in from outside */
    enum external_mode external;
    const char *external_host;
    const char *proxy_service;
    const char *proxy_certificate; /* the Secret of it; "": not made */
    enum external_trust trust;
    const char *ingress_class;
    const char *ingress_tls_secret;
    const struct json *ingress_annotations;

    /* times, in seconds */
    int64_t default_ttl;
    int64_t certificate_duration;
    int64_t ca_duration;
    int64_t ca_publish; /* how long a new CA is in the bundle before it signs */

    /* the daemon */
    int workers;
    const char *health_address;
    const char *identity;
    int64_t lease_duration, lease_renew, lease_retry;
    const char *log_format;

    struct json *values; /* owns every text and tree above */
};

/* Fills `settings` from the command line; prints --help or --version itself and says so by 1.
 * ERR_INPUT names the flag, or the file, its line and key, and what is allowed there. */
int settings_load(int argc, char **argv, struct settings *settings, struct err *err);
/* From a tree of names and values, the rest by default; for tests. */
int settings_from(const struct json *values, struct settings *settings, struct err *err);
void settings_free(struct settings *settings);
