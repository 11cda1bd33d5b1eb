/* SPDX-License-Identifier: Apache-2.0 */
/* The URLs of an export, as its status and its manifests give them. */
#pragma once

#include "source.h"

/* "https://SERVICE.NAMESPACE.svc": what internal URLs begin with. */
const char *links_internal_base(struct world *world, const char *service);
/* "https://HOST/api/GROUP/v1/namespaces/NS/virtualmachineexports/NAME"; NULL: no way in. */
const char *links_external_base(struct world *world);

/* status.links of an export that can be downloaded. */
struct json *links_make(struct world *world, const struct source *source, const char *service);
