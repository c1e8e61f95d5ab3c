#include "crypto/mac.h"

#include "base/error.h"
#include "crypto/suite_impl.h"

#include <stdlib.h>

struct crypto_hmac {
    EVP_MAC_CTX *ctx;
};

struct crypto_hmac *crypto_hmac_new(const struct crypto_suite *suite, enum crypto_digest digest,
                                    struct span key)
{
    struct crypto_hmac *mac = calloc(1, sizeof(*mac));
    if (!mac)
        return NULL;
    /* The parameter is declared writable but only read. */
    char *digest_z = (char *)(uintptr_t)EVP_MD_get0_name(suite->digests[digest]);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_z, 0),
        OSSL_PARAM_construct_end(),
    };
    mac->ctx = EVP_MAC_CTX_new(suite->hmac);
    if (!mac->ctx || EVP_MAC_init(mac->ctx, key.data, key.len, params) != 1) {
        crypto_hmac_free(mac);
        return NULL;
    }
    return mac;
}

void crypto_hmac_free(struct crypto_hmac *mac)
{
    if (mac)
        EVP_MAC_CTX_free(mac->ctx);
    free(mac);
}

int crypto_hmac_compute(struct crypto_hmac *mac, const struct span *parts, size_t count,
                        uint8_t *out)
{
    size_t len;
    /* No key: the one given first is taken again, without being scheduled again. */
    bool good = EVP_MAC_init(mac->ctx, NULL, 0, NULL) == 1;
    for (size_t i = 0; good && i < count; i++)
        good = EVP_MAC_update(mac->ctx, parts[i].data, parts[i].len) == 1;
    good = good && EVP_MAC_final(mac->ctx, out, &len, CRYPTO_DIGEST_MAX_BYTES) == 1;
    return good ? 0 : ERR_CRYPTO;
}
