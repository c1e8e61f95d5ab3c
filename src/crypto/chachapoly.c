/* ChaCha20-Poly1305 as OpenSSH arranges it (its PROTOCOL.chacha20poly1305): the original ChaCha20
 * with 64-bit nonce and counter. Block 0 of the first key makes the Poly1305 key, the body begins at
 * block 1; the second key encrypts the four bytes of the length. */
#include "base/error.h"
#include "crypto/cipher.h"

#include <sodium.h>

enum { NONCE_BYTES = crypto_stream_chacha20_NONCEBYTES, LENGTH_BYTES = 4 };

static void nonce_of(uint32_t sequence, uint8_t nonce[NONCE_BYTES])
{
    for (size_t i = 0; i < NONCE_BYTES; i++)
        nonce[i] = (uint8_t)((uint64_t)sequence >> (8 * (NONCE_BYTES - 1 - i)));
}

void crypto_chachapoly_length(const uint8_t key[CRYPTO_CHACHAPOLY_KEY_BYTES], uint32_t sequence,
                              const uint8_t in[4], uint8_t out[4])
{
    uint8_t nonce[NONCE_BYTES];
    nonce_of(sequence, nonce);
    crypto_stream_chacha20_xor(out, in, LENGTH_BYTES, nonce, key + crypto_stream_chacha20_KEYBYTES);
}

static void compute_tag(const uint8_t *key, const uint8_t nonce[NONCE_BYTES], const uint8_t *packet,
                        size_t len, uint8_t *tag)
{
    uint8_t poly_key[crypto_onetimeauth_poly1305_KEYBYTES];
    crypto_stream_chacha20(poly_key, sizeof(poly_key), nonce, key);
    crypto_onetimeauth_poly1305(tag, packet, len, poly_key);
    sodium_memzero(poly_key, sizeof(poly_key));
}

static void apply_body(const uint8_t *key, const uint8_t nonce[NONCE_BYTES], uint8_t *packet,
                       size_t len)
{
    uint8_t *body = packet + LENGTH_BYTES;
    crypto_stream_chacha20_xor_ic(body, body, len - LENGTH_BYTES, nonce, 1, key);
}

void crypto_chachapoly_seal(const uint8_t key[CRYPTO_CHACHAPOLY_KEY_BYTES], uint32_t sequence,
                            uint8_t *packet, size_t len, uint8_t tag[CRYPTO_CHACHAPOLY_TAG_BYTES])
{
    uint8_t nonce[NONCE_BYTES];
    nonce_of(sequence, nonce);
    crypto_chachapoly_length(key, sequence, packet, packet);
    apply_body(key, nonce, packet, len);
    compute_tag(key, nonce, packet, len, tag);
}

int crypto_chachapoly_open(const uint8_t key[CRYPTO_CHACHAPOLY_KEY_BYTES], uint32_t sequence,
                           uint8_t *packet, size_t len,
                           const uint8_t tag[CRYPTO_CHACHAPOLY_TAG_BYTES])
{
    uint8_t nonce[NONCE_BYTES];
    uint8_t expected[CRYPTO_CHACHAPOLY_TAG_BYTES];
    nonce_of(sequence, nonce);
    compute_tag(key, nonce, packet, len, expected);
    if (!crypto_equal(expected, tag, sizeof(expected)))
        return ERR_AUTH;
    apply_body(key, nonce, packet, len);
    return 0;
}
