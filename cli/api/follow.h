/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One object as it changes: by WATCH, and by a GET a second as long as there is none (its RBAC rights
 * are more than `virtctl` asks for). Cuts and outdated versions are dealt with (kube/reflector.h).
 */
#pragma once

#include "api/cluster.h"

struct follow;

/* Of the cluster's namespace. `resource`, `name` and `cluster` must outlive it. */
struct follow *follow_new(struct cluster *cluster, const struct kube_resource *resource,
                          const char *name);
void follow_free(struct follow *follow);

enum follow_news { FOLLOW_FAILED = -1, FOLLOW_NOTHING, FOLLOW_STATE };

/*
 * Waits until the object is another than the last time, or until `until` (clock_ms). At first it is
 * told as it is. FOLLOW_STATE: `*object`, which the caller frees, or NULL: there is none.
 * FOLLOW_FAILED: it was interrupted (ERR_IO), or may not be read (ERR_FORBIDDEN); at first whatever a
 * GET fails with, later such a failure is waited out.
 */
enum follow_news follow_next(struct follow *follow, uint64_t until, struct json **object,
                             struct err *err);
