/* HMAC (RFC 2104) with a key that stays: one object for each direction of a connection. */
#ifndef CRYPTO_MAC_H
#define CRYPTO_MAC_H

#include "crypto/suite.h"

struct crypto_hmac;

/* NULL: out of memory. */
struct crypto_hmac *crypto_hmac_new(const struct crypto_suite *suite, enum crypto_digest digest,
                                    struct span key);
void crypto_hmac_free(struct crypto_hmac *mac);

/* The code of all parts in a row; `out` takes crypto_digest_bytes. 0 or ERR_CRYPTO. */
int crypto_hmac_compute(struct crypto_hmac *mac, const struct span *parts, size_t count,
                        uint8_t *out);

#endif
