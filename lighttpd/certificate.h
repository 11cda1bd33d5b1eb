/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches the server's certificate and key, which are replaced while the server runs: by Kubernetes
 * through a swapped symbolic link, by a person one file after the other. lighttpd reads the files
 * itself; here is only said when it should.
 */
#pragma once

#include "base/err.h"

#include <sys/stat.h>

struct certificate {
    const char *cert_file; /* PEM, the chain with the leaf first */
    const char *key_file;  /* PEM */
    struct stat seen[2];   /* both files when they were last looked at; zeros when not there */
    char not_after[32];    /* end of validity of the last pair that fits, ISO 8601 */
};

/* The strings stay the caller's. */
void certificate_init(struct certificate *certificate, const char *cert_file, const char *key_file);

/*
 * Whether there is a new pair since the last call (or since the start): 1 when there is one and its
 * halves fit together, 0 when nothing changed. Negative when what is there now is not a pair that
 * works; that is said once for each change.
 */
int certificate_poll(struct certificate *certificate, struct err *err);
