/* SPDX-License-Identifier: Apache-2.0 */
/* The links of a Ready export: which URL serves what. Texts belong to the export's object. */
#pragma once

#include "base/json.h"
#include "base/str.h"

enum links_side { LINKS_EXTERNAL, LINKS_INTERNAL };

/* status.links.external or .internal; NULL when there is none. */
const struct json *links_of(const struct json *object, enum links_side side);
/* The PEM that the server is verified by; "" for the system's trust. */
const char *links_cert(const struct json *links);

/* The volume that --volume names; with NULL (or whatever, as virtctl) the only one. ERR_NOT_FOUND,
 * with the names that there are. */
int links_volume(const struct json *links, const char *name, const struct json **volume,
                 struct err *err);
/* The URL of a format ("raw", "gzip", "tar.gz", "dir"); NULL when it is not offered. */
const char *links_format(const struct json *volume, const char *format);
/* The URL of a manifest ("all", "auth-header-secret", "oci"); NULL. */
const char *links_manifest(const struct json *links, const char *type);
