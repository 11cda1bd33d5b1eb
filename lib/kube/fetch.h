/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One GET over HTTPS from a server that is no API server: by an address of its own, with a
 * certificate of a CA of one's own. No credential is sent, no proxy or redirection is followed.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdatomic.h>
#include <stddef.h>

struct kube_fetch {
    const char *host;    /* that the certificate has to be for */
    const char *address; /* where to connect: an IPv4 or IPv6 address, nothing else is taken */
    unsigned port;
    const char *path;
    const char *accept;          /* a whole header line */
    const char *ca;              /* PEM: only these are trusted */
    unsigned connect_timeout_ms; /* with the handshake */
    unsigned timeout_ms;         /* of the whole */
    size_t max;                  /* bytes of the body */
    atomic_bool *cancelled;      /* true ends it within a second */
};

/*
 * Appends the body of a 200 answer. ERR_INPUT: the address is none; ERR_LIMIT: the body is too long;
 * ERR_UNAVAILABLE: no whole answer, or one with another code. Needs SIGPIPE blocked or ignored.
 * Thread-safe.
 */
int kube_fetch(const struct kube_fetch *fetch, struct str *body, struct err *err);
