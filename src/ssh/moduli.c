#include "ssh/moduli.h"

/* The columns of a line: time, type, tests, tries, size, generator, modulus. */
enum { TYPE_SAFE = 2, COLUMNS = 7, COLUMN_TYPE = 1, COLUMN_SIZE = 4, COLUMN_GENERATOR = 5 };

static struct span take_until(struct span *rest, uint8_t byte)
{
    ptrdiff_t at = span_find(*rest, byte, 0);
    size_t len = at < 0 ? rest->len : (size_t)at;
    struct span taken = span_slice(*rest, 0, len);
    *rest = span_slice(*rest, len + 1, rest->len);
    return taken;
}

/* A short decimal number; 0 for anything else. */
static uint32_t number(struct span text)
{
    uint32_t value = 0;
    if (text.len > 6)
        return 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return 0;
        value = value * 10 + (uint32_t)(text.data[i] - '0');
    }
    return value;
}

static int digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_hex(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (digit(text.data[i]) < 0)
            return false;
    return text.len > 0 && text.len % 2 == 0 && text.len / 2 <= SSH_MODULUS_MAX_BYTES;
}

static bool parse_line(struct span line, struct ssh_modulus *modulus)
{
    struct span column[COLUMNS];
    for (size_t i = 0; i < COLUMNS; i++)
        column[i] = take_until(&line, ' ');
    modulus->bits = number(column[COLUMN_SIZE]) + 1; /* the file counts from zero */
    modulus->generator = number(column[COLUMN_GENERATOR]);
    modulus->hex = column[COLUMNS - 1];
    return number(column[COLUMN_TYPE]) == TYPE_SAFE && modulus->bits >= SSH_MODULUS_MIN_BITS &&
           modulus->generator >= 2 && modulus->generator < 256 && is_hex(modulus->hex) &&
           modulus->hex.len * 4 == modulus->bits && digit(modulus->hex.data[0]) >= 8;
}

void ssh_moduli_parse(struct span text, struct ssh_moduli *moduli)
{
    moduli->count = 0;
    while (text.len && moduli->count < SSH_MODULI_MAX) {
        struct span line = take_until(&text, '\n');
        moduli->count += parse_line(line, &moduli->all[moduli->count]);
    }
}

/* The size that is chosen; 0: none. */
static uint32_t choose_size(const struct ssh_moduli *moduli, uint32_t min, uint32_t wanted,
                            uint32_t max)
{
    uint32_t best = 0;
    for (size_t i = 0; i < moduli->count; i++) {
        uint32_t bits = moduli->all[i].bits;
        if (bits < min || bits > max)
            continue;
        bool closer = best < wanted ? bits > best : bits >= wanted && bits < best;
        if (closer)
            best = bits;
    }
    return best;
}

const struct ssh_modulus *ssh_moduli_choose(const struct ssh_moduli *moduli, uint32_t min,
                                            uint32_t wanted, uint32_t max, struct crypto_rng *rng)
{
    uint32_t size = choose_size(moduli, min, wanted, max), count = 0;
    for (size_t i = 0; i < moduli->count; i++)
        count += moduli->all[i].bits == size;
    uint32_t pick = count ? crypto_rng_u32(rng) % count : 0;
    for (size_t i = 0; count && i < moduli->count; i++)
        if (moduli->all[i].bits == size && pick-- == 0)
            return &moduli->all[i];
    return NULL;
}

const struct ssh_modulus *ssh_moduli_fallback(uint32_t max)
{
    static const struct ssh_modulus groups[] = {
        {.bits = 2048, .generator = 2, .group = CRYPTO_KX_MODP2048},
        {.bits = 4096, .generator = 2, .group = CRYPTO_KX_MODP4096},
        {.bits = 8192, .generator = 2, .group = CRYPTO_KX_MODP8192},
    };
    return &groups[max < 3072 ? 0 : max < 6144 ? 1 : 2];
}

size_t ssh_modulus_prime(const struct ssh_modulus *modulus, uint8_t out[SSH_MODULUS_MAX_BYTES])
{
    struct span hex = modulus->hex;
    if (hex.len == 0)
        return crypto_kx_prime(modulus->group, out);
    for (size_t i = 0; i < hex.len / 2; i++)
        out[i] =
            (uint8_t)((unsigned)digit(hex.data[2 * i]) << 4 | (unsigned)digit(hex.data[2 * i + 1]));
    return hex.len / 2;
}
