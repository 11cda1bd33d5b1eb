/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VirtualMachineExports in the API: found in whatever group and version the cluster serves
 * (export.vmexport.io, export.kubevirt.io; v1 before v1beta1 before v1alpha1), made with their token's
 * Secret, read, deleted. As `virtctl vmexport` makes and reads them.
 */
#pragma once

#include "api/cluster.h"

#include <stdbool.h>

#define EXPORTS_KIND "VirtualMachineExport"

enum { EXPORTS_GROUPS_MAX = 2 };

/* What the cluster serves, the one to create in first. */
struct exports {
    struct cluster *cluster;
    struct kube_resource group[EXPORTS_GROUPS_MAX];
    size_t count;
};

/* What a command does with them. */
typedef int exports_command_fn(struct exports *exports, const struct options *options,
                               struct err *err);
/* Opens the cluster, discovers, calls `command`, closes. */
int exports_run(const struct options *options, exports_command_fn *command, struct err *err);

/* ERR_NOT_FOUND: it serves none, with what to install. `api_group` NULL: all. */
int exports_discover(struct cluster *cluster, const char *api_group, struct exports *out,
                     struct err *err);

/* Finds NAME in the groups; `*resource` becomes where it is. ERR_NOT_FOUND: in none. In both:
 * ERR_INPUT, choose by --api-group. `object` may be NULL; else the caller frees. */
int exports_get(struct exports *exports, const char *name, const struct kube_resource **resource,
                struct json **object, struct err *err);

/* Makes, and says so, the export and the Secret of its token, which it owns ("secret-NAME"; one that is there
 * stays). ERR_PRECONDITION: an export of the name is there already, nothing was changed. `object`
 * may be NULL. */
int exports_create(struct exports *exports, const struct options *options,
                   const struct option_source *source, const char *name, struct json **object,
                   struct err *err);

/* Of this uid only, unless NULL. Says so, or `*was_there` is false: there is none, or another one,
 * which stays; that is said, too. */
int exports_delete(struct exports *exports, const char *name, const char *uid, bool *was_there,
                   struct err *err);

/* The token: of the Secret that the status names, else the spec. The caller frees by secret_free. */
int exports_token(struct exports *exports, const struct json *object, char **token,
                  struct err *err);
