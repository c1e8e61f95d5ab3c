#include "crypto/kx.h"

#include "base/error.h"
#include "crypto/suite_impl.h"

#include <sodium.h>

/* Private exponents for the MODP groups: twice the strength of the largest key derived. */
enum { MODP_PRIVATE_BYTES = 64 };

void crypto_kx_wipe(struct crypto_kx *kx)
{
    crypto_wipe(kx, sizeof(*kx));
}

/* ---- X25519 ---- */

static int generate_x25519(struct crypto_rng *rng, struct crypto_kx *kx)
{
    crypto_rng_bytes(rng, kx->private, crypto_scalarmult_SCALARBYTES);
    crypto_scalarmult_base(kx->public, kx->private);
    kx->public_len = crypto_scalarmult_BYTES;
    return 0;
}

static int derive_x25519(const struct crypto_kx *kx, struct span peer, uint8_t *secret,
                         size_t *secret_len)
{
    /* The library refuses an all-zero result (RFC 7748, section 6.1). */
    if (peer.len != crypto_scalarmult_BYTES ||
        crypto_scalarmult(secret, kx->private, peer.data) != 0)
        return ERR_MALFORMED;
    *secret_len = crypto_scalarmult_BYTES;
    return 0;
}

/* ---- NIST curves ---- */

static size_t field_bytes(const EC_GROUP *curve)
{
    return ((size_t)EC_GROUP_get_degree(curve) + 7) / 8;
}

/* A scalar from 1 to n - 1, by drawing again until it is in range. */
static int draw_scalar(const EC_GROUP *curve, struct crypto_rng *rng, uint8_t *out, BIGNUM *scalar)
{
    const BIGNUM *order = EC_GROUP_get0_order(curve);
    size_t bytes = field_bytes(curve);
    int top_bits = BN_num_bits(order) % 8;
    do {
        crypto_rng_bytes(rng, out, bytes);
        if (top_bits)
            out[0] &= (uint8_t)((1u << top_bits) - 1);
        if (!BN_bin2bn(out, (int)bytes, scalar))
            return ERR_CRYPTO;
    } while (BN_is_zero(scalar) || BN_cmp(scalar, order) >= 0);
    return 0;
}

static int generate_curve(const EC_GROUP *curve, struct crypto_rng *rng, struct crypto_kx *kx)
{
    int err = ERR_CRYPTO;
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *scalar = BN_secure_new();
    EC_POINT *point = EC_POINT_new(curve);
    if (!ctx || !scalar || !point || draw_scalar(curve, rng, kx->private, scalar) < 0)
        goto out;
    BN_set_flags(scalar, BN_FLG_CONSTTIME);
    if (EC_POINT_mul(curve, point, scalar, NULL, NULL, ctx) != 1)
        goto out;
    kx->public_len = EC_POINT_point2oct(curve, point, POINT_CONVERSION_UNCOMPRESSED, kx->public,
                                        sizeof(kx->public), ctx);
    err = kx->public_len ? 0 : ERR_CRYPTO;
out:
    EC_POINT_free(point);
    BN_clear_free(scalar);
    BN_CTX_free(ctx);
    return err;
}

static int derive_curve(const EC_GROUP *curve, const struct crypto_kx *kx, struct span peer,
                        uint8_t *secret, size_t *secret_len)
{
    size_t bytes = field_bytes(curve);
    if (peer.len != 1 + 2 * bytes || peer.data[0] != POINT_CONVERSION_UNCOMPRESSED)
        return ERR_MALFORMED;
    int err = ERR_CRYPTO;
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *scalar = BN_secure_new(), *x = BN_secure_new();
    EC_POINT *point = EC_POINT_new(curve), *product = EC_POINT_new(curve);
    if (!ctx || !scalar || !x || !point || !product)
        goto out;
    /* Also checks that the point is on the curve; the cofactor is 1. */
    if (EC_POINT_oct2point(curve, point, peer.data, peer.len, ctx) != 1) {
        err = ERR_MALFORMED;
        goto out;
    }
    if (!BN_bin2bn(kx->private, (int)bytes, scalar))
        goto out;
    BN_set_flags(scalar, BN_FLG_CONSTTIME);
    if (EC_POINT_mul(curve, product, NULL, point, scalar, ctx) != 1 ||
        EC_POINT_get_affine_coordinates(curve, product, x, NULL, ctx) != 1 ||
        BN_bn2binpad(x, secret, (int)bytes) < 0)
        goto out;
    *secret_len = bytes;
    err = 0;
out:
    EC_POINT_clear_free(product);
    EC_POINT_free(point);
    BN_clear_free(x);
    BN_clear_free(scalar);
    BN_CTX_free(ctx);
    return err;
}

/* ---- MODP ---- */

static BIGNUM *modp_prime(const struct crypto_kx *kx)
{
    switch (kx->group) {
    case CRYPTO_KX_DH: return BN_bin2bn(kx->prime.data, (int)kx->prime.len, NULL);
    case CRYPTO_KX_MODP2048: return BN_get_rfc3526_prime_2048(NULL);
    case CRYPTO_KX_MODP4096: return BN_get_rfc3526_prime_4096(NULL);
    default: return BN_get_rfc3526_prime_8192(NULL);
    }
}

/* result = base ^ private mod p */
static int modp_power(const struct crypto_kx *kx, const BIGNUM *base, const BIGNUM *prime,
                      BIGNUM *result)
{
    int err = ERR_CRYPTO;
    BN_CTX *ctx = BN_CTX_secure_new();
    BIGNUM *exponent = BN_secure_new();
    if (!ctx || !exponent || !BN_bin2bn(kx->private, MODP_PRIVATE_BYTES, exponent))
        goto out;
    BN_set_flags(exponent, BN_FLG_CONSTTIME);
    if (BN_mod_exp(result, base, exponent, prime, ctx) == 1)
        err = 0;
out:
    BN_clear_free(exponent);
    BN_CTX_free(ctx);
    return err;
}

/* 1 < e < p - 1 */
static bool is_good_public(const BIGNUM *e, const BIGNUM *prime)
{
    BIGNUM *last = BN_dup(prime);
    bool good =
        last && BN_sub_word(last, 1) && BN_cmp(e, BN_value_one()) > 0 && BN_cmp(e, last) < 0;
    BN_free(last);
    return good;
}

static int generate_modp(struct crypto_rng *rng, uint32_t base, struct crypto_kx *kx)
{
    int err = ERR_CRYPTO;
    BIGNUM *prime = modp_prime(kx);
    BIGNUM *generator = BN_new(), *public = BN_new();
    if (!prime || !generator || !public || !BN_set_word(generator, base))
        goto out;
    crypto_rng_bytes(rng, kx->private, MODP_PRIVATE_BYTES);
    err = modp_power(kx, generator, prime, public);
    if (err == 0)
        kx->public_len = (size_t)BN_bn2bin(public, kx->public);
out:
    BN_free(public);
    BN_free(generator);
    BN_free(prime);
    return err;
}

static int derive_modp(const struct crypto_kx *kx, struct span peer, uint8_t *secret,
                       size_t *secret_len)
{
    if (peer.len > CRYPTO_KX_PUBLIC_MAX_BYTES)
        return ERR_MALFORMED;
    int err = ERR_CRYPTO;
    BIGNUM *prime = modp_prime(kx);
    BIGNUM *e = BN_bin2bn(peer.data, (int)peer.len, NULL), *shared = BN_secure_new();
    if (!prime || !e || !shared)
        goto out;
    if (!is_good_public(e, prime)) {
        err = ERR_MALFORMED;
        goto out;
    }
    err = modp_power(kx, e, prime, shared);
    if (err == 0) {
        int bytes = BN_num_bytes(prime);
        *secret_len = (size_t)bytes;
        err = BN_bn2binpad(shared, secret, bytes) == bytes ? 0 : ERR_CRYPTO;
    }
out:
    BN_clear_free(shared);
    BN_free(e);
    BN_free(prime);
    return err;
}

/* ---- */

size_t crypto_kx_prime(enum crypto_kx_group group, uint8_t prime[CRYPTO_KX_PUBLIC_MAX_BYTES])
{
    BIGNUM *number = modp_prime(&(struct crypto_kx){.group = group});
    size_t len = number ? (size_t)BN_bn2bin(number, prime) : 0;
    BN_free(number);
    return len;
}

int crypto_kx_generate(const struct crypto_suite *suite, enum crypto_kx_group group,
                       struct crypto_rng *rng, struct crypto_kx *kx)
{
    *kx = (struct crypto_kx){.group = group};
    if (group == CRYPTO_KX_X25519)
        return generate_x25519(rng, kx);
    if (suite->curves[group])
        return generate_curve(suite->curves[group], rng, kx);
    return generate_modp(rng, 2, kx);
}

int crypto_kx_generate_dh(struct crypto_rng *rng, struct span prime, uint32_t generator,
                          struct crypto_kx *kx)
{
    *kx = (struct crypto_kx){.group = CRYPTO_KX_DH, .prime = prime};
    return prime.len <= CRYPTO_KX_PUBLIC_MAX_BYTES ? generate_modp(rng, generator, kx) : ERR_CRYPTO;
}

int crypto_kx_derive(const struct crypto_suite *suite, const struct crypto_kx *kx, struct span peer,
                     uint8_t secret[CRYPTO_KX_PUBLIC_MAX_BYTES], size_t *secret_len)
{
    if (kx->group == CRYPTO_KX_X25519)
        return derive_x25519(kx, peer, secret, secret_len);
    if (suite->curves[kx->group])
        return derive_curve(suite->curves[kx->group], kx, peer, secret, secret_len);
    return derive_modp(kx, peer, secret, secret_len);
}
