/* The ciphers of SSH packets, each an object for one direction; all work in place.
 *   AES-CTR       RFC 4344: a stream, the counter runs on over packets
 *   AES-GCM       RFC 5647: 12 bytes of IV whose last 8 count packets
 *   ChaCha20-Poly1305 in OpenSSH's arrangement: 64 bytes of key, of which the second half encrypts
 *   the length; the nonce is the packet's sequence number */
#ifndef CRYPTO_CIPHER_H
#define CRYPTO_CIPHER_H

#include "crypto/suite.h"

enum {
    CRYPTO_AES_BLOCK_BYTES = 16,
    CRYPTO_GCM_IV_BYTES = 12,
    CRYPTO_GCM_TAG_BYTES = 16,
    CRYPTO_CHACHAPOLY_KEY_BYTES = 64,
    CRYPTO_CHACHAPOLY_TAG_BYTES = 16,
};

/* Key of 16, 24 or 32 bytes, IV of 16. The same for both directions. NULL: out of memory. */
struct crypto_ctr;
struct crypto_ctr *crypto_ctr_new(const struct crypto_suite *suite, struct span key,
                                  const uint8_t iv[CRYPTO_AES_BLOCK_BYTES]);
void crypto_ctr_free(struct crypto_ctr *ctr);

/* The next `len` bytes of the stream. 0 or ERR_CRYPTO. */
int crypto_ctr_apply(struct crypto_ctr *ctr, uint8_t *data, size_t len);

/* Key of 16 or 32 bytes. */
struct crypto_gcm;
struct crypto_gcm *crypto_gcm_new(const struct crypto_suite *suite, struct span key,
                                  const uint8_t iv[CRYPTO_GCM_IV_BYTES]);
void crypto_gcm_free(struct crypto_gcm *gcm);

/* One packet each; the counter goes on. Open answers ERR_AUTH when the tag does not match; the data
 * is then worthless. */
int crypto_gcm_seal(struct crypto_gcm *gcm, struct span aad, uint8_t *data, size_t len,
                    uint8_t tag[CRYPTO_GCM_TAG_BYTES]);
int crypto_gcm_open(struct crypto_gcm *gcm, struct span aad, uint8_t *data, size_t len,
                    const uint8_t tag[CRYPTO_GCM_TAG_BYTES]);

/* The length field alone, in either direction: 4 bytes. */
void crypto_chachapoly_length(const uint8_t key[CRYPTO_CHACHAPOLY_KEY_BYTES], uint32_t sequence,
                              const uint8_t in[4], uint8_t out[4]);

/* A whole packet: 4 bytes of length, `len` - 4 of body; the tag stands behind it. Seal encrypts
 * both. Open checks the tag over all and decrypts only the body: ERR_AUTH when it does not match,
 * the data is then untouched. */
void crypto_chachapoly_seal(const uint8_t key[CRYPTO_CHACHAPOLY_KEY_BYTES], uint32_t sequence,
                            uint8_t *packet, size_t len, uint8_t tag[CRYPTO_CHACHAPOLY_TAG_BYTES]);
int crypto_chachapoly_open(const uint8_t key[CRYPTO_CHACHAPOLY_KEY_BYTES], uint32_t sequence,
                           uint8_t *packet, size_t len,
                           const uint8_t tag[CRYPTO_CHACHAPOLY_TAG_BYTES]);

#endif
