/* SPDX-License-Identifier: Apache-2.0 */
/* The way in from outside, as the cache knows it: external.h, with the objects and Secrets to it. */
#pragma once

#include "cache.h"
#include "kube/client.h"

/*
 * Fills external_host and external_cert of `around`, whose ca_bundle is there already. `*next` is
 * lowered to when to look again. What keeps links from having the certificate that an Ingress has is
 * appended to `trouble`, with the remedy.
 */
void way_in_find(struct kube_conn *conn, struct cache *cache, struct surroundings *around,
                 time_t now, time_t *next, struct str *trouble);
