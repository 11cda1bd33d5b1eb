/* SPDX-License-Identifier: Apache-2.0 */
/* The certificates of export pods and of the export proxy, in Secrets of type kubernetes.io/tls. */
#include "authority_internal.h"
#include "base/base64.h"

#include <string.h>

int authority_value(const struct json *secret, const char *key, struct str *out, struct err *err)
{
    const char *text = json_string(json_get(json_get(secret, "data"), key));

    if (text && base64_decode(text, out) < 0)
        return err_set(err, ERR_INPUT, "'%s' is no base64", key);
    if (strlen(str_get(out)) != out->len)
        return err_set(err, ERR_INPUT, "'%s' is no PEM text", key);
    return 0;
}

void authority_put(struct json *data, const char *key, const struct str *text)
{
    cleanup_wipe struct str encoded = STR_INIT;

    base64_encode(str_get(text), text->len, &encoded);
    json_set_string(data, key, str_get(&encoded));
}

void authority_put_pair(struct json *data, const char *cert_key, const char *key_key,
                        const struct pki_pair *pair)
{
    cleanup_wipe struct str key = STR_INIT;
    cleanup_str struct str cert = STR_INIT;

    str_puts(&cert, pki_pair_cert(pair)->pem);
    pki_pair_key(pair, &key);
    authority_put(data, cert_key, &cert);
    authority_put(data, key_key, &key);
}

time_t authority_renewal(time_t not_before, time_t not_after)
{
    return not_after - (not_after - not_before) / 3;
}

static bool names_are(const struct pki_cert *cert, const char *const *names, size_t count)
{
    if (cert->name_count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (strcmp(cert->names[i], names[i]) != 0)
            return false;
    return true;
}

static const struct pki_cert *trusted_issuer(const struct authority *authority,
                                             const struct pki_cert *cert)
{
    for (size_t i = 0; i < authority->trusted.count; i++)
        if (pki_issued_by(cert, &authority->trusted.cert[i]))
            return &authority->trusted.cert[i];
    return NULL;
}

/* A certificate that ends with the signer gets no longer by renewal: not before another signs. */
static time_t renewal_of(const struct authority *authority, const struct pki_cert *cert,
                         const struct pki_cert *issuer)
{
    if (issuer == &authority->trusted.cert[0] && cert->not_after >= issuer->not_after)
        return cert->not_after;
    return authority_renewal(cert->not_before, cert->not_after);
}

static const char *cert_stale(const struct authority *authority, const struct pki_cert *cert,
                              const char *const *names, size_t count, time_t now, time_t *next)
{
    const struct pki_cert *issuer;

    if (!names_are(cert, names, count))
        return "is for other names";
    issuer = trusted_issuer(authority, cert);
    if (!issuer)
        return "was signed by a CA that is no longer in use";
    *next = renewal_of(authority, cert, issuer);
    if (now >= *next)
        return "is due for renewal";
    if (cert->not_before > now)
        return "is not valid yet";
    return NULL;
}

const char *authority_leaf_stale(const struct authority *authority, const struct json *secret,
                                 const char *const *names, size_t count, time_t now, time_t *next)
{
    cleanup_str struct str cert = STR_INIT;
    cleanup_wipe struct str key = STR_INIT;
    struct pki_pair *pair;
    const char *why;
    struct err err;

    *next = now;
    if (authority_value(secret, "tls.crt", &cert, &err) < 0 ||
        authority_value(secret, "tls.key", &key, &err) < 0)
        return "cannot be read";
    if (!cert.len || !key.len)
        return "is missing";
    pair = pki_pair_parse(str_get(&cert), str_get(&key), &err);
    if (!pair)
        return "cannot be used with its key";
    why = cert_stale(authority, pki_pair_cert(pair), names, count, now, next);
    pki_pair_free(pair);
    return why;
}

struct json *authority_issue(const struct authority *authority, const char *const *names,
                             size_t count, const struct authority_settings *settings, time_t now,
                             struct err *err)
{
    cleanup_wipe struct str key = STR_INIT;
    cleanup_str struct str cert = STR_INIT;
    struct json *data;

    if (pki_issue(authority->signer, names, count, now, settings->leaf_duration, &cert, &key, err) <
        0)
        return NULL;
    data = json_new_object();
    authority_put(data, "tls.crt", &cert);
    authority_put(data, "tls.key", &key);
    return data;
}
