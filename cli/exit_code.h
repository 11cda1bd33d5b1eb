/* SPDX-License-Identifier: Apache-2.0 */
/* What the program ends with, so that a script can tell failures apart (man page, "EXIT STATUS"). */
#pragma once

#include "base/err.h"

enum exit_code {
    EXIT_CODE_OK = 0,
    EXIT_CODE_FAILED = 1,       /* this machine's disk, the API server, anything else */
    EXIT_CODE_USAGE = 2,        /* the command line */
    EXIT_CODE_NOT_FOUND = 3,    /* the export, its source, a volume, a format */
    EXIT_CODE_NOT_READY = 4,    /* the export is not, or there is no way in */
    EXIT_CODE_DENIED = 5,       /* by the API server or by the export's */
    EXIT_CODE_TRANSFER = 6,     /* connections broke too often */
    EXIT_CODE_INTEGRITY = 7,    /* what came is not what is there: nothing was kept */
    EXIT_CODE_INTERRUPTED = 130 /* SIGINT; what came is kept for the next run */
};

/* By the class of an error (base/err.h): ERR_INPUT usage, ERR_NOT_FOUND, ERR_UNAVAILABLE not ready,
 * ERR_FORBIDDEN denied, ERR_PEER transfer, ERR_PRECONDITION integrity; the rest failed. */
enum exit_code exit_code_of(const struct err *err);
