/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of a pod that runs here (local_pod_folder.c), and where the programs are
 * (local_pod_find.c). */
#pragma once

#include "serve/local_pod.h"

/* Replaces `path` by that of `name` in the folder. */
void local_pod_path(const struct local_pod *pod, const char *name, struct str *path);

/* Makes the folder, the token and what else the pod reads, for `pod->connect` and this host's name. */
int local_pod_fill(struct local_pod *pod, struct err *err);
/* Removes it, if there is one. */
void local_pod_remove(struct local_pod *pod);

/* Appends 128 random bits in hex. */
int local_pod_random(struct str *text, struct err *err);

/* Where the pod's program is: in VMEXPORT_LIBEXEC, or beside this program, which is in a build tree
 * (then `conf`, else left alone, is the configuration there) or installed. ERR_SYSTEM names all places
 * that it is not in. */
int local_pod_find(struct str *program, struct str *conf, struct err *err);
