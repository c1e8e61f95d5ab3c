/* The inside of struct crypto_suite, for the files of this folder. */
#ifndef CRYPTO_SUITE_IMPL_H
#define CRYPTO_SUITE_IMPL_H

#include "crypto/cipher.h"
#include "crypto/kx.h"
#include "crypto/openssl.h"
#include "crypto/suite.h"

/* Ciphers by key size and mode; see cipher.c. */
enum {
    SUITE_AES128_CTR,
    SUITE_AES192_CTR,
    SUITE_AES256_CTR,
    SUITE_AES128_ECB,
    SUITE_AES128_GCM,
    SUITE_AES256_GCM,
    SUITE_CIPHERS,
};

struct crypto_suite {
    EVP_MD *digests[CRYPTO_DIGESTS];
    EVP_CIPHER *ciphers[SUITE_CIPHERS];
    EVP_MAC *hmac;
    EC_GROUP *curves[CRYPTO_KX_GROUPS]; /* NULL for what is not a curve of libcrypto's */
};

#endif
