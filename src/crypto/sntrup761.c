/* Names as in the NTRU Prime document: polynomials modulo x^p - x - 1 with coefficients modulo q
 * (centred on zero), or small ones of -1, 0 and 1 of which w are not zero. The work does not depend
 * on secret values but by their sum. */
#include "crypto/sntrup761.h"

#include "base/error.h"

#include <string.h>

enum {
    P = 761,
    Q = 4591,
    Q_HALF = (Q - 1) / 2,
    W = 286,
    ROUNDED_RANGE = (Q + 2) / 3,
    ENCODE_LIMIT = 16384,
    SMALL_BYTES = (P + 3) / 4,
    ROUNDED_BYTES = 1007,
    HASH_BYTES = 32,
};

/* ---- Encoding rows of numbers below given limits (section 4 of the document) ---- */

/* Writes r[i] < m[i]; both arrays are used up. Returns where it ended. */
static uint8_t *encode(uint8_t *out, uint16_t *r, uint16_t *m, size_t len)
{
    while (len > 1) {
        size_t half = 0;
        for (size_t i = 0; i + 1 < len; i += 2) {
            uint32_t value = r[i] + (uint32_t)r[i + 1] * m[i];
            uint32_t limit = (uint32_t)m[i + 1] * m[i];
            for (; limit >= ENCODE_LIMIT; limit = (limit + 255) >> 8) {
                *out++ = (uint8_t)value;
                value >>= 8;
            }
            r[half] = (uint16_t)value;
            m[half++] = (uint16_t)limit;
        }
        if (len % 2) {
            r[half] = r[len - 1];
            m[half++] = m[len - 1];
        }
        len = half;
    }
    for (uint32_t limit = m[0], value = r[0]; limit > 1; limit = (limit + 255) >> 8) {
        *out++ = (uint8_t)value;
        value >>= 8;
    }
    return out;
}

/* The way back, level by level. The limits of each level and the low bytes that it took are kept
 * until the level above is known. */
enum { LEVELS = 11, NUMBERS_MAX = 2 * P + LEVELS };

struct level {
    size_t first, len; /* of its numbers in the arrays below */
};

struct decoder {
    uint16_t limit[NUMBERS_MAX];
    uint32_t value[NUMBERS_MAX];
    uint32_t low[NUMBERS_MAX],
        low_range[NUMBERS_MAX]; /* of the pair that begins at an even place */
    struct level level[LEVELS];
};

/* Goes up one level: takes the pairs' low bytes off the input. */
static const uint8_t *go_up(struct decoder *d, const struct level *below, struct level *above,
                            const uint8_t *in)
{
    above->first = below->first + below->len;
    above->len = 0;
    for (size_t i = 0; i + 1 < below->len; i += 2) {
        size_t at = below->first + i;
        uint32_t limit = (uint32_t)d->limit[at] * d->limit[at + 1];
        d->low[at] = 0;
        d->low_range[at] = 1;
        for (; limit >= ENCODE_LIMIT; limit = (limit + 255) >> 8) {
            d->low[at] += *in++ * d->low_range[at];
            d->low_range[at] <<= 8;
        }
        d->limit[above->first + above->len++] = (uint16_t)limit;
    }
    if (below->len % 2)
        d->limit[above->first + above->len++] = d->limit[below->first + below->len - 1];
    return in;
}

static void go_down(struct decoder *d, const struct level *below, const struct level *above)
{
    for (size_t i = 0; i + 1 < below->len; i += 2) {
        size_t at = below->first + i;
        uint32_t value = d->low[at] + d->low_range[at] * d->value[above->first + i / 2];
        d->value[at] = value % d->limit[at];
        d->value[at + 1] = value / d->limit[at] % d->limit[at + 1];
    }
    if (below->len % 2)
        d->value[below->first + below->len - 1] = d->value[above->first + above->len - 1];
}

/* P numbers below Q. */
static void decode(struct decoder *d, const uint8_t *in)
{
    size_t top = 0;
    d->level[0] = (struct level){.first = 0, .len = P};
    for (size_t i = 0; i < P; i++)
        d->limit[i] = Q;
    for (; d->level[top].len > 1; top++)
        in = go_up(d, &d->level[top], &d->level[top + 1], in);
    size_t last = d->level[top].first;
    uint32_t value = 0, shift = 0;
    for (uint32_t limit = d->limit[last]; limit > 1; limit = (limit + 255) >> 8, shift += 8)
        value |= (uint32_t)*in++ << shift;
    d->value[last] = value % d->limit[last];
    while (top-- > 0)
        go_down(d, &d->level[top], &d->level[top + 1]);
}

/* ---- Polynomials ---- */

/* Puts the smaller of two first, in a time that does not tell which it was. */
static void exchange(uint32_t *a, uint32_t *b)
{
    uint32_t swap = (uint32_t) - (int32_t)(*b < *a) & (*a ^ *b);
    *a ^= swap;
    *b ^= swap;
}

/* Batcher's merge exchange (Knuth, 5.2.2, algorithm M): its steps do not depend on the numbers. */
static void sort(uint32_t *values, size_t len)
{
    size_t top = 1;
    while (top * 2 < len)
        top *= 2;
    for (size_t p = top; p > 0; p /= 2) {
        size_t r = 0, d = p;
        for (size_t q = top;; q /= 2) {
            for (size_t i = 0; i + d < len; i++)
                if ((i & p) == r)
                    exchange(&values[i], &values[i + d]);
            if (q == p)
                break;
            d = q - p;
            r = p;
        }
    }
}

/* p random numbers, w of them marked as signs and the others as zeros, in random order. */
static void draw_short(struct crypto_rng *rng, int8_t small[P])
{
    uint32_t values[P];
    crypto_rng_bytes(rng, values, sizeof(values));
    for (size_t i = 0; i < P; i++)
        values[i] = i < W ? values[i] & ~UINT32_C(1) : (values[i] & ~UINT32_C(3)) | 1;
    sort(values, P);
    for (size_t i = 0; i < P; i++)
        small[i] = (int8_t)((int)(values[i] & 3) - 1);
    crypto_wipe(values, sizeof(values));
}

static void multiply(const int16_t a[P], const int8_t small[P], int32_t product[P])
{
    int32_t c[2 * P] = {0};
    for (size_t i = 0; i < P; i++)
        for (size_t j = 0; j < P; j++)
            c[i + j] += a[j] * small[i];
    /* x^p = x + 1 */
    for (size_t i = 2 * P - 2; i >= P; i--) {
        c[i - P] += c[i];
        c[i - P + 1] += c[i];
    }
    memcpy(product, c, P * sizeof(c[0]));
    crypto_wipe(c, sizeof(c));
}

/* To the range around zero. */
static int32_t centre(int32_t value)
{
    value %= Q;
    if (value > Q_HALF)
        value -= Q;
    if (value < -Q_HALF)
        value += Q;
    return value;
}

/* Each coefficient of h * r rounded to a multiple of three, and its third written. */
static void encrypt(const uint8_t *public_key, const int8_t small[P], uint8_t *out)
{
    struct decoder decoder;
    int16_t h[P];
    int32_t product[P];
    uint16_t r[P], m[P];
    decode(&decoder, public_key);
    for (size_t i = 0; i < P; i++)
        h[i] = (int16_t)((int32_t)decoder.value[i] - Q_HALF);
    multiply(h, small, product);
    for (size_t i = 0; i < P; i++) {
        int32_t up = centre(product[i]) + Q_HALF + 1; /* from 1: rounding is then to below */
        r[i] = (uint16_t)(up / 3);
        m[i] = ROUNDED_RANGE;
    }
    encode(out, r, m, P);
    crypto_wipe(product, sizeof(product));
    crypto_wipe(r, sizeof(r));
}

static void encode_small(const int8_t small[P], uint8_t out[SMALL_BYTES])
{
    memset(out, 0, SMALL_BYTES);
    for (size_t i = 0; i < P; i++)
        out[i / 4] |= (uint8_t)((small[i] + 1) << (2 * (i % 4)));
}

/* ---- The key encapsulation ---- */

/* The first half of SHA-512 over a prefix and two parts. */
static int hash(const struct crypto_suite *suite, uint8_t prefix, struct span a, struct span b,
                uint8_t out[HASH_BYTES])
{
    uint8_t digest[CRYPTO_DIGEST_MAX_BYTES];
    struct span parts[] = {span_of(&prefix, 1), a, b};
    int err = crypto_digest_parts(suite, CRYPTO_SHA512, parts, ARRAY_LEN(parts), digest);
    memcpy(out, digest, HASH_BYTES);
    crypto_wipe(digest, sizeof(digest));
    return err;
}

int crypto_sntrup761_encapsulate(const struct crypto_suite *suite, struct crypto_rng *rng,
                                 const uint8_t public_key[CRYPTO_SNTRUP761_PUBLIC_BYTES],
                                 uint8_t cipher[CRYPTO_SNTRUP761_CIPHER_BYTES],
                                 uint8_t secret[CRYPTO_SNTRUP761_SECRET_BYTES])
{
    static const struct span none = {NULL, 0};
    int8_t small[P];
    uint8_t encoded[SMALL_BYTES], of_small[HASH_BYTES], of_key[HASH_BYTES];
    draw_short(rng, small);
    encode_small(small, encoded);
    encrypt(public_key, small, cipher);
    int err = hash(suite, 3, span_of(encoded, sizeof(encoded)), none, of_small);
    if (err == 0)
        err = hash(suite, 4, span_of(public_key, CRYPTO_SNTRUP761_PUBLIC_BYTES), none, of_key);
    if (err == 0)
        err = hash(suite, 2, span_of(of_small, HASH_BYTES), span_of(of_key, HASH_BYTES),
                   cipher + ROUNDED_BYTES);
    if (err == 0)
        err = hash(suite, 1, span_of(of_small, HASH_BYTES),
                   span_of(cipher, CRYPTO_SNTRUP761_CIPHER_BYTES), secret);
    crypto_wipe(small, sizeof(small));
    crypto_wipe(encoded, sizeof(encoded));
    crypto_wipe(of_small, sizeof(of_small));
    return err;
}
