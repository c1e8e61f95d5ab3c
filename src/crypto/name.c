#include "crypto/name.h"

#include "crypto/openssl.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

void crypto_name_md5(const struct span *parts, size_t count, uint8_t out[CRYPTO_NAME_MD5_BYTES])
{
    memset(out, 0, CRYPTO_NAME_MD5_BYTES);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestInit_ex2(ctx, EVP_md5(), NULL) == 1;
    for (size_t i = 0; good && i < count; i++)
        good = EVP_DigestUpdate(ctx, parts[i].data, parts[i].len) == 1;
    if (good)
        EVP_DigestFinal_ex(ctx, out, NULL);
    EVP_MD_CTX_free(ctx);
}

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
