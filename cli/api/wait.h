/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting until an export can be downloaded, by WATCH. Each reason that it waits for is said once. It
 * ends at once when waiting is of no use: Skipped, Terminated, a source that still isn't there after
 * three seconds (unless --wait-for-source), no way in.
 */
#pragma once

#include "api/exports.h"
#include "api/links.h"

struct wait_options {
    enum links_side side; /* of the links that are needed */
    bool need_service;    /* status.serviceName is needed, too */
    bool must_exist;      /* an export that isn't there is an error at once */
    bool wait_for_source;
    uint64_t timeout_ms;
};

/*
 * `*object` is the Ready export, the caller frees. ERR_NOT_FOUND: there is none, its source is
 * missing; ERR_UNAVAILABLE: not Ready in time, or never will be: cause and remedy. ERR_FORBIDDEN.
 * With side LINKS_EXTERNAL and no external links once it is Ready: ERR_LIMIT, so that the caller can
 * try another way in.
 */
int wait_ready(struct exports *exports, const char *name, const struct wait_options *options,
               struct json **object, struct err *err);
