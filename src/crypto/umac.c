/* UMAC, named as in RFC 4418: UHASH of three layers, its output hidden by a pad that the block
 * cipher makes of the nonce. All hash keys come out of the one key by the cipher, once. */
#include "crypto/umac.h"

#include "base/error.h"
#include "crypto/suite_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_BYTES = CRYPTO_AES_BLOCK_BYTES,
    STREAMS_MAX = CRYPTO_UMAC_TAG_MAX_BYTES / 4,
    L1_BYTES = 1024, /* of the message at a time */
    L1_WORDS = L1_BYTES / 4,
    L1_SHIFT_WORDS = 4, /* each stream's key begins so much later */
    NH_BYTES = 32,
    L3_WORDS = 8,
};

#define P36            UINT64_C(0xFFFFFFFFB)        /* 2^36 - 5 */
#define P64            UINT64_C(0xFFFFFFFFFFFFFFC5) /* 2^64 - 59 */
#define P64_OFFSET     59u
#define P64_WORD_RANGE UINT64_C(0xFFFFFFFF00000000)
#define L2_KEY_MASK    UINT64_C(0x01FFFFFF01FFFFFF)

struct crypto_umac {
    EVP_CIPHER_CTX *pad; /* under the key for pads */
    size_t streams;      /* one for each 4 bytes of the tag */
    uint32_t l1[L1_WORDS + (STREAMS_MAX - 1) * L1_SHIFT_WORDS];
    uint64_t l2[STREAMS_MAX];
    uint64_t l3[STREAMS_MAX][L3_WORDS];
    uint32_t l4[STREAMS_MAX];
};

/* ---- Numbers ---- */

static uint64_t big_endian(const uint8_t *bytes, size_t len)
{
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++)
        value = value << 8 | bytes[i];
    return value;
}

static void put_big_endian(uint64_t value, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(value >> (8 * (len - 1 - i)));
}

static uint32_t little_endian_u32(const uint8_t *b)
{
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* ---- Keys (section 3.2.1) ---- */

static EVP_CIPHER_CTX *open_cipher(const struct crypto_suite *suite, const uint8_t *key)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx && EVP_EncryptInit_ex2(ctx, suite->ciphers[SUITE_AES128_ECB], key, NULL, NULL) == 1 &&
        EVP_CIPHER_CTX_set_padding(ctx, 0) == 1)
        return ctx;
    EVP_CIPHER_CTX_free(ctx);
    return NULL;
}

static bool encrypt_block(EVP_CIPHER_CTX *ctx, const uint8_t in[BLOCK_BYTES],
                          uint8_t out[BLOCK_BYTES])
{
    int done;
    return EVP_EncryptUpdate(ctx, out, &done, in, BLOCK_BYTES) == 1;
}

/* KDF: `len` is a multiple of the block here. */
static bool derive(EVP_CIPHER_CTX *ctx, uint8_t index, uint8_t *out, size_t len)
{
    uint8_t block[BLOCK_BYTES] = {0};
    bool good = true;
    block[7] = index;
    for (size_t i = 0; good && i < len / BLOCK_BYTES; i++) {
        put_big_endian(i + 1, block + 8, 8);
        good = encrypt_block(ctx, block, out + i * BLOCK_BYTES);
    }
    return good;
}

static bool derive_all(struct crypto_umac *mac, const struct crypto_suite *suite,
                       EVP_CIPHER_CTX *kdf)
{
    uint8_t bytes[sizeof(mac->l1)]; /* the largest of them */
    bool good = derive(kdf, 0, bytes, CRYPTO_UMAC_KEY_BYTES);
    if (good)
        mac->pad = open_cipher(suite, bytes);
    good = mac->pad && derive(kdf, 1, bytes, sizeof(mac->l1));
    for (size_t i = 0; good && i < ARRAY_LEN(mac->l1); i++)
        mac->l1[i] = (uint32_t)big_endian(bytes + 4 * i, 4);
    good = good && derive(kdf, 2, bytes, (size_t)STREAMS_MAX * 24);
    for (size_t i = 0; good && i < STREAMS_MAX; i++)
        mac->l2[i] = big_endian(bytes + 24 * i, 8) & L2_KEY_MASK;
    good = good && derive(kdf, 3, bytes, (size_t)STREAMS_MAX * 64);
    for (size_t i = 0; good && i < (size_t)STREAMS_MAX * L3_WORDS; i++)
        mac->l3[i / L3_WORDS][i % L3_WORDS] = big_endian(bytes + 8 * i, 8) % P36;
    good = good && derive(kdf, 4, bytes, (size_t)STREAMS_MAX * 4);
    for (size_t i = 0; good && i < STREAMS_MAX; i++)
        mac->l4[i] = (uint32_t)big_endian(bytes + 4 * i, 4);
    crypto_wipe(bytes, sizeof(bytes));
    return good;
}

struct crypto_umac *crypto_umac_new(const struct crypto_suite *suite,
                                    const uint8_t key[CRYPTO_UMAC_KEY_BYTES], size_t tag_bytes)
{
    assert(tag_bytes == 8 || tag_bytes == CRYPTO_UMAC_TAG_MAX_BYTES);
    struct crypto_umac *mac = calloc(1, sizeof(*mac));
    EVP_CIPHER_CTX *kdf = mac ? open_cipher(suite, key) : NULL;
    if (!kdf || !derive_all(mac, suite, kdf)) {
        crypto_umac_free(mac);
        mac = NULL;
    }
    if (mac)
        mac->streams = tag_bytes / 4;
    EVP_CIPHER_CTX_free(kdf);
    return mac;
}

void crypto_umac_free(struct crypto_umac *mac)
{
    if (!mac)
        return;
    EVP_CIPHER_CTX_free(mac->pad);
    crypto_wipe(mac, sizeof(*mac));
    free(mac);
}

/* ---- The layers (section 5) ---- */

/* NH over a multiple of 32 bytes. */
static uint64_t hash_nh(const uint32_t *key, const uint8_t *data, size_t len)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < len / 4; i += 8)
        for (size_t j = i; j < i + 4; j++) {
            uint32_t a = little_endian_u32(data + 4 * j) + key[j];
            uint32_t b = little_endian_u32(data + 4 * (j + 4)) + key[j + 4];
            sum += (uint64_t)a * b;
        }
    return sum;
}

/* One piece of the message: full 32 bytes at a time, the last filled up with zeros. */
static uint64_t hash_l1(const uint32_t *key, struct span piece)
{
    size_t whole = piece.len / NH_BYTES * NH_BYTES;
    uint64_t sum = hash_nh(key, piece.data, whole);
    if (whole < piece.len || piece.len == 0) {
        uint8_t last[NH_BYTES] = {0};
        if (piece.len > whole)
            memcpy(last, piece.data + whole, piece.len - whole);
        sum += hash_nh(key + whole / 4, last, NH_BYTES);
    }
    return sum + piece.len * 8;
}

static uint64_t step_poly(uint64_t key, uint64_t y, uint64_t m)
{
    __extension__ unsigned __int128 product = (unsigned __int128)key * y + m;
    return (uint64_t)(product % P64);
}

static uint64_t hash_l2(uint64_t key, uint64_t y, uint64_t m)
{
    if (m < P64_WORD_RANGE)
        return step_poly(key, y, m);
    y = step_poly(key, y, P64 - 1);
    return step_poly(key, y, m - P64_OFFSET);
}

static uint32_t hash_l3(const uint64_t key[L3_WORDS], uint32_t mask, uint64_t value)
{
    uint64_t sum = 0;
    /* The upper half of the 16 bytes is zero: only the last four words count. */
    for (size_t i = 0; i < 4; i++)
        sum += (value >> (48 - 16 * i) & 0xFFFF) * key[4 + i];
    return (uint32_t)(sum % P36) ^ mask;
}

static uint32_t hash_stream(const struct crypto_umac *mac, size_t stream, struct span message)
{
    const uint32_t *key = mac->l1 + stream * L1_SHIFT_WORDS;
    uint64_t value;
    if (message.len <= L1_BYTES) {
        value = hash_l1(key, message);
    } else {
        value = 1;
        for (size_t at = 0; at < message.len; at += L1_BYTES)
            value = hash_l2(mac->l2[stream], value,
                            hash_l1(key, span_slice(message, at, at + L1_BYTES)));
    }
    return hash_l3(mac->l3[stream], mac->l4[stream], value);
}

int crypto_umac_compute(struct crypto_umac *mac, const uint8_t nonce[CRYPTO_UMAC_NONCE_BYTES],
                        struct span message, uint8_t tag[CRYPTO_UMAC_TAG_MAX_BYTES])
{
    assert(message.len <= CRYPTO_UMAC_MESSAGE_MAX_BYTES);
    uint8_t block[BLOCK_BYTES] = {0}, pad[BLOCK_BYTES];
    size_t tag_bytes = mac->streams * 4, index = 0;
    memcpy(block, nonce, CRYPTO_UMAC_NONCE_BYTES);
    /* Section 4.1: two short tags share one block of pad. */
    if (tag_bytes == 8) {
        index = block[CRYPTO_UMAC_NONCE_BYTES - 1] & 1;
        block[CRYPTO_UMAC_NONCE_BYTES - 1] &= 0xFE;
    }
    if (!encrypt_block(mac->pad, block, pad))
        return ERR_CRYPTO;
    for (size_t i = 0; i < mac->streams; i++) {
        put_big_endian(hash_stream(mac, i, message), tag + 4 * i, 4);
        for (size_t j = 4 * i; j < 4 * i + 4; j++)
            tag[j] ^= pad[index * tag_bytes + j];
    }
    return 0;
}
