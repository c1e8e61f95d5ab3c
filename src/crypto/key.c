#include "crypto/key.h"

#include "base/error.h"
#include "crypto/suite_impl.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { ECDSA_COORDINATE_BYTES = 32, ECDSA_DER_MAX_BYTES = 80, RSA_EXPONENT_MAX_BYTES = 8 };

struct crypto_key {
    enum crypto_key_type type;
    EVP_PKEY *pkey;                                      /* RSA, ECDSA */
    uint8_t ed25519[crypto_sign_ed25519_SECRETKEYBYTES]; /* seed and public half */
    uint8_t first[1 + 2 * ECDSA_COORDINATE_BYTES], second[CRYPTO_KEY_RSA_MAX_BYTES];
    size_t first_len, second_len;
};

/* A passphrase is never asked for: libcrypto would ask at a terminal. */
static int no_passphrase(char *out, int size, int writing, void *user)
{
    (void)out, (void)size, (void)writing, (void)user;
    return -1;
}

static EVP_PKEY *read_pem(struct span pem)
{
    BIO *bio = pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
    EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    return pkey;
}

static int get_number(const EVP_PKEY *pkey, const char *name_z, uint8_t *out, size_t max,
                      size_t *len)
{
    BIGNUM *number = NULL;
    int err = ERR_MALFORMED;
    if (EVP_PKEY_get_bn_param(pkey, name_z, &number) == 1 && (size_t)BN_num_bytes(number) <= max) {
        *len = (size_t)BN_bn2bin(number, out);
        err = 0;
    }
    BN_free(number);
    return err;
}

static int load_rsa(struct crypto_key *key)
{
    key->type = CRYPTO_KEY_RSA;
    int err = get_number(key->pkey, OSSL_PKEY_PARAM_RSA_E, key->first, RSA_EXPONENT_MAX_BYTES,
                         &key->first_len);
    return err < 0 ? err
                   : get_number(key->pkey, OSSL_PKEY_PARAM_RSA_N, key->second, sizeof(key->second),
                                &key->second_len);
}

static int load_ecdsa(struct crypto_key *key)
{
    char curve_z[32];
    size_t len;
    key->type = CRYPTO_KEY_ECDSA_P256;
    if (EVP_PKEY_get_group_name(key->pkey, curve_z, sizeof(curve_z), &len) != 1 ||
        strcmp(curve_z, SN_X9_62_prime256v1) != 0)
        return ERR_MALFORMED;
    if (EVP_PKEY_get_octet_string_param(key->pkey, OSSL_PKEY_PARAM_PUB_KEY, key->first,
                                        sizeof(key->first), &key->first_len) != 1 ||
        key->first_len != sizeof(key->first))
        return ERR_MALFORMED;
    return 0;
}

static int load_ed25519(struct crypto_key *key)
{
    uint8_t seed[crypto_sign_ed25519_SEEDBYTES];
    size_t len = sizeof(seed);
    key->type = CRYPTO_KEY_ED25519;
    if (EVP_PKEY_get_raw_private_key(key->pkey, seed, &len) != 1 || len != sizeof(seed))
        return ERR_MALFORMED;
    crypto_sign_ed25519_seed_keypair(key->first, key->ed25519, seed);
    key->first_len = crypto_sign_ed25519_PUBLICKEYBYTES;
    sodium_memzero(seed, sizeof(seed));
    return 0;
}

static int load_any(struct crypto_key *key)
{
    switch (EVP_PKEY_get_base_id(key->pkey)) {
    case EVP_PKEY_RSA: return load_rsa(key);
    case EVP_PKEY_EC: return load_ecdsa(key);
    case EVP_PKEY_ED25519: return load_ed25519(key);
    default: return ERR_MALFORMED;
    }
}

struct crypto_key *crypto_key_load(struct span pem, int *err)
{
    struct crypto_key *key = calloc(1, sizeof(*key));
    if (!key) {
        *err = ERR_NOMEM;
        return NULL;
    }
    key->pkey = read_pem(pem);
    *err = key->pkey ? load_any(key) : ERR_MALFORMED;
    if (*err < 0) {
        crypto_key_free(key);
        return NULL;
    }
    return key;
}

void crypto_key_free(struct crypto_key *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->pkey);
    crypto_wipe(key, sizeof(*key));
    free(key);
}

/* ---- Public halves ---- */

static EVP_PKEY *from_params(const char *kind_z, OSSL_PARAM_BLD *builder)
{
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, kind_z, NULL);
    if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return pkey;
}

static EVP_PKEY *public_rsa(struct span e, struct span n)
{
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    BIGNUM *exponent = BN_bin2bn(e.data, (int)e.len, NULL);
    BIGNUM *modulus = BN_bin2bn(n.data, (int)n.len, NULL);
    if (builder && exponent && modulus &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) == 1)
        pkey = from_params("RSA", builder);
    BN_free(exponent);
    BN_free(modulus);
    OSSL_PARAM_BLD_free(builder);
    return pkey;
}

static EVP_PKEY *public_ecdsa(struct span point)
{
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (builder &&
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, SN_X9_62_prime256v1,
                                        0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point.data, point.len) ==
            1)
        pkey = from_params("EC", builder);
    OSSL_PARAM_BLD_free(builder);
    return pkey;
}

/* Whether the numbers have lengths that such a key may have; larger ones only cost time. */
static bool is_sized(enum crypto_key_type type, struct span first, struct span second)
{
    switch (type) {
    case CRYPTO_KEY_RSA:
        return first.len > 0 && first.len <= RSA_EXPONENT_MAX_BYTES &&
               second.len >= CRYPTO_KEY_RSA_MIN_BYTES && second.len <= CRYPTO_KEY_RSA_MAX_BYTES;
    case CRYPTO_KEY_ECDSA_P256: return first.len == 1 + 2 * ECDSA_COORDINATE_BYTES;
    default: return first.len == crypto_sign_ed25519_PUBLICKEYBYTES;
    }
}

struct crypto_key *crypto_key_new_public(enum crypto_key_type type, struct span first,
                                         struct span second, int *err)
{
    *err = ERR_MALFORMED;
    if (!is_sized(type, first, second))
        return NULL;
    struct crypto_key *key = calloc(1, sizeof(*key));
    *err = key ? 0 : ERR_NOMEM;
    if (!key)
        return NULL;
    key->type = type;
    if (type == CRYPTO_KEY_RSA)
        key->pkey = public_rsa(first, second);
    else if (type == CRYPTO_KEY_ECDSA_P256)
        key->pkey = public_ecdsa(first);
    memcpy(key->first, first.data, first.len);
    key->first_len = first.len;
    if (type == CRYPTO_KEY_RSA) {
        memcpy(key->second, second.data, second.len);
        key->second_len = second.len;
    }
    if (type != CRYPTO_KEY_ED25519 && !key->pkey) {
        crypto_key_free(key);
        *err = ERR_MALFORMED;
        return NULL;
    }
    return key;
}

static EVP_PKEY *generate(enum crypto_key_type type, unsigned bits)
{
    switch (type) {
    case CRYPTO_KEY_RSA: return EVP_RSA_gen(bits);
    case CRYPTO_KEY_ECDSA_P256: return EVP_EC_gen("P-256");
    default: return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    }
}

int crypto_key_generate(enum crypto_key_type type, unsigned bits, struct buffer *pem)
{
    int err = ERR_CRYPTO;
    char *text;
    EVP_PKEY *pkey = generate(type, bits);
    BIO *bio = BIO_new(BIO_s_secmem());
    if (pkey && bio &&
        PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, no_passphrase, NULL) == 1) {
        long len = BIO_get_mem_data(bio, &text);
        err = buffer_put(pem, span_of(text, (size_t)len));
    }
    BIO_free(bio);
    EVP_PKEY_free(pkey);
    return err;
}

enum crypto_key_type crypto_key_type(const struct crypto_key *key)
{
    return key->type;
}

void crypto_key_public(const struct crypto_key *key, struct span *first, struct span *second)
{
    *first = span_of(key->first, key->first_len);
    *second = span_of(key->second, key->second_len);
}

int crypto_key_secret(const struct crypto_key *key, enum crypto_key_secret secret,
                      struct buffer *out)
{
    static const char *const names_z[CRYPTO_KEY_SECRETS] = {
        [CRYPTO_KEY_D] = OSSL_PKEY_PARAM_RSA_D,
        [CRYPTO_KEY_INVERSE] = OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
        [CRYPTO_KEY_P] = OSSL_PKEY_PARAM_RSA_FACTOR1,
        [CRYPTO_KEY_Q] = OSSL_PKEY_PARAM_RSA_FACTOR2,
    };
    uint8_t number[CRYPTO_KEY_RSA_MAX_BYTES];
    size_t len = 0;
    if (key->type == CRYPTO_KEY_ED25519)
        return buffer_put(out, span_of(key->ed25519, sizeof(key->ed25519)));
    const char *name_z = key->type == CRYPTO_KEY_RSA ? names_z[secret] : OSSL_PKEY_PARAM_PRIV_KEY;
    int err = get_number(key->pkey, name_z, number, sizeof(number), &len);
    err = err < 0 ? ERR_CRYPTO : buffer_put(out, span_of(number, len));
    crypto_wipe(number, sizeof(number));
    return err;
}

/* ASN.1 SEQUENCE { r, s } to two numbers of fixed width. */
static int split_ecdsa(const uint8_t *der, size_t der_len, uint8_t *out)
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)der_len);
    bool good = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, ECDSA_COORDINATE_BYTES) > 0 &&
                BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + ECDSA_COORDINATE_BYTES,
                             ECDSA_COORDINATE_BYTES) > 0;
    ECDSA_SIG_free(sig);
    return good ? 0 : ERR_CRYPTO;
}

static int sign_pkey(const struct crypto_suite *suite, EVP_PKEY *pkey, enum crypto_digest digest,
                     struct span message, uint8_t *out, size_t *len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx &&
                EVP_DigestSignInit_ex(ctx, NULL, EVP_MD_get0_name(suite->digests[digest]), NULL,
                                      NULL, pkey, NULL) == 1 &&
                EVP_DigestSign(ctx, out, len, message.data, message.len) == 1;
    EVP_MD_CTX_free(ctx);
    return good ? 0 : ERR_CRYPTO;
}

int crypto_key_sign(const struct crypto_suite *suite, const struct crypto_key *key,
                    enum crypto_digest digest, struct span message,
                    uint8_t signature[CRYPTO_KEY_SIGNATURE_MAX_BYTES], size_t *signature_len)
{
    *signature_len = CRYPTO_KEY_SIGNATURE_MAX_BYTES;
    if (key->type == CRYPTO_KEY_RSA)
        return sign_pkey(suite, key->pkey, digest, message, signature, signature_len);
    if (key->type == CRYPTO_KEY_ED25519) {
        unsigned long long len;
        crypto_sign_ed25519_detached(signature, &len, message.data, message.len, key->ed25519);
        *signature_len = (size_t)len;
        return 0;
    }
    uint8_t der[ECDSA_DER_MAX_BYTES];
    size_t der_len = sizeof(der);
    int err = sign_pkey(suite, key->pkey, CRYPTO_SHA256, message, der, &der_len);
    *signature_len = (size_t)2 * ECDSA_COORDINATE_BYTES;
    return err < 0 ? err : split_ecdsa(der, der_len, signature);
}

static int verify_pkey(const struct crypto_suite *suite, EVP_PKEY *pkey, enum crypto_digest digest,
                       struct span message, struct span signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good =
        ctx &&
        EVP_DigestVerifyInit_ex(ctx, NULL, EVP_MD_get0_name(suite->digests[digest]), NULL, NULL,
                                pkey, NULL) == 1 &&
        EVP_DigestVerify(ctx, signature.data, signature.len, message.data, message.len) == 1;
    EVP_MD_CTX_free(ctx);
    return good ? 0 : ERR_AUTH;
}

static int verify_ecdsa(const struct crypto_suite *suite, const struct crypto_key *key,
                        struct span message, struct span signature)
{
    int err = ERR_AUTH;
    uint8_t *der = NULL;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature.data, ECDSA_COORDINATE_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(signature.data + ECDSA_COORDINATE_BYTES, ECDSA_COORDINATE_BYTES, NULL);
    if (!sig || !r || !s || ECDSA_SIG_set0(sig, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        goto out;
    }
    int len = i2d_ECDSA_SIG(sig, &der);
    if (len > 0)
        err = verify_pkey(suite, key->pkey, CRYPTO_SHA256, message, span_of(der, (size_t)len));
out:
    OPENSSL_free(der);
    ECDSA_SIG_free(sig);
    return err;
}

int crypto_key_verify(const struct crypto_suite *suite, const struct crypto_key *key,
                      enum crypto_digest digest, struct span message, struct span signature)
{
    if (key->type == CRYPTO_KEY_RSA)
        return verify_pkey(suite, key->pkey, digest, message, signature);
    if (key->type == CRYPTO_KEY_ED25519)
        return signature.len == crypto_sign_ed25519_BYTES &&
                       crypto_sign_ed25519_verify_detached(signature.data, message.data,
                                                           message.len, key->first) == 0
                   ? 0
                   : ERR_AUTH;
    if (signature.len != (size_t)2 * ECDSA_COORDINATE_BYTES)
        return ERR_AUTH;
    return verify_ecdsa(suite, key, message, signature);
}
