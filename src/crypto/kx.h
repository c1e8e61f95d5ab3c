/* Key agreement: X25519 (RFC 7748), the NIST curves (SEC 1), Diffie-Hellman over the groups of RFC
 * 3526. Randomness comes from the caller's generator, so a seed makes the same keys again. */
#ifndef CRYPTO_KX_H
#define CRYPTO_KX_H

#include "crypto/rng.h"
#include "crypto/suite.h"

enum crypto_kx_group {
    CRYPTO_KX_X25519,
    CRYPTO_KX_P256,
    CRYPTO_KX_P384,
    CRYPTO_KX_P521,
    CRYPTO_KX_MODP2048,
    CRYPTO_KX_MODP4096,
    CRYPTO_KX_MODP8192,
    CRYPTO_KX_DH, /* any prime: crypto_kx_generate_dh */
    CRYPTO_KX_GROUPS,
};

enum {
    CRYPTO_X25519_BYTES = 32, /* of a private key, a public one, a secret */
    CRYPTO_KX_PRIVATE_MAX_BYTES = 66,
    CRYPTO_KX_PUBLIC_MAX_BYTES = 1024,
};

/* One side's key for one exchange. Wipe it when done. */
struct crypto_kx {
    enum crypto_kx_group group;
    uint8_t private[CRYPTO_KX_PRIVATE_MAX_BYTES];
    uint8_t public[CRYPTO_KX_PUBLIC_MAX_BYTES]; /* X25519: 32 bytes; curves: uncompressed point;
                                                  MODP: the number without leading zeros */
    size_t public_len;
    struct span prime; /* of CRYPTO_KX_DH; borrowed */
};

/* Not for CRYPTO_KX_DH. 0 or ERR_CRYPTO. */
int crypto_kx_generate(const struct crypto_suite *suite, enum crypto_kx_group group,
                       struct crypto_rng *rng, struct crypto_kx *kx);

/* In the group of a prime (borrowed as long as the key is used, at most
 * CRYPTO_KX_PUBLIC_MAX_BYTES) and a generator. 0 or ERR_CRYPTO. */
int crypto_kx_generate_dh(struct crypto_rng *rng, struct span prime, uint32_t generator,
                          struct crypto_kx *kx);

/* The prime of a CRYPTO_KX_MODP group, as bytes; how many. Its generator is 2. 0: out of memory. */
size_t crypto_kx_prime(enum crypto_kx_group group, uint8_t prime[CRYPTO_KX_PUBLIC_MAX_BYTES]);

/* The secret shared with `peer`'s public value: X25519 32 bytes, a curve's x coordinate in full
 * width, MODP the number in full width. The caller wipes it. 0; ERR_MALFORMED: a public value that
 * must not be used (size, not on the curve, out of range, a zero secret); ERR_CRYPTO. */
int crypto_kx_derive(const struct crypto_suite *suite, const struct crypto_kx *kx, struct span peer,
                     uint8_t secret[CRYPTO_KX_PUBLIC_MAX_BYTES], size_t *secret_len);

void crypto_kx_wipe(struct crypto_kx *kx);

#endif
