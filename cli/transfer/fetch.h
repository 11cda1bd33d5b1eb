/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One download: from a source to an output, whatever happens on the way. The bytes come by one
 * connection, or as ranges by several.
 *
 * After a break it goes on where it was, if the server's resource has a strong entity tag, as it then is
 * known whether it is still the same; else it starts again. A resource that has changed: it starts
 * again, and two states of a disk are never mixed.
 */
#pragma once

#include "transfer/output.h"
#include "transfer/progress.h"
#include "transfer/source.h"

enum fetch_mode {
    FETCH_PLAIN,   /* as it comes; goes on by Range */
    FETCH_UNPACK,  /* a gzip, unpacked; goes on by ?from= */
    FETCH_KEEP,    /* a gzip, checked and saved as it is; goes on by ?from= */
    FETCH_ARCHIVE, /* as FETCH_KEEP if it is a gzip, else as FETCH_PLAIN: nobody promised a gzip */
};

struct fetch {
    struct source *source;
    struct output *output;
    struct progress *progress;
    enum fetch_mode mode;
    unsigned connections; /* more than one: FETCH_PLAIN only */
    unsigned retry;       /* tries in a row without progress */
};

struct fetch_result {
    uint64_t size;      /* of the content */
    uint64_t bytes;     /* of what was written */
    uint32_t crc;       /* CRC-32 of the content */
    bool crc_verified;  /* the server gave one: a gzip's trailer */
    bool size_verified; /* by the server's length of the raw disk, or of the answer */
};

/*
 * Downloads all and finishes the output. On failure what may be gone on with later is kept
 * (output_keep), and `kept` true. ERR_PEER: connections broke too often; ERR_PRECONDITION: what came is
 * not what is there; ERR_FORBIDDEN, ERR_NOT_FOUND, ERR_UNAVAILABLE: as the server or the export says;
 * else the output failed. Interrupted: interrupt_came().
 */
int fetch_run(const struct fetch *fetch, struct fetch_result *result, bool *kept, struct err *err);
