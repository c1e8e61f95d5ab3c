/* What is fetched from libcrypto once and then used by all: digests, ciphers, curves. Never changes
 * after it was made, so any number of connections may share it. */
#ifndef CRYPTO_SUITE_H
#define CRYPTO_SUITE_H

#include "base/span.h"

struct crypto_suite;

/* NULL: out of memory, or a library without these algorithms. */
struct crypto_suite *crypto_suite_new(void);
void crypto_suite_free(struct crypto_suite *suite);

enum crypto_digest {
    CRYPTO_SHA1,
    CRYPTO_SHA256,
    CRYPTO_SHA384,
    CRYPTO_SHA512,
    CRYPTO_MD5, /* for names of things only */
    CRYPTO_DIGESTS,
};

enum { CRYPTO_DIGEST_MAX_BYTES = 64 };

size_t crypto_digest_bytes(enum crypto_digest digest);

/* The digest of all parts in a row; `out` takes crypto_digest_bytes. 0 or ERR_CRYPTO. */
int crypto_digest_parts(const struct crypto_suite *suite, enum crypto_digest digest,
                        const struct span *parts, size_t count, uint8_t *out);

/* The same in pieces. NULL: out of memory. `end` frees it, `out` may be NULL then. 0 or ERR_CRYPTO. */
struct crypto_hash;
struct crypto_hash *crypto_hash_new(const struct crypto_suite *suite, enum crypto_digest digest);
int crypto_hash_put(struct crypto_hash *hash, struct span bytes);
int crypto_hash_end(struct crypto_hash *hash, uint8_t *out);

/* True when the bytes are the same, in a time that does not tell where they differ. */
bool crypto_equal(const uint8_t *a, const uint8_t *b, size_t len);

/* Overwrites secret memory, whatever the compiler thinks of it. */
void crypto_wipe(void *mem, size_t len);

#endif
