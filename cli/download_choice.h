/* SPDX-License-Identifier: Apache-2.0 */
/* Which of an export's links is downloaded. */
#pragma once

#include "reach.h"
#include "transfer/fetch.h"

/* What of a volume's formats is taken for --format, the best first. */
struct choice {
    const char *format;
    enum fetch_mode mode;
    bool several; /* only by --connections */
};

/* What is downloaded; once chosen it stays so, whatever the export offers later. */
struct wanted {
    const struct choice *choice;
    char *volume; /* the caller frees */
};

/* For reach_choose, with a struct wanted. ERR_NOT_FOUND: no such volume or format, with those that
 * there are. */
int download_choose_volume(struct reach *reach, const struct json *links, struct err *err);
int download_choose_oci(struct reach *reach, const struct json *links, struct err *err);
