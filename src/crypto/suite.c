#include "crypto/suite.h"

#include "base/error.h"
#include "crypto/suite_impl.h"

#include <sodium.h>
#include <stdlib.h>

static const struct {
    const char *name_z;
    size_t bytes;
} digests[CRYPTO_DIGESTS] = {
    [CRYPTO_SHA1] = {"SHA1", 20},       [CRYPTO_SHA256] = {"SHA2-256", 32},
    [CRYPTO_SHA384] = {"SHA2-384", 48}, [CRYPTO_SHA512] = {"SHA2-512", 64},
    [CRYPTO_MD5] = {"MD5", 16},
};

static const char *const cipher_names_z[SUITE_CIPHERS] = {
    [SUITE_AES128_CTR] = "AES-128-CTR", [SUITE_AES192_CTR] = "AES-192-CTR",
    [SUITE_AES256_CTR] = "AES-256-CTR", [SUITE_AES128_ECB] = "AES-128-ECB",
    [SUITE_AES128_GCM] = "AES-128-GCM", [SUITE_AES256_GCM] = "AES-256-GCM",
};

static const int curve_ids[CRYPTO_KX_GROUPS] = {
    [CRYPTO_KX_P256] = NID_X9_62_prime256v1,
    [CRYPTO_KX_P384] = NID_secp384r1,
    [CRYPTO_KX_P521] = NID_secp521r1,
};

static bool fetch_all(struct crypto_suite *suite)
{
    for (size_t i = 0; i < CRYPTO_DIGESTS; i++)
        if (!(suite->digests[i] = EVP_MD_fetch(NULL, digests[i].name_z, NULL)))
            return false;
    for (size_t i = 0; i < SUITE_CIPHERS; i++)
        if (!(suite->ciphers[i] = EVP_CIPHER_fetch(NULL, cipher_names_z[i], NULL)))
            return false;
    for (size_t i = 0; i < CRYPTO_KX_GROUPS; i++)
        if (curve_ids[i] && !(suite->curves[i] = EC_GROUP_new_by_curve_name(curve_ids[i])))
            return false;
    suite->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    return suite->hmac != NULL;
}

struct crypto_suite *crypto_suite_new(void)
{
    if (sodium_init() < 0)
        return NULL;
    struct crypto_suite *suite = calloc(1, sizeof(*suite));
    if (suite && !fetch_all(suite)) {
        crypto_suite_free(suite);
        suite = NULL;
    }
    return suite;
}

void crypto_suite_free(struct crypto_suite *suite)
{
    if (!suite)
        return;
    for (size_t i = 0; i < CRYPTO_DIGESTS; i++)
        EVP_MD_free(suite->digests[i]);
    for (size_t i = 0; i < SUITE_CIPHERS; i++)
        EVP_CIPHER_free(suite->ciphers[i]);
    for (size_t i = 0; i < CRYPTO_KX_GROUPS; i++)
        EC_GROUP_free(suite->curves[i]);
    EVP_MAC_free(suite->hmac);
    free(suite);
}

size_t crypto_digest_bytes(enum crypto_digest digest)
{
    return digests[digest].bytes;
}

/* A context of libcrypto's: the name is ours, so that no other folder sees theirs. */
static EVP_MD_CTX *context_of(struct crypto_hash *hash)
{
    return (EVP_MD_CTX *)hash;
}

struct crypto_hash *crypto_hash_new(const struct crypto_suite *suite, enum crypto_digest digest)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx && EVP_DigestInit_ex2(ctx, suite->digests[digest], NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        ctx = NULL;
    }
    return (struct crypto_hash *)ctx;
}

int crypto_hash_put(struct crypto_hash *hash, struct span bytes)
{
    return EVP_DigestUpdate(context_of(hash), bytes.data, bytes.len) == 1 ? 0 : ERR_CRYPTO;
}

int crypto_hash_end(struct crypto_hash *hash, uint8_t *out)
{
    bool good = hash && (!out || EVP_DigestFinal_ex(context_of(hash), out, NULL) == 1);
    EVP_MD_CTX_free(context_of(hash));
    return good ? 0 : ERR_CRYPTO;
}

int crypto_digest_parts(const struct crypto_suite *suite, enum crypto_digest digest,
                        const struct span *parts, size_t count, uint8_t *out)
{
    struct crypto_hash *hash = crypto_hash_new(suite, digest);
    int error = hash ? 0 : ERR_CRYPTO;
    for (size_t i = 0; error == 0 && i < count; i++)
        error = crypto_hash_put(hash, parts[i]);
    int end = crypto_hash_end(hash, error == 0 ? out : NULL);
    return error != 0 ? error : end;
}

bool crypto_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
    return sodium_memcmp(a, b, len) == 0;
}

void crypto_wipe(void *mem, size_t len)
{
    sodium_memzero(mem, len);
}
