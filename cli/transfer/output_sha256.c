/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 of what is in the file. Where it has holes (lseek(2), SEEK_DATA) nothing is read. */
#include "base/cleanup.h"
#include "base/io.h"
#include "interrupt.h"
#include "transfer/output_private.h"
#include "transfer/sparse.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>

enum { BUFFER = 256 << 10, SHA256_LEN = 32 };

static void cleanup_digest_(EVP_MD_CTX **ctx)
{
    EVP_MD_CTX_free(*ctx);
}

struct hashing {
    struct output *output;
    EVP_MD_CTX *ctx;
    uint8_t *buffer;
};

static int add(struct hashing *hashing, const void *data, size_t len, struct err *err)
{
    if (interrupt_came())
        return err_set(err, ERR_SYSTEM, "interrupted while %s was read for its SHA-256",
                       hashing->output->name);
    if (!EVP_DigestUpdate(hashing->ctx, data, len))
        return err_set(err, ERR_SYSTEM, "cannot compute a SHA-256");
    return 0;
}

static int add_zeros(struct hashing *hashing, uint64_t len, struct err *err)
{
    while (len > 0) {
        size_t n = len < SPARSE_ZEROS_SIZE ? (size_t)len : SPARSE_ZEROS_SIZE;

        if (add(hashing, sparse_zeros, n, err) < 0)
            return -1;
        len -= n;
    }
    return 0;
}

static int add_data(struct hashing *hashing, uint64_t from, uint64_t to, struct err *err)
{
    while (from < to) {
        size_t n = to - from < BUFFER ? (size_t)(to - from) : BUFFER;

        if (io_pread(hashing->output->fd, hashing->buffer, n, (off_t)from, hashing->output->name,
                     err) < 0 ||
            add(hashing, hashing->buffer, n, err) < 0)
            return -1;
        from += n;
    }
    return 0;
}

/* Where the next data is, and where it ends; all of the rest where the system cannot tell. */
static void next_data(int fd, uint64_t from, uint64_t size, uint64_t *data, uint64_t *hole)
{
    off_t at = lseek(fd, (off_t)from, SEEK_DATA);

    *hole = size;
    if (at < 0) {
        *data = errno == ENXIO ? size : from;
        return;
    }
    *data = (uint64_t)at < size ? (uint64_t)at : size;
    at = lseek(fd, at, SEEK_HOLE);
    if (at >= 0 && (uint64_t)at < size)
        *hole = (uint64_t)at;
}

static int add_all(struct hashing *hashing, uint64_t size, struct err *err)
{
    for (uint64_t from = 0, data, hole; from < size; from = hole) {
        next_data(hashing->output->fd, from, size, &data, &hole);
        if (add_zeros(hashing, data - from, err) < 0 || add_data(hashing, data, hole, err) < 0)
            return -1;
    }
    return 0;
}

int output_sha256(struct output *output, uint64_t size, char hex[65], struct err *err)
{
    EVP_MD_CTX *ctx __attribute__((cleanup(cleanup_digest_))) = EVP_MD_CTX_new();
    cleanup_free uint8_t *buffer = malloc(BUFFER);
    struct hashing hashing = {output, ctx, buffer};
    uint8_t digest[EVP_MAX_MD_SIZE];

    if (output->kind->in_order || output->fd < 0)
        return err_set(err, ERR_INPUT, "%s cannot be read back", output->name);
    if (!ctx || !buffer || !EVP_DigestInit_ex(ctx, EVP_sha256(), NULL))
        return err_set(err, ERR_SYSTEM, "cannot compute a SHA-256: out of memory");
    if (add_all(&hashing, size, err) < 0)
        return -1;
    if (!EVP_DigestFinal_ex(ctx, digest, NULL))
        return err_set(err, ERR_SYSTEM, "cannot compute a SHA-256");
    for (int i = 0; i < SHA256_LEN; i++)
        snprintf(hex + i * 2, 3, "%02x", digest[i]);
    return 0;
}
