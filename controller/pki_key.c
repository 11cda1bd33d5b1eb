/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The private keys that are made here, as PEM text. OpenSSL's own way looks through every encoder
 * that it has for each key, which takes longer than making the key.
 */
#include "pki_internal.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <string.h>

/* An ECPrivateKey (RFC 5915 §3) of P-256, whose number and point have a fixed length. */
struct ec_private_key {
    unsigned char head[7];
    unsigned char number[32];
    unsigned char middle[5];
    unsigned char point[65];
};

static bool fill(struct ec_private_key *der, EVP_PKEY *key)
{
    static const unsigned char head[] = {0x30, sizeof(*der) - 2,   0x02, 1, 1,
                                         0x04, sizeof(der->number)};
    static const unsigned char middle[] = {0xa1, sizeof(der->point) + 3, 0x03,
                                           sizeof(der->point) + 1, 0};
    BIGNUM *number = NULL;
    size_t len = 0;
    bool ok = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &number) &&
              BN_bn2binpad(number, der->number, sizeof(der->number)) == sizeof(der->number) &&
              EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, der->point,
                                              sizeof(der->point), &len) &&
              len == sizeof(der->point);

    BN_clear_free(number);
    memcpy(der->head, head, sizeof(head));
    memcpy(der->middle, middle, sizeof(middle));
    return ok;
}

/* In PKCS #8 (RFC 5958), which overwrites it when it is freed. */
static PKCS8_PRIV_KEY_INFO *wrap(EVP_PKEY *key)
{
    PKCS8_PRIV_KEY_INFO *out = PKCS8_PRIV_KEY_INFO_new();
    struct ec_private_key *der = OPENSSL_zalloc(sizeof(*der));

    if (out && der && fill(der, key) &&
        PKCS8_pkey_set0(out, OBJ_nid2obj(NID_X9_62_id_ecPublicKey), 0, V_ASN1_OBJECT,
                        OBJ_nid2obj(NID_X9_62_prime256v1), (unsigned char *)der, sizeof(*der)))
        return out;
    OPENSSL_clear_free(der, sizeof(*der));
    PKCS8_PRIV_KEY_INFO_free(out);
    return NULL;
}

bool pki_put_p256_key(EVP_PKEY *key, struct str *out)
{
    PKCS8_PRIV_KEY_INFO *info = wrap(key);
    BIO *bio = BIO_new(BIO_s_mem()); /* wipes its memory as it grows and when it is freed */
    bool ok = info && bio && PEM_write_bio_PKCS8_PRIV_KEY_INFO(bio, info);
    const char *data = NULL;
    long len = ok ? BIO_get_mem_data(bio, &data) : 0;

    str_append(out, data, (size_t)len);
    BIO_free(bio);
    PKCS8_PRIV_KEY_INFO_free(info);
    return ok;
}
