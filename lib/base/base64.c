/* SPDX-License-Identifier: Apache-2.0 */
#include "base64.h"

#include <assert.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Memory for what may be a key; ends the program where str.c would. */
static unsigned char *need(size_t size)
{
    unsigned char *memory = size > INT_MAX ? NULL : malloc(size);

    if (!memory)
        abort();
    return memory;
}

static void let_go(unsigned char *memory, size_t size)
{
    OPENSSL_cleanse(memory, size);
    free(memory);
}

void base64_encode(const void *data, size_t len, struct str *out)
{
    size_t size = (len + 2) / 3 * 4 + 1;
    unsigned char *text = need(size);

    str_append(out, text, (size_t)EVP_EncodeBlock(text, data, (int)len));
    let_go(text, size);
}

/* Copies `text` without its line ends; the number of bytes. */
static size_t copy_without_line_ends(unsigned char *to, const char *text)
{
    size_t len = 0;

    for (; *text; text++)
        if (*text != '\n' && *text != '\r')
            to[len++] = (unsigned char)*text;
    to[len] = '\0';
    return len;
}

/* The number of '=' at the end of a text that is base64 throughout, -1 of another. */
static int padding(const char *text, size_t len)
{
    size_t digits = strspn(text, alphabet);
    size_t pad = len - digits;

    if (len % 4 || pad > 2 || strspn(text + digits, "=") != pad)
        return -1;
    return (int)pad;
}

int base64_decode(const char *text, struct str *out)
{
    size_t size = strlen(text) + 1;
    unsigned char *copy = need(size), *bytes = need(size);
    size_t len = copy_without_line_ends(copy, text);
    int pad = padding((const char *)copy, len);

    if (pad >= 0 && len) {
        /* It takes padding for zeros; those are left out. */
        int count = EVP_DecodeBlock(bytes, copy, (int)len);

        assert(count >= pad);
        str_append(out, bytes, (size_t)(count - pad));
    }
    let_go(copy, size);
    let_go(bytes, size);
    return pad < 0 ? -1 : 0;
}
