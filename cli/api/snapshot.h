/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KubeVirt's snapshots of a VirtualMachine, which can be exported while the machine runs
 * (https://kubevirt.io/user-guide/storage/snapshot_restore_api/): made for one export, and deleted
 * with it.
 */
#pragma once

#include "api/cluster.h"

/*
 * Makes one of the VirtualMachine `vm`, called after `name`, and waits until it is ready to use;
 * `*snapshot` is its name, which the caller frees. ERR_NOT_FOUND: there is no such machine, or no
 * KubeVirt; ERR_UNAVAILABLE: it failed, or took longer. After a failure there is none.
 */
int snapshot_make(struct cluster *cluster, const char *vm, const char *name, uint64_t timeout_ms,
                  char **snapshot, struct err *err);
/* Makes `object`, an export, its owner: the snapshot is then collected when the export goes. */
int snapshot_own(struct cluster *cluster, const char *snapshot, const struct json *object,
                 struct err *err);
/* Also when an interrupt came. One that is not there any more is fine. */
int snapshot_delete(struct cluster *cluster, const char *snapshot, struct err *err);
