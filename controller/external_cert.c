/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which certificates a client should trust. Every step of the way up takes a certificate that was
 * not taken before, so it ends, whatever the names in it say.
 */
#include "base/cleanup.h"
#include "external.h"
#include "pki.h"

#include <stdlib.h>
#include <string.h>

/* The valid certificate that `fits` and expires last; the first of two that expire together. */
static const struct pki_cert *best(const struct pki_bundle *bundle, time_t now,
                                   bool (*fits)(const struct pki_cert *, const void *),
                                   const void *arg)
{
    const struct pki_cert *found = NULL;

    for (size_t i = 0; i < bundle->count; i++) {
        const struct pki_cert *cert = &bundle->cert[i];

        if (pki_valid_at(cert, now) && (!found || cert->not_after > found->not_after) &&
            fits(cert, arg))
            found = cert;
    }
    return found;
}

static bool is_for_host(const struct pki_cert *cert, const void *host)
{
    return pki_is_for(cert, host);
}

/* The chain so far, as a client walks it. */
struct chain {
    const struct pki_cert **cert;
    size_t count;
};

static bool continues(const struct pki_cert *cert, const void *arg)
{
    const struct chain *chain = arg;

    for (size_t i = 0; i < chain->count; i++)
        if (strcmp(chain->cert[i]->fingerprint, cert->fingerprint) == 0)
            return false;
    return pki_issued_by(chain->cert[chain->count - 1], cert);
}

static void append_chain(const struct pki_bundle *bundle, const struct pki_cert *leaf, time_t now,
                         struct str *out)
{
    struct chain chain = {calloc(bundle->count, sizeof(const struct pki_cert *)), 0};
    const struct pki_cert *cert = leaf;

    if (!chain.cert)
        abort();
    while (cert) {
        chain.cert[chain.count++] = cert;
        str_puts(out, cert->pem);
        cert = cert->self_issued ? NULL : best(bundle, now, continues, &chain);
    }
    free(chain.cert);
}

static void append_valid(const struct pki_bundle *bundle, time_t now, struct str *out)
{
    for (size_t i = 0; i < bundle->count; i++)
        if (pki_valid_at(&bundle->cert[i], now))
            str_puts(out, bundle->cert[i].pem);
}

/* The next time at which any of the certificates becomes valid or ceases to be; 0: never. */
static time_t change_after(const struct pki_bundle *bundle, time_t now)
{
    time_t next = 0;

    for (size_t i = 0; i < bundle->count; i++) {
        const struct pki_cert *cert = &bundle->cert[i];
        time_t change = now < cert->not_before ? cert->not_before : cert->not_after + 1;

        if (change > now && (!next || change < next))
            next = change;
    }
    return next;
}

int external_certificate(const char *pem, const char *host, time_t now, struct str *out,
                         time_t *next_change, struct err *err)
{
    __attribute__((cleanup(pki_bundle_free))) struct pki_bundle bundle = {0};
    cleanup_free char *name = external_name(host);
    cleanup_str struct str text = STR_INIT;
    const struct pki_cert *leaf;

    *next_change = 0;
    if (pki_bundle_parse(pem, &bundle, err) < 0)
        return -1;
    leaf = best(&bundle, now, is_for_host, name);
    if (leaf)
        append_chain(&bundle, leaf, now, &text);
    else
        append_valid(&bundle, now, &text);
    if (text.len) /* each text ends with a newline */
        str_append(out, text.data, text.len - 1);
    *next_change = change_after(&bundle, now);
    return 0;
}
