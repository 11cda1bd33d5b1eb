/* SPDX-License-Identifier: Apache-2.0 */
/* `vmexport download --manifest`: what makes the machine again elsewhere, to kubectl's taste. */
#pragma once

#include "api/exports.h"
#include "transfer/output.h"

/* All of it, or nothing: the output is only written once everything has come. */
int download_manifests(struct exports *exports, const struct options *options,
                       struct output *output, struct err *err);
