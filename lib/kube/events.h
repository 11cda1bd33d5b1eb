/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events about objects (https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/),
 * with client-go's aggregation: the same event again raises the count of the first, more than ten
 * similar ones within ten minutes become one "(combined from similar events)", and one object
 * cannot have more than a burst of 25, refilled by one in five minutes.
 *
 * Best effort by nature: what cannot be written is counted and dropped. Thread-safe; written by a
 * thread of its own, so that nobody waits for an event.
 */
#pragma once

#include "kube/client.h"

struct kube_events;

/* `component` and `instance` are who reports (reportingComponent, reportingInstance). */
struct kube_events *kube_events_start(struct kube_client *client, const char *component,
                                      const char *instance, struct err *err);
/* Writes what is queued, for two seconds at most, and ends. */
void kube_events_stop(struct kube_events *events);

/* `about` has apiVersion, kind, metadata.{namespace,name,uid,resourceVersion}. `type` is Normal or
 * Warning, `reason` is CamelCase. */
void kube_events_add(struct kube_events *events, const struct json *about, const char *type,
                     const char *reason, const char *message);
unsigned long kube_events_dropped(struct kube_events *events);
