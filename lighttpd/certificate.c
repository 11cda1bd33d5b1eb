/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files are looked at before they are loaded: a change in between is found by the next look.
 * One mismatch in time remains, the server reading the files after this check; a server that then
 * cannot start leaves the old one in place (web.c).
 */
#include "certificate.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void cleanup_ctx(SSL_CTX **ctx)
{
    SSL_CTX_free(*ctx);
}

/* A key with a passphrase cannot be used, and must not make a server wait for one to be typed. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
    (void)buf, (void)size, (void)writing, (void)arg;
    return 0;
}

static int openssl_error(struct err *err, const char *what, const char *file)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());

    err_set(err, ERR_INPUT, "cannot use the %s in '%s': %s", what, file,
            reason ? reason : "unknown reason");
    ERR_clear_error();
    return -1;
}

static void set_not_after(struct certificate *certificate, const X509 *leaf)
{
    struct tm tm;

    if (!ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm) ||
        !strftime(certificate->not_after, sizeof(certificate->not_after), "%Y-%m-%dT%H:%M:%SZ",
                  &tm))
        snprintf(certificate->not_after, sizeof(certificate->not_after), "an unknown time");
}

static int load(struct certificate *certificate, struct err *err)
{
    __attribute__((cleanup(cleanup_ctx))) SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (!ctx)
        return err_set(err, ERR_SYSTEM, "cannot set up OpenSSL");
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(ctx, certificate->cert_file) != 1)
        return openssl_error(err, "certificate", certificate->cert_file);
    if (SSL_CTX_use_PrivateKey_file(ctx, certificate->key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1)
        return openssl_error(err, "key", certificate->key_file);
    set_not_after(certificate, SSL_CTX_get0_certificate(ctx));
    return 0;
}

/* Looks at one file, through symbolic links; whether it is another than the one seen before. */
static int changed(const char *file, struct stat *seen)
{
    struct stat now;
    int other;

    if (stat(file, &now) < 0)
        memset(&now, 0, sizeof(now));
    other = now.st_dev != seen->st_dev || now.st_ino != seen->st_ino ||
            now.st_size != seen->st_size || now.st_mtim.tv_sec != seen->st_mtim.tv_sec ||
            now.st_mtim.tv_nsec != seen->st_mtim.tv_nsec ||
            now.st_ctim.tv_sec != seen->st_ctim.tv_sec ||
            now.st_ctim.tv_nsec != seen->st_ctim.tv_nsec;
    *seen = now;
    return other;
}

void certificate_init(struct certificate *certificate, const char *cert_file, const char *key_file)
{
    *certificate = (struct certificate){.cert_file = cert_file, .key_file = key_file};
    /* No file has this size: the first look finds a change, even of a file that is not there. */
    certificate->seen[0].st_size = -1;
}

int certificate_poll(struct certificate *certificate, struct err *err)
{
    int other = changed(certificate->cert_file, &certificate->seen[0]);

    other |= changed(certificate->key_file, &certificate->seen[1]);
    if (!other)
        return 0;
    return load(certificate, err) < 0 ? -1 : 1;
}
