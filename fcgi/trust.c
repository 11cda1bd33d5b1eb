/* SPDX-License-Identifier: Apache-2.0 */
#include "trust.h"
#include "base/io.h"
#include "base/log.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

static struct {
    pthread_mutex_t mutex;
    const char *file;
    struct stat seen; /* zeros when it was not there */
    struct str pem;
    unsigned generation; /* of `pem`, 0 for none */
} trust = {.mutex = PTHREAD_MUTEX_INITIALIZER};

void trust_open(const char *file)
{
    trust.file = file;
    memset(&trust.seen, 0, sizeof(trust.seen));
    trust.seen.st_size = -1; /* of no file: the first look finds a change */
}

void trust_close(void)
{
    str_free(&trust.pem);
    trust.generation = 0;
}

static bool changed(void)
{
    struct stat now;
    bool other;

    if (stat(trust.file, &now) < 0)
        memset(&now, 0, sizeof(now));
    other = now.st_dev != trust.seen.st_dev || now.st_ino != trust.seen.st_ino ||
            now.st_size != trust.seen.st_size || now.st_mtim.tv_sec != trust.seen.st_mtim.tv_sec ||
            now.st_mtim.tv_nsec != trust.seen.st_mtim.tv_nsec ||
            now.st_ctim.tv_sec != trust.seen.st_ctim.tv_sec ||
            now.st_ctim.tv_nsec != trust.seen.st_ctim.tv_nsec;
    trust.seen = now;
    return other;
}

/* As libcurl will read it: one that is broken spoils all of them. */
static int count_certificates(const struct str *pem)
{
    BIO *bio = BIO_new_mem_buf(str_get(pem), (int)pem->len);
    STACK_OF(X509_INFO) *found = bio ? PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL) : NULL;
    int count = 0;

    for (int i = 0; i < sk_X509_INFO_num(found); i++)
        count += sk_X509_INFO_value(found, i)->x509 != NULL;
    sk_X509_INFO_pop_free(found, X509_INFO_free);
    BIO_free(bio);
    ERR_clear_error();
    return count;
}

/* Called with the mutex held. */
static int load(struct err *err)
{
    struct str pem = STR_INIT;
    int count;

    if (io_read_file(trust.file, TRUST_MAX, &pem, err) < 0) {
        str_free(&pem);
        return err_wrap(err, "VMEXPORT_CA_FILE");
    }
    count = count_certificates(&pem);
    if (!count) {
        str_free(&pem);
        return err_set(
            err, ERR_INPUT,
            "VMEXPORT_CA_FILE: there is no certificate in '%s', or one that cannot be read",
            trust.file);
    }
    str_free(&trust.pem);
    trust.pem = pem;
    trust.generation++;
    log_info("exports are verified by %d CA certificates of '%s'", count, trust.file);
    return 0;
}

int trust_get(unsigned *generation, struct str *pem, struct err *err)
{
    struct err why;
    int rc = 0;

    pthread_mutex_lock(&trust.mutex);
    if (changed() && load(&why) < 0)
        log_error("%s%s", why.msg, trust.generation ? ": the CA of before is used" : "");
    if (!trust.generation) {
        rc = err_set(err, ERR_UNAVAILABLE,
                     "there is no CA certificate to verify the export by: see the proxy's log");
    } else if (*generation != trust.generation) {
        str_clear(pem);
        str_append(pem, trust.pem.data, trust.pem.len);
        *generation = trust.generation;
    }
    pthread_mutex_unlock(&trust.mutex);
    return rc;
}
