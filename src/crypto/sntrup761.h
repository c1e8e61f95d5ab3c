/* Streamlined NTRU Prime 761 (NTRU Prime, round 3; as RFC 9941 uses it): the encapsulating side,
 * which is all that a server needs. */
#ifndef CRYPTO_SNTRUP761_H
#define CRYPTO_SNTRUP761_H

#include "crypto/rng.h"
#include "crypto/suite.h"

enum {
    CRYPTO_SNTRUP761_PUBLIC_BYTES = 1158,
    CRYPTO_SNTRUP761_CIPHER_BYTES = 1039,
    CRYPTO_SNTRUP761_SECRET_BYTES = 32,
};

/* A secret for the owner of the public key, and the text that tells it to him. Any public key of the
 * right size is taken. 0 or ERR_CRYPTO. */
int crypto_sntrup761_encapsulate(const struct crypto_suite *suite, struct crypto_rng *rng,
                                 const uint8_t public_key[CRYPTO_SNTRUP761_PUBLIC_BYTES],
                                 uint8_t cipher[CRYPTO_SNTRUP761_CIPHER_BYTES],
                                 uint8_t secret[CRYPTO_SNTRUP761_SECRET_BYTES]);

#endif
