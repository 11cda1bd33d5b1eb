/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/self_signed.h"
#include "base/cleanup.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

enum {
    DAYS = 30,
    DAY_S = 24 * 60 * 60,
    SKEW_S = 60 * 60,  /* clocks differ */
    SERIAL_BITS = 127, /* RFC 5280 §4.1.2.2: positive, 20 octets at most */
};

static int openssl_error(struct err *err)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());

    err_set(err, ERR_SYSTEM, "cannot make a certificate: %s", reason ? reason : "unknown reason");
    ERR_clear_error();
    return -1;
}

/* ---- what is in it ---- */

static bool is_address(const char *name)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

/* RFC 1123 §2.1; in OpenSSL's list a comma would begin another entry. */
static bool is_host(const char *name)
{
    return *name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")];
}

/* In the spelling of x509v3_config(5): "DNS:localhost,IP:127.0.0.1". */
static void list_names(struct str *list, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool address = is_address(names[i]);

        if (address || is_host(names[i]))
            str_printf(list, "%s%s:%s", list->len ? "," : "", address ? "IP" : "DNS", names[i]);
    }
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;
    bool ok;

    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ok = extension && X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
    return ok;
}

static bool set_serial(X509 *cert)
{
    BIGNUM *number = BN_new();
    bool ok = number && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ODD) &&
              BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));

    BN_free(number);
    return ok;
}

static bool fill(X509 *cert, EVP_PKEY *key, const char *names)
{
    X509_NAME *subject = X509_get_subject_name(cert);

    return X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                      (const unsigned char *)"vmexport serve", -1, -1, 0) &&
           X509_set_issuer_name(cert, subject) &&
           X509_gmtime_adj(X509_getm_notBefore(cert), -SKEW_S) &&
           X509_gmtime_adj(X509_getm_notAfter(cert), (long)DAYS * DAY_S) &&
           X509_set_pubkey(cert, key) &&
           add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(cert, NID_key_usage, "critical,digitalSignature") &&
           add_extension(cert, NID_ext_key_usage, "serverAuth") &&
           add_extension(cert, NID_subject_alt_name, names) && X509_sign(cert, key, EVP_sha256());
}

/* ---- files ---- */

/* For writing, with that mode from the start. */
static FILE *create(const char *path, mode_t mode, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;

    if (!file) {
        err_errno(err, ERR_IO, errno, "cannot make '%s'", path);
        if (fd >= 0)
            close(fd);
    }
    return file;
}

static int finish(FILE *file, bool written, const char *path, struct err *err)
{
    bool closed = fclose(file) == 0;

    if (!written)
        return openssl_error(err);
    return closed ? 0 : err_errno(err, ERR_IO, errno, "cannot write '%s'", path);
}

static int write_cert(const char *path, const X509 *cert, struct err *err)
{
    FILE *file = create(path, 0644, err);

    return file ? finish(file, PEM_write_X509(file, cert) == 1, path, err) : -1;
}

static int write_key(const char *path, const EVP_PKEY *key, struct err *err)
{
    FILE *file = create(path, 0600, err);

    return file ? finish(file, PEM_write_PKCS8PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1,
                         path, err)
                : -1;
}

int self_signed_write(const char *cert_path, const char *key_path, const char *const *names,
                      size_t count, struct err *err)
{
    cleanup_str struct str list = STR_INIT;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    int rc;

    list_names(&list, names, count);
    if (!key || !cert || !fill(cert, key, str_get(&list)))
        rc = openssl_error(err);
    else if (write_cert(cert_path, cert, err) < 0 || write_key(key_path, key, err) < 0)
        rc = -1;
    else
        rc = 0;
    X509_free(cert);
    EVP_PKEY_free(key);
    return rc;
}
