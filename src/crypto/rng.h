/* Randomness as an argument: a generator seeded once by the outside, so that a test with the same
 * seed sees the same bytes. ChaCha20 in counter mode with a new key after every call, so that what
 * was given out cannot be computed from a later state. */
#ifndef CRYPTO_RNG_H
#define CRYPTO_RNG_H

#include <stddef.h>
#include <stdint.h>

enum { CRYPTO_RNG_SEED_BYTES = 32 };

struct crypto_rng {
    uint8_t key[CRYPTO_RNG_SEED_BYTES];
};

void crypto_rng_init(struct crypto_rng *rng, const uint8_t seed[CRYPTO_RNG_SEED_BYTES]);

/* Fills `len` bytes (below 2^31). */
void crypto_rng_bytes(struct crypto_rng *rng, void *out, size_t len);

uint32_t crypto_rng_u32(struct crypto_rng *rng);

/* Overwrites the state: secret memory. */
void crypto_rng_wipe(struct crypto_rng *rng);

#endif
