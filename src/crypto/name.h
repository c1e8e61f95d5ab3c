/* Digests that name things rather than protect them, and their text form; no suite is needed. */
#ifndef CRYPTO_NAME_H
#define CRYPTO_NAME_H

#include "base/span.h"

enum { CRYPTO_NAME_SHA256_BYTES = 32 };

/* All parts in a row. */
void crypto_name_sha256(const struct span *parts, size_t count,
                        uint8_t out[CRYPTO_NAME_SHA256_BYTES]);

/* Base64 (RFC 4648, section 4) with NUL. `padded`: with = at the end. `out_size` must suffice:
 * 4 * ((len + 2) / 3) + 1 bytes. */
void crypto_name_base64(struct span bytes, bool padded, char *out_z, size_t out_size);

#endif
