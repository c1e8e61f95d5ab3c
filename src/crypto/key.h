/* Keys that sign and verify: RSA (RFC 8017, PKCS #1 v1.5), ECDSA on P-256, Ed25519 (RFC 8032). */
#ifndef CRYPTO_KEY_H
#define CRYPTO_KEY_H

#include "base/buffer.h"
#include "crypto/suite.h"

struct crypto_key;

enum crypto_key_type { CRYPTO_KEY_RSA, CRYPTO_KEY_ECDSA_P256, CRYPTO_KEY_ED25519 };

enum {
    CRYPTO_KEY_RSA_MIN_BYTES = 128,  /* of a public one: OpenSSH's RequiredRSASize */
    CRYPTO_KEY_RSA_MAX_BYTES = 1024, /* of a modulus: 8192 bits */
    CRYPTO_KEY_SIGNATURE_MAX_BYTES = CRYPTO_KEY_RSA_MAX_BYTES,
};

/* The first private key of a PEM text without a passphrase. NULL: *err is ERR_MALFORMED (not such a
 * text, or a kind of key that is not one of these), ERR_CRYPTO or ERR_NOMEM. */
struct crypto_key *crypto_key_load(struct span pem, int *err);
void crypto_key_free(struct crypto_key *key);

/* A public key alone, which verifies only: its numbers as crypto_key_public gives them. NULL: *err is
 * ERR_MALFORMED (they are no such key, or a larger one than these), ERR_CRYPTO or ERR_NOMEM. */
struct crypto_key *crypto_key_new_public(enum crypto_key_type type, struct span first,
                                         struct span second, int *err);

/* Makes a key (RSA: `bits`) and appends it as PKCS #8 PEM. libcrypto's own randomness. */
int crypto_key_generate(enum crypto_key_type type, unsigned bits, struct buffer *pem);

enum crypto_key_type crypto_key_type(const struct crypto_key *key);

/* The public half as numbers, big-endian, without leading zeros: RSA: `first` is e, `second` n.
 * Elsewhere `first` alone: the point (uncompressed, 65 bytes), the 32 bytes of Ed25519. Borrowed
 * from the key. */
void crypto_key_public(const struct crypto_key *key, struct span *first, struct span *second);

/* The private half, wiped by the caller. RSA: its numbers, big-endian, without leading zeros. ECDSA:
 * the scalar, as _D. Ed25519: seed and public half, 64 bytes, as _D. Appended; 0, ERR_CRYPTO,
 * ERR_FULL or ERR_NOMEM. */
enum crypto_key_secret {
    CRYPTO_KEY_D,
    CRYPTO_KEY_INVERSE, /* of q mod p */
    CRYPTO_KEY_P,
    CRYPTO_KEY_Q,
    CRYPTO_KEY_SECRETS,
};
int crypto_key_secret(const struct crypto_key *key, enum crypto_key_secret secret,
                      struct buffer *out);

/* Signs. RSA: by `digest`, one number of the modulus' width. ECDSA: always SHA-256, r and s of 32
 * bytes each. Ed25519: 64 bytes. 0 or ERR_CRYPTO. */
int crypto_key_sign(const struct crypto_suite *suite, const struct crypto_key *key,
                    enum crypto_digest digest, struct span message,
                    uint8_t signature[CRYPTO_KEY_SIGNATURE_MAX_BYTES], size_t *signature_len);

/* 0, or ERR_AUTH when the signature (in the same form) is not the key's. */
int crypto_key_verify(const struct crypto_suite *suite, const struct crypto_key *key,
                      enum crypto_digest digest, struct span message, struct span signature);

#endif
