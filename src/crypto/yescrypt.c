#include "crypto/yescrypt.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
    N = 4096,
    N_PREHASH = N / 64, /* a first hash, of less cost, is the password of the second */
    R = 32,
    BLOCK_WORDS = 16,
    WORDS = 2 * R * BLOCK_WORDS, /* of a state */
    KEY = 32,
    SALT_BYTES = 16,
    ROUNDS = 6, /* of pwxform; its other parameters: */
    GATHER = 4,
    SIMPLE = 2,
    LANES = GATHER * SIMPLE,
    BOX_PAIRS = 512, /* of each of the three boxes */
    BOXES = 3,
    BOX_MASK = 0xff0,
    BOX_BLOCKS = BOXES * BOX_PAIRS * 8 / 128, /* of 128 bytes, that fill the boxes */
    BYTES = WORDS * 4,
};

struct crypto_yescrypt {
    bool is_second;
    uint32_t n, fill, mix; /* steps done of this hash: states filled, and mixed */
    uint8_t key[KEY], salt[SALT_BYTES];
    uint8_t b[BYTES];
    uint32_t x[WORDS];
    uint64_t boxes[BOXES * BOX_PAIRS], *s[BOXES];
    size_t written; /* pairs of s[2] */
    uint32_t (*v)[WORDS];
};

/* ---- HMAC and PBKDF2 with SHA-256, one iteration ---- */

static void hmac(struct span key, struct span a, struct span b, uint8_t out[KEY])
{
    crypto_auth_hmacsha256_state state;
    (void)crypto_auth_hmacsha256_init(&state, key.data, key.len);
    (void)crypto_auth_hmacsha256_update(&state, a.data, a.len);
    (void)crypto_auth_hmacsha256_update(&state, b.data, b.len);
    (void)crypto_auth_hmacsha256_final(&state, out);
    sodium_memzero(&state, sizeof(state));
}

static void stretch(const uint8_t key[KEY], struct span salt, uint8_t *out, size_t len)
{
    for (size_t at = 0; at < len; at += KEY) {
        uint32_t i = (uint32_t)(at / KEY) + 1;
        const uint8_t number[4] = {(uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8),
                                   (uint8_t)i};
        hmac(span_of(key, KEY), salt, span_of(number, sizeof(number)), out + at);
    }
}

/* ---- Salsa20, in the order of words that suits SIMD ---- */

static uint32_t turned(uint32_t x, unsigned by)
{
    return x << by | x >> (32 - by);
}

static void quarter(uint32_t x[BLOCK_WORDS], size_t a, size_t b, size_t c, size_t d)
{
    x[b] ^= turned(x[a] + x[d], 7);
    x[c] ^= turned(x[b] + x[a], 9);
    x[d] ^= turned(x[c] + x[b], 13);
    x[a] ^= turned(x[d] + x[c], 18);
}

static void salsa20(uint32_t block[BLOCK_WORDS], unsigned rounds)
{
    uint32_t x[BLOCK_WORDS];
    for (size_t i = 0; i < BLOCK_WORDS; i++)
        x[i * 5 % BLOCK_WORDS] = block[i];
    for (unsigned round = 0; round < rounds; round += 2) {
        for (size_t i = 0; i < 4; i++) /* columns */
            quarter(x, i * 5, (i * 5 + 4) % 16, (i * 5 + 8) % 16, (i * 5 + 12) % 16);
        for (size_t i = 0; i < 4; i++) /* rows */
            quarter(x, i * 5, i * 4 + (i + 1) % 4, i * 4 + (i + 2) % 4, i * 4 + (i + 3) % 4);
    }
    for (size_t i = 0; i < BLOCK_WORDS; i++)
        block[i] += x[i * 5 % BLOCK_WORDS];
}

/* ---- Mixing a state ---- */

static void xor
    (uint32_t * to, const uint32_t *from, size_t words) {
        for (size_t i = 0; i < words; i++)
            to[i] ^= from[i];
    }

    /* BlockMix with Salsa20/8, of two blocks: what fills the boxes. */
    static void mix_pair(uint32_t b[2 * BLOCK_WORDS])
{
    xor(b, b + BLOCK_WORDS, BLOCK_WORDS);
    salsa20(b, 8);
    xor(b + BLOCK_WORDS, b, BLOCK_WORDS);
    salsa20(b + BLOCK_WORDS, 8);
}

static void pwxform(struct crypto_yescrypt *y, uint64_t x[GATHER][SIMPLE])
{
    size_t w = y->written;
    for (unsigned round = 0; round < ROUNDS; round++)
        for (size_t j = 0; j < GATHER; j++) {
            const uint64_t *p0 = y->s[0] + ((uint32_t)x[j][0] & BOX_MASK) / 8;
            const uint64_t *p1 = y->s[1] + ((x[j][0] >> 32) & BOX_MASK) / 8;
            for (size_t k = 0; k < SIMPLE; k++) {
                x[j][k] = (((x[j][k] >> 32) * (uint32_t)x[j][k]) + p0[k]) ^ p1[k];
                if (round != 0 && round != ROUNDS - 1)
                    y->s[2][w++] = x[j][k];
            }
        }
    uint64_t *last = y->s[2];
    y->s[2] = y->s[1];
    y->s[1] = y->s[0];
    y->s[0] = last;
    y->written = w % BOX_PAIRS;
}

static void mix(struct crypto_yescrypt *y)
{
    uint64_t x[GATHER][SIMPLE];
    for (size_t i = 0; i < LANES; i++) {
        const uint32_t *last = y->x + WORDS - BLOCK_WORDS + 2 * i;
        x[i / SIMPLE][i % SIMPLE] = (uint64_t)last[1] << 32 | last[0];
    }
    for (uint32_t *block = y->x; block < y->x + WORDS; block += BLOCK_WORDS) {
        for (size_t i = 0; i < LANES; i++)
            x[i / SIMPLE][i % SIMPLE] ^= (uint64_t)block[2 * i + 1] << 32 | block[2 * i];
        pwxform(y, x);
        for (size_t i = 0; i < LANES; i++) {
            block[2 * i] = (uint32_t)x[i / SIMPLE][i % SIMPLE];
            block[2 * i + 1] = (uint32_t)(x[i / SIMPLE][i % SIMPLE] >> 32);
        }
    }
    salsa20(y->x + WORDS - BLOCK_WORDS, 2);
}

/* ---- Bytes and words ---- */

static void load(const uint8_t *bytes, uint32_t *words, size_t blocks)
{
    for (size_t i = 0; i < blocks * BLOCK_WORDS; i++) {
        size_t from = i / BLOCK_WORDS * BLOCK_WORDS + i % BLOCK_WORDS * 5 % BLOCK_WORDS;
        const uint8_t *b = bytes + from * 4;
        words[i] =
            (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    }
}

static void store(const uint32_t *words, uint8_t *bytes, size_t blocks)
{
    for (size_t i = 0; i < blocks * BLOCK_WORDS; i++) {
        size_t to = i / BLOCK_WORDS * BLOCK_WORDS + i % BLOCK_WORDS * 5 % BLOCK_WORDS;
        for (size_t j = 0; j < 4; j++)
            bytes[to * 4 + j] = (uint8_t)(words[i] >> (8 * j));
    }
}

/* ---- The hash ---- */

static void fill_boxes(struct crypto_yescrypt *y)
{
    uint32_t x[2 * BLOCK_WORDS];
    load(y->b, x, 2);
    for (size_t i = 0; i < BOX_BLOCKS; i++) {
        for (size_t j = 0; j < BLOCK_WORDS; j++)
            y->boxes[i * BLOCK_WORDS + j] = (uint64_t)x[2 * j + 1] << 32 | x[2 * j];
        mix_pair(x);
    }
    store(x, y->b, 2);
    for (size_t i = 0; i < BOXES; i++)
        y->s[i] = y->boxes + (BOXES - 1 - i) * BOX_PAIRS;
    y->written = 0;
}

static void begin(struct crypto_yescrypt *y, struct span password)
{
    static const struct span name = SPAN_LIT("yescrypt-prehash");
    y->n = y->is_second ? N : N_PREHASH;
    y->fill = y->mix = 0;
    hmac(span_slice(name, 0, y->is_second ? 8 : name.len), password, span_of(NULL, 0), y->key);
    stretch(y->key, span_of(y->salt, SALT_BYTES), y->b, BYTES);
    memcpy(y->key, y->b, KEY);
    fill_boxes(y);
    hmac(span_of(y->b + BYTES - 64, 64), span_of(y->key, KEY), span_of(NULL, 0), y->key);
    load(y->b, y->x, WORDS / BLOCK_WORDS);
}

/* A number that the state says, below the largest power of two that is not above `i`, and behind what is
 * left of `i`. */
static uint32_t wrapped(uint32_t value, uint32_t i)
{
    uint32_t power = i;
    while ((power & (power - 1)) != 0)
        power &= power - 1;
    return (value & (power - 1)) + (i - power);
}

static uint32_t mixes_of(uint32_t n)
{
    return ((n + 2) / 3 + 1) & ~UINT32_C(1);
}

static void step(struct crypto_yescrypt *y)
{
    uint32_t said = y->x[WORDS - BLOCK_WORDS];
    if (y->fill < y->n) {
        memcpy(y->v[y->fill], y->x, sizeof(y->x));
        if (y->fill > 1)
            xor(y->x, y->v[wrapped(said, y->fill)], WORDS);
        y->fill++;
    } else {
        uint32_t j = said & (y->n - 1);
        xor(y->x, y->v[j], WORDS);
        memcpy(y->v[j], y->x, sizeof(y->x));
        y->mix++;
    }
    mix(y);
}

static void finish(struct crypto_yescrypt *y, uint8_t out[KEY])
{
    store(y->x, y->b, WORDS / BLOCK_WORDS);
    stretch(y->key, span_of(y->b, BYTES), out, KEY);
    if (!y->is_second)
        return;
    hmac(span_of(out, KEY), span_z("Client Key"), span_of(NULL, 0), y->key);
    (void)crypto_hash_sha256(out, y->key, KEY);
}

/* ---- Letters: six bits each, the lowest first ---- */

static const char letters[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static void encode(const uint8_t bytes[KEY], char out[CRYPTO_YESCRYPT_HASH])
{
    for (size_t i = 0; i < CRYPTO_YESCRYPT_HASH; i++) {
        size_t group = i / 4 * 3, shift = i % 4 * 6;
        uint32_t value = 0;
        for (size_t j = 0; j < 3 && group + j < KEY; j++)
            value |= (uint32_t)bytes[group + j] << (8 * j);
        out[i] = letters[value >> shift & 63];
    }
}

static bool decode(struct span text, uint8_t out[SALT_BYTES])
{
    uint32_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *at = text.data[i] != 0 ? strchr(letters, text.data[i]) : NULL;
        if (at == NULL)
            return false;
        value |= (uint32_t)(at - letters) << (i % 4 * 6);
        if (i % 4 == 3 || i == text.len - 1) {
            size_t group = i / 4 * 3;
            for (size_t j = 0; j < 3 && group + j < SALT_BYTES; j++)
                out[group + j] = (uint8_t)(value >> (8 * j));
            if (i == text.len - 1 && value > 0xff)
                return false;
            value = 0;
        }
    }
    return text.len == CRYPTO_YESCRYPT_SALT;
}

/* ---- Life ---- */

struct crypto_yescrypt *crypto_yescrypt_new(struct span password, struct span salt)
{
    struct crypto_yescrypt *y = calloc(1, sizeof(*y));
    if (y == NULL)
        return NULL;
    y->v = malloc(N * sizeof(*y->v));
    if (y->v == NULL || !decode(salt, y->salt)) {
        crypto_yescrypt_free(y);
        return NULL;
    }
    begin(y, password);
    return y;
}

void crypto_yescrypt_free(struct crypto_yescrypt *y)
{
    if (y == NULL)
        return;
    free(y->v);
    sodium_memzero(y, sizeof(*y));
    free(y);
}

bool crypto_yescrypt_run(struct crypto_yescrypt *y, uint32_t steps, char out[CRYPTO_YESCRYPT_HASH])
{
    uint8_t hash[KEY];
    for (uint32_t i = 0; i < steps; i++) {
        step(y);
        if (y->mix < mixes_of(y->n))
            continue;
        finish(y, hash);
        if (y->is_second) {
            encode(hash, out);
            return true;
        }
        y->is_second = true;
        begin(y, span_of(hash, KEY));
    }
    return false;
}
