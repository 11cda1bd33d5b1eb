/* SPDX-License-Identifier: Apache-2.0 */
/* The export that a download is from, made for it and deleted after. */
#pragma once

#include "api/exports.h"

/* What was made for this download. */
struct download_export {
    bool created;
    struct json *object;
    char *snapshot;
    char *uid; /* of the export that was downloaded */
};

/* Makes the export, with --snapshot-first the snapshot too; one of the same source that is there is
 * used. */
int download_make(struct exports *exports, const struct options *options,
                  struct option_source source, struct download_export *made, struct err *err);
/* After success: deletes it, if it was made, or --delete-vme wants it. */
int download_clean_up(struct exports *exports, const struct options *options,
                      const struct download_export *made, struct err *err);
/* After failure: says that it is there, and how to go on. */
void download_tell_kept(const struct options *options, const struct download_export *made,
                        const char *ns);
void download_export_free(struct download_export *made);
