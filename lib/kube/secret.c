/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/secret.h"
#include "base/base64.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

void secret_free(char *text)
{
    if (text)
        OPENSSL_cleanse(text, strlen(text));
    free(text);
}

void secret_str_free(struct str *s)
{
    if (s->data)
        OPENSSL_cleanse(s->data, s->cap);
    str_free(s);
}

char *secret_copy(const char *text)
{
    char *copy = text ? strdup(text) : NULL;

    if (text && !copy)
        abort();
    return copy;
}

char *secret_from_base64(const char *text)
{
    cleanup_secret struct str out = STR_INIT;

    if (base64_decode(text, &out) < 0 || memchr(str_get(&out), '\0', out.len))
        return NULL;
    return str_steal(&out);
}

bool secret_is_bearer(const char *token)
{
    if (!*token)
        return false;
    for (; *token; token++)
        if (*token <= ' ' || *token > '~')
            return false;
    return true;
}

bool secret_is_pem(const char *text, const char *label)
{
    for (const char *at = text; (at = strstr(at, "-----BEGIN ")); at++) {
        const char *end = strstr(at + strlen("-----BEGIN "), "-----");
        size_t len = strlen(label);

        if (end && (size_t)(end - at) >= len && memcmp(end - len, label, len) == 0)
            return true;
    }
    return false;
}
