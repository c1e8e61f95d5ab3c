/* UMAC (RFC 4418) with tags of 8 or 16 bytes, as SSH uses it: the nonce is the packet's number. */
#ifndef CRYPTO_UMAC_H
#define CRYPTO_UMAC_H

#include "crypto/suite.h"

enum {
    CRYPTO_UMAC_KEY_BYTES = 16,
    CRYPTO_UMAC_NONCE_BYTES = 8,
    CRYPTO_UMAC_TAG_MAX_BYTES = 16,
    CRYPTO_UMAC_MESSAGE_MAX_BYTES = 2 * 1024 * 1024, /* longer ones need a part that is not here */
};

struct crypto_umac;

/* `tag_bytes` is 8 or 16. NULL: out of memory. */
struct crypto_umac *crypto_umac_new(const struct crypto_suite *suite,
                                    const uint8_t key[CRYPTO_UMAC_KEY_BYTES], size_t tag_bytes);
void crypto_umac_free(struct crypto_umac *mac);

/* 0 or ERR_CRYPTO. */
int crypto_umac_compute(struct crypto_umac *mac, const uint8_t nonce[CRYPTO_UMAC_NONCE_BYTES],
                        struct span message, uint8_t tag[CRYPTO_UMAC_TAG_MAX_BYTES]);

#endif
