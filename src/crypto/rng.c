#include "crypto/rng.h"

#include <sodium.h>
#include <string.h>

void crypto_rng_init(struct crypto_rng *rng, const uint8_t seed[CRYPTO_RNG_SEED_BYTES])
{
    memcpy(rng->key, seed, sizeof(rng->key));
}

void crypto_rng_bytes(struct crypto_rng *rng, void *out, size_t len)
{
    /* Stream 0 is the answer, stream 1 the next key. */
    static const uint8_t answer[crypto_stream_chacha20_NONCEBYTES] = {0};
    static const uint8_t rekey[crypto_stream_chacha20_NONCEBYTES] = {1};
    uint8_t next[CRYPTO_RNG_SEED_BYTES];
    crypto_stream_chacha20(out, len, answer, rng->key);
    crypto_stream_chacha20(next, sizeof(next), rekey, rng->key);
    memcpy(rng->key, next, sizeof(next));
    sodium_memzero(next, sizeof(next));
}

uint32_t crypto_rng_u32(struct crypto_rng *rng)
{
    uint32_t value;
    crypto_rng_bytes(rng, &value, sizeof(value));
    return value;
}

void crypto_rng_wipe(struct crypto_rng *rng)
{
    sodium_memzero(rng->key, sizeof(rng->key));
}
