#include "crypto/name.h"

#include <assert.h>
#include <sodium.h>

void crypto_name_sha256(const struct span *parts, size_t count,
                        uint8_t out[CRYPTO_NAME_SHA256_BYTES])
{
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    for (size_t i = 0; i < count; i++)
        crypto_hash_sha256_update(&state, parts[i].data, parts[i].len);
    crypto_hash_sha256_final(&state, out);
}

void crypto_name_base64(struct span bytes, bool padded, char *out_z, size_t out_size)
{
    int variant =
        padded ? sodium_base64_VARIANT_ORIGINAL : sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
    assert(out_size >= sodium_base64_encoded_len(bytes.len, variant));
    sodium_bin2base64(out_z, out_size, bytes.data, bytes.len, variant);
}
