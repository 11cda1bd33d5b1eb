/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the command line says. Texts belong to argv or are literals: nothing of it is freed. Read by
 * options.c by the table of flags (flags.h), which also says what each is for; not changed after.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum command {
    COMMAND_NONE, /* only --help or --version */
    COMMAND_CREATE,
    COMMAND_DELETE,
    COMMAND_DOWNLOAD,
    COMMAND_LIST,
    COMMAND_STATUS,
    COMMAND_SERVE,
    COMMAND_COMPLETION,
    COMMAND_MAN,
};

enum { OPTION_TEXTS_MAX = 64 };

/* A flag that may come more than once. */
struct texts {
    const char *text[OPTION_TEXTS_MAX];
    size_t count;
};

/* --format, after it was checked. */
enum option_format { OPTION_FORMAT_GZIP, OPTION_FORMAT_RAW, OPTION_FORMAT_OCI };

struct options {
    enum command command;
    const char *name; /* the export's; the shell's of `completion`; NULL */
    bool help, version;

    /* the source: at most one of them */
    const char *vm, *snapshot, *pvc, *vmtemplate;

    /* create */
    struct texts labels, annotations; /* each "key=value" */
    uint64_t ttl_s;                   /* 0: the server's default */

    /* download */
    const char *output; /* a path or "-"; NULL: stdout, for manifests only */
    const char *volume;
    enum option_format format;
    bool keep_vme, delete_vme;
    bool manifest, include_secret, manifest_json;
    const char *manifest_namespace; /* to make the machine in; NULL: where it was */
    bool insecure;
    const char *service_url; /* host[:port] */
    bool port_forward;
    unsigned local_port; /* 0: none */
    unsigned retry;      /* tries in a row without progress; 10 unless set */
    uint64_t readiness_timeout_ms;
    bool wait_for_source, snapshot_first;
    unsigned connections; /* 1 unless set */
    bool sha256;          /* --checksum=sha256 rather than crc32 */

    /* list, status */
    bool all_namespaces, json; /* --all-namespaces; --output=json */

    /* serve */
    const char *disk, *dir; /* at least one */
    const char *listen;     /* as base/listener.h; "127.0.0.1:8443" unless set */

    const char *api_group; /* NULL: whichever the cluster serves */
    bool quiet;

    /* kubectl's */
    const char *kubeconfig, *namespace, *context, *cluster, *user, *server, *token;
    const char *as, *as_uid, *certificate_authority, *client_certificate, *client_key;
    const char *tls_server_name, *proxy_url, *username, *password;
    struct texts as_group;
    bool insecure_skip_tls_verify;
    unsigned request_timeout_s; /* 0: 30 */
};

/* Reads the command line. ERR_INPUT, with what is wrong and what is allowed, for one that cannot be
 * meant. `options` is whole also after an error as far as it was read. */
int options_parse(int argc, char **argv, struct options *options, struct err *err);

/* The kind of object that the source flag names, for spec.source; NULL when there is none. */
struct option_source {
    const char *flag; /* "--vm" */
    const char *group, *kind, *name;
};
const struct option_source *options_source(const struct options *options,
                                           struct option_source *out);
