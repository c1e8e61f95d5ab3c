/* The bare cryptography of one session, as its server must do it: X25519 twice, the exchange hash,
 * an Ed25519 signature, the keys of both directions, 24 packets of chacha20-poly1305. */
#include "modes.h"

#include "crypto/cipher.h"
#include "crypto/kx.h"
#include "link.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

enum {
    PACKETS = 24,
    PACKET_BYTES = 64,
    HASHED_BYTES = 2600, /* both KEXINITs, the host key, the rest */
    DERIVED = 4,         /* two keys of 64 bytes, in two pieces each */
    TIMES = 200,
    ROUNDS = 15,
};

struct session {
    const struct crypto_suite *suite;
    struct crypto_rng rng;
    uint8_t peer[crypto_scalarmult_BYTES];
    uint8_t signing[crypto_sign_SECRETKEYBYTES], verifying[crypto_sign_PUBLICKEYBYTES];
};

static void once(struct session *s)
{
    static const uint8_t hashed[HASHED_BYTES] = {0};
    uint8_t secret[CRYPTO_KX_PUBLIC_MAX_BYTES], digest[CRYPTO_DIGEST_MAX_BYTES];
    uint8_t signature[crypto_sign_BYTES], keys[DERIVED * CRYPTO_DIGEST_MAX_BYTES];
    uint8_t packet[PACKET_BYTES], tag[CRYPTO_CHACHAPOLY_TAG_BYTES];
    size_t secret_len;
    struct crypto_kx kx;
    crypto_kx_generate(s->suite, CRYPTO_KX_X25519, &s->rng, &kx);
    crypto_kx_derive(s->suite, &kx, span_of(s->peer, sizeof(s->peer)), secret, &secret_len);
    struct span all = span_of(hashed, sizeof(hashed));
    crypto_digest_parts(s->suite, CRYPTO_SHA256, &all, 1, digest);
    crypto_sign_detached(signature, NULL, digest, 32, s->signing);
    for (int i = 0; i < DERIVED; i++) {
        struct span parts[] = {span_of(secret, secret_len), span_of(digest, 32),
                               span_of(digest, 32)};
        crypto_digest_parts(s->suite, CRYPTO_SHA256, parts, ARRAY_LEN(parts),
                            keys + (ptrdiff_t)i * 32);
    }
    memset(packet, 0, sizeof(packet));
    for (uint32_t i = 0; i < PACKETS; i++)
        crypto_chachapoly_seal(keys, i, packet, sizeof(packet), tag);
}

static double thread_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

double bare_crypto_us(const struct crypto_suite *suite)
{
    static const uint8_t seed[CRYPTO_RNG_SEED_BYTES] = {1};
    struct session s = {.suite = suite};
    uint8_t scalar[crypto_scalarmult_SCALARBYTES] = {2};
    double best = 1e9;
    if (sodium_init() < 0)
        fail("libsodium");
    crypto_rng_init(&s.rng, seed);
    crypto_scalarmult_base(s.peer, scalar);
    crypto_sign_keypair(s.verifying, s.signing);
    for (int round = 0; round < ROUNDS; round++) {
        double start = thread_us();
        for (int i = 0; i < TIMES; i++)
            once(&s);
        double each = (thread_us() - start) / TIMES;
        if (each < best)
            best = each;
    }
    return best;
}
