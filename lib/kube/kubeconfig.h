/* SPDX-License-Identifier: Apache-2.0 */
/* Private to config.c: what a kubeconfig's text says. */
#pragma once

#include "base/json.h"
#include "kube/config.h"

/* The files in the order of their precedence. */
struct kubeconfig {
    struct kubeconfig_file {
        char *path; /* for messages */
        char *dir;  /* relative paths begin here */
        struct json *root;
    } * file;
    size_t count;
};

/* Adds a file; its text is parsed and checked to be a kubeconfig. text[len] must be NUL. */
int kubeconfig_add(struct kubeconfig *config, const char *path, const char *dir, const char *text,
                   size_t len, struct err *err);
void kubeconfig_free(struct kubeconfig *config);

/* Fills `out`, zero before, with what the chosen context means. The caller frees it, whatever comes
 * of this. */
int kubeconfig_resolve(const struct kubeconfig *config, const struct kube_config_options *options,
                       struct kube_config *out, struct err *err);

/*
 * A value within a kubeconfig, and how it is called in messages: "user 'admin' in '/home/a/.kube/config'".
 */
struct kubeconfig_entry {
    const struct json *value; /* an object */
    const struct kubeconfig_file *file;
    const char *kind;
    const char *name;
};

/* What is called `name` in the list of `kind` ("context", "cluster", "user"): of the first file that
 * has it. */
int kubeconfig_find(const struct kubeconfig *config, const char *kind, const char *name,
                    struct kubeconfig_entry *out, struct err *err);

/* The text of a key; NULL when it is absent, null or empty. -1 when it is no text. */
int kubeconfig_text(const struct kubeconfig_entry *entry, const char *key, const char **out,
                    struct err *err);
int kubeconfig_bool(const struct kubeconfig_entry *entry, const char *key, bool *out,
                    struct err *err);
/* The texts of an array, ended by NULL; NULL when there is none. The caller frees all. */
int kubeconfig_texts(const struct kubeconfig_entry *entry, const char *key, char ***out,
                     struct err *err);
/* Raises an error about the entry; the message is put behind its name. */
int kubeconfig_refuse(const struct kubeconfig_entry *entry, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The path below the file's directory, unless it is absolute. The caller frees. */
char *kubeconfig_path(const struct kubeconfig_entry *entry, const char *path);

/* A user's credential plugin; `cluster` is what spec.cluster is made from (kubeconfig_exec.c). */
int kubeconfig_exec(const struct kubeconfig_entry *user, const struct kubeconfig_entry *cluster,
                    const struct kube_config *config, struct kube_exec **out, struct err *err);

/* Whether it can be used as the URL of an API server, without '?', '#' and '@'; of a proxy. */
bool kubeconfig_is_server(const char *url);
bool kubeconfig_is_proxy(const char *url);

/* Frees texts that are ended by NULL, and wipes them; NULL is fine. */
void kubeconfig_free_texts(char **texts);
void kubeconfig_free_exec(struct kube_exec *exec);

/* As kube_config_in_cluster, with what it finds in the environment and the file system. */
int kube_config_from_pod(const char *host, const char *port, const char *dir,
                         struct kube_config **out, struct err *err);
