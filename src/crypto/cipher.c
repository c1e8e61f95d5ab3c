#include "crypto/cipher.h"

#include "base/error.h"
#include "crypto/suite_impl.h"

#include <stdlib.h>
#include <string.h>

struct crypto_ctr {
    EVP_CIPHER_CTX *ctx;
};

static EVP_CIPHER *ctr_cipher(const struct crypto_suite *suite, size_t key_len)
{
    switch (key_len) {
    case 16: return suite->ciphers[SUITE_AES128_CTR];
    case 24: return suite->ciphers[SUITE_AES192_CTR];
    case 32: return suite->ciphers[SUITE_AES256_CTR];
    default: return NULL;
    }
}

struct crypto_ctr *crypto_ctr_new(const struct crypto_suite *suite, struct span key,
                                  const uint8_t iv[CRYPTO_AES_BLOCK_BYTES])
{
    EVP_CIPHER *cipher = ctr_cipher(suite, key.len);
    struct crypto_ctr *ctr = cipher ? calloc(1, sizeof(*ctr)) : NULL;
    if (!ctr)
        return NULL;
    ctr->ctx = EVP_CIPHER_CTX_new();
    if (!ctr->ctx || EVP_EncryptInit_ex2(ctr->ctx, cipher, key.data, iv, NULL) != 1) {
        crypto_ctr_free(ctr);
        return NULL;
    }
    return ctr;
}

void crypto_ctr_free(struct crypto_ctr *ctr)
{
    if (ctr)
        EVP_CIPHER_CTX_free(ctr->ctx); /* wipes the key schedule */
    free(ctr);
}

int crypto_ctr_apply(struct crypto_ctr *ctr, uint8_t *data, size_t len)
{
    int done;
    return EVP_EncryptUpdate(ctr->ctx, data, &done, data, (int)len) == 1 ? 0 : ERR_CRYPTO;
}

struct crypto_gcm {
    EVP_CIPHER_CTX *ctx;
    uint8_t iv[CRYPTO_GCM_IV_BYTES];
};

struct crypto_gcm *crypto_gcm_new(const struct crypto_suite *suite, struct span key,
                                  const uint8_t iv[CRYPTO_GCM_IV_BYTES])
{
    EVP_CIPHER *cipher = key.len == 16   ? suite->ciphers[SUITE_AES128_GCM]
                         : key.len == 32 ? suite->ciphers[SUITE_AES256_GCM]
                                         : NULL;
    struct crypto_gcm *gcm = cipher ? calloc(1, sizeof(*gcm)) : NULL;
    if (!gcm)
        return NULL;
    memcpy(gcm->iv, iv, sizeof(gcm->iv));
    gcm->ctx = EVP_CIPHER_CTX_new();
    if (!gcm->ctx || EVP_EncryptInit_ex2(gcm->ctx, cipher, key.data, iv, NULL) != 1) {
        crypto_gcm_free(gcm);
        return NULL;
    }
    return gcm;
}

void crypto_gcm_free(struct crypto_gcm *gcm)
{
    if (gcm) {
        EVP_CIPHER_CTX_free(gcm->ctx);
        crypto_wipe(gcm, sizeof(*gcm));
    }
    free(gcm);
}

/* RFC 5647, section 7.1: the last eight bytes count invocations. */
static void count_up(uint8_t iv[CRYPTO_GCM_IV_BYTES])
{
    for (size_t i = CRYPTO_GCM_IV_BYTES; i-- > 4;)
        if (++iv[i] != 0)
            return;
}

int crypto_gcm_seal(struct crypto_gcm *gcm, struct span aad, uint8_t *data, size_t len,
                    uint8_t tag[CRYPTO_GCM_TAG_BYTES])
{
    EVP_CIPHER_CTX *ctx = gcm->ctx;
    int done;
    bool good = EVP_EncryptInit_ex2(ctx, NULL, NULL, gcm->iv, NULL) == 1 &&
                EVP_EncryptUpdate(ctx, NULL, &done, aad.data, (int)aad.len) == 1 &&
                EVP_EncryptUpdate(ctx, data, &done, data, (int)len) == 1 &&
                EVP_EncryptFinal_ex(ctx, data + len, &done) == 1 &&
                EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, CRYPTO_GCM_TAG_BYTES, tag) == 1;
    count_up(gcm->iv);
    return good ? 0 : ERR_CRYPTO;
}

int crypto_gcm_open(struct crypto_gcm *gcm, struct span aad, uint8_t *data, size_t len,
                    const uint8_t tag[CRYPTO_GCM_TAG_BYTES])
{
    EVP_CIPHER_CTX *ctx = gcm->ctx;
    uint8_t expected[CRYPTO_GCM_TAG_BYTES];
    memcpy(expected, tag, sizeof(expected));
    int done;
    bool good =
        EVP_DecryptInit_ex2(ctx, NULL, NULL, gcm->iv, NULL) == 1 &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, CRYPTO_GCM_TAG_BYTES, expected) == 1 &&
        EVP_DecryptUpdate(ctx, NULL, &done, aad.data, (int)aad.len) == 1 &&
        EVP_DecryptUpdate(ctx, data, &done, data, (int)len) == 1 &&
        EVP_DecryptFinal_ex(ctx, data + len, &done) == 1;
    count_up(gcm->iv);
    return good ? 0 : ERR_AUTH;
}
