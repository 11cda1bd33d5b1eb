/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a download comes from. URL, certificate and token are as they are now: an export's pod may be
 * replaced and its certificate be renewed in mid-download, and then `refresh` reads them anew.
 */
#pragma once

#include "transfer/http.h"

struct source {
    struct http_peer peer;
    const char *url;      /* of the format that is downloaded */
    const char *size_url; /* of the raw disk, whose length is that of the content; NULL */

    /*
     * Reads the export anew, and waits until it is Ready. ERR_PEER when that cannot be said now (the
     * API server does not answer): go on with what there is. Any other error: there will be no more.
     * Not from two threads at once.
     */
    int (*refresh)(struct source *source, struct err *err);
};
