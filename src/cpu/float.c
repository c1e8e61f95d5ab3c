/* A value is taken apart into sign, exponent and a 64-bit significand whose highest bit is set; what
 * an operation loses below it sticks in the lowest bit; and round_pack puts it together again. */
#include "cpu/float.h"

__extension__ typedef unsigned __int128 wide;

struct cpu_float_format {
    unsigned fraction; /* bits of it */
    int bias;
    unsigned width; /* of all */
};

const struct cpu_float_format cpu_float_single = {23, 127, 32};
const struct cpu_float_format cpu_float_double = {52, 1023, 64};

enum class { ZERO, NUMBER, INFINITE, QUIET_NAN, SIGNALLING_NAN };

struct parts {
    enum class class;
    bool sign;
    int exp;       /* of the highest bit: NUMBER is frac / 2^63 * 2^exp */
    uint64_t frac; /* NaNs: the fraction as it stands */
};

static uint64_t fraction_mask(const struct cpu_float_format *fmt)
{
    return (UINT64_C(1) << fmt->fraction) - 1;
}

static uint64_t exp_max(const struct cpu_float_format *fmt)
{
    return (uint64_t)fmt->bias * 2 + 1;
}

static uint64_t signed_bits(const struct cpu_float_format *fmt, bool sign, uint64_t rest)
{
    return (uint64_t)sign << (fmt->width - 1) | rest;
}

static uint64_t infinity(const struct cpu_float_format *fmt, bool sign)
{
    return signed_bits(fmt, sign, exp_max(fmt) << fmt->fraction);
}

static uint64_t largest(const struct cpu_float_format *fmt, bool sign)
{
    return infinity(fmt, sign) - 1;
}

/* MIPS: all ones but the first bit of the fraction; ARM: that bit alone. */
static uint64_t default_nan(const struct cpu_float *env, const struct cpu_float_format *fmt)
{
    uint64_t others = fraction_mask(fmt) >> 1;
    return infinity(fmt, false) | (env->rules == CPU_FLOAT_ARM ? others + 1 : others);
}

uint64_t cpu_float_one(const struct cpu_float_format *fmt)
{
    return (uint64_t)fmt->bias << fmt->fraction;
}

static struct parts unpack(struct cpu_float *env, const struct cpu_float_format *fmt, uint64_t bits)
{
    uint64_t exp = bits >> fmt->fraction & exp_max(fmt), frac = bits & fraction_mask(fmt);
    struct parts p = {.sign = bits >> (fmt->width - 1) & 1, .frac = frac};
    if (exp == exp_max(fmt)) {
        bool first = frac >> (fmt->fraction - 1);
        bool signals = first == (env->rules == CPU_FLOAT_MIPS);
        p.class = frac == 0 ? INFINITE : signals ? SIGNALLING_NAN : QUIET_NAN;
        return p;
    }
    if (exp == 0 && frac != 0 && env->flush && env->rules == CPU_FLOAT_ARM) {
        env->flags |= CPU_FLOAT_DENORMAL;
        return p;
    }
    if (exp == 0 && frac == 0)
        return p;
    p.class = NUMBER;
    if (exp == 0)
        exp = 1;
    else
        frac |= UINT64_C(1) << fmt->fraction;
    int zeroes = __builtin_clzll(frac);
    p.frac = frac << zeroes;
    p.exp = (int)exp - fmt->bias + 63 - (int)fmt->fraction - zeroes;
    return p;
}

/* Right by `count`; bits that fall off stick. */
static uint64_t shift_jam(uint64_t value, int count)
{
    if (count == 0)
        return value;
    if (count > 63)
        return value != 0;
    return value >> count | ((value << (64 - count)) != 0);
}

/* What is added below the last bit that stays (its value is `unit`) before the rest is cut off. */
static uint64_t rounding_of(const struct cpu_float *env, bool sign, uint64_t frac, uint64_t unit)
{
    switch (env->rounding) {
    case CPU_FLOAT_TO_ZERO: return 0;
    case CPU_FLOAT_UP: return sign ? 0 : unit - 1;
    case CPU_FLOAT_DOWN: return sign ? unit - 1 : 0;
    case CPU_FLOAT_NEAREST: break;
    }
    return unit / 2 - !(frac & unit); /* a tie goes to the even one */
}

static uint64_t overflow(struct cpu_float *env, const struct cpu_float_format *fmt, bool sign)
{
    env->flags |= CPU_FLOAT_OVERFLOW | CPU_FLOAT_INEXACT;
    bool away = env->rounding == CPU_FLOAT_NEAREST ||
                env->rounding == (sign ? CPU_FLOAT_DOWN : CPU_FLOAT_UP);
    return away ? infinity(fmt, sign) : largest(fmt, sign);
}

/* Below the smallest normal number. Tiny is, by MIPS' rules, what is so also after rounding without a
 * limit. */
static uint64_t pack_small(struct cpu_float *env, const struct cpu_float_format *fmt,
                           const struct parts *p)
{
    unsigned drop = 63 - fmt->fraction;
    uint64_t unit = UINT64_C(1) << drop;
    uint64_t carried = p->frac + rounding_of(env, p->sign, p->frac, unit);
    bool arm = env->rules == CPU_FLOAT_ARM;
    bool tiny = arm || p->exp < -fmt->bias || carried >= p->frac;
    if (env->flush && tiny) {
        env->flags |= CPU_FLOAT_UNDERFLOW | (arm ? 0u : CPU_FLOAT_INEXACT);
        return signed_bits(fmt, p->sign, 0);
    }
    uint64_t frac = shift_jam(p->frac, 1 - fmt->bias - p->exp);
    if (frac & (unit - 1))
        env->flags |= CPU_FLOAT_INEXACT | (tiny ? CPU_FLOAT_UNDERFLOW : 0u);
    frac += rounding_of(env, p->sign, frac, unit);
    return signed_bits(fmt, p->sign, frac >> drop); /* a carry makes it the smallest normal one */
}

static uint64_t round_pack(struct cpu_float *env, const struct cpu_float_format *fmt,
                           const struct parts *p)
{
    if (p->exp < 1 - fmt->bias)
        return pack_small(env, fmt, p);
    unsigned drop = 63 - fmt->fraction;
    uint64_t unit = UINT64_C(1) << drop, frac = p->frac;
    bool inexact = (frac & (unit - 1)) != 0;
    int exp = p->exp;
    frac += rounding_of(env, p->sign, frac, unit);
    if (frac < p->frac) { /* carried out: a power of two */
        frac = UINT64_C(1) << 63;
        exp++;
    }
    if (exp > fmt->bias)
        return overflow(env, fmt, p->sign);
    if (inexact)
        env->flags |= CPU_FLOAT_INEXACT;
    uint64_t biased = (uint64_t)exp + (uint64_t)fmt->bias;
    return signed_bits(fmt, p->sign,
                       (biased << fmt->fraction) + (frac >> drop & fraction_mask(fmt)));
}

/* Of a value of 128 bits, not 0, whose highest bit would stand for 2^exp. */
static struct parts normal(bool sign, int exp, wide value)
{
    uint64_t high = (uint64_t)(value >> 64);
    int zeroes = high ? __builtin_clzll(high) : 64 + __builtin_clzll((uint64_t)value);
    value <<= zeroes;
    return (struct parts){.class = NUMBER,
                          .sign = sign,
                          .exp = exp - zeroes,
                          .frac = (uint64_t)(value >> 64) | ((uint64_t)value != 0)};
}

static uint64_t invalid(struct cpu_float *env, const struct cpu_float_format *fmt)
{
    env->flags |= CPU_FLOAT_INVALID;
    return default_nan(env, fmt);
}

static bool is_nan(const struct parts *p)
{
    return p->class >= QUIET_NAN;
}

static uint64_t quieted(const struct cpu_float_format *fmt, const struct parts *nan)
{
    return infinity(fmt, nan->sign) | nan->frac | UINT64_C(1) << (fmt->fraction - 1);
}

/* The result when one of them is a NaN: the first, unless one signals. */
static uint64_t nan_of(struct cpu_float *env, const struct cpu_float_format *fmt,
                       const struct parts *a, const struct parts *b)
{
    bool signals = a->class == SIGNALLING_NAN || b->class == SIGNALLING_NAN;
    if (signals)
        env->flags |= CPU_FLOAT_INVALID;
    if (env->default_nan || (signals && env->rules == CPU_FLOAT_MIPS))
        return default_nan(env, fmt);
    if (signals)
        return quieted(fmt, a->class == SIGNALLING_NAN ? a : b);
    const struct parts *nan = is_nan(a) ? a : b;
    return infinity(fmt, nan->sign) | nan->frac;
}

static uint64_t add_numbers(struct cpu_float *env, const struct cpu_float_format *fmt,
                            struct parts a, struct parts b)
{
    if (a.exp < b.exp || (a.exp == b.exp && a.frac < b.frac)) {
        struct parts swap = a;
        a = b;
        b = swap;
    }
    int distance = a.exp - b.exp;
    wide x = (wide)a.frac << 63, y = (wide)b.frac << 63;
    if (distance > 126)
        y = 1;
    else if (distance > 0)
        y = y >> distance | ((y << (128 - distance)) != 0);
    wide sum = a.sign == b.sign ? x + y : x - y;
    if (sum == 0)
        return signed_bits(fmt, env->rounding == CPU_FLOAT_DOWN, 0);
    struct parts p = normal(a.sign, a.exp + 1, sum);
    return round_pack(env, fmt, &p);
}

static uint64_t add_parts(struct cpu_float *env, const struct cpu_float_format *fmt,
                          const struct parts *a, const struct parts *b)
{
    if (is_nan(a) || is_nan(b))
        return nan_of(env, fmt, a, b);
    if (a->class == INFINITE || b->class == INFINITE) {
        if (a->class == b->class && a->sign != b->sign)
            return invalid(env, fmt);
        return infinity(fmt, a->class == INFINITE ? a->sign : b->sign);
    }
    if (a->class == ZERO && b->class == ZERO) {
        bool sign = a->sign == b->sign ? a->sign : env->rounding == CPU_FLOAT_DOWN;
        return signed_bits(fmt, sign, 0);
    }
    if (a->class == ZERO || b->class == ZERO)
        return round_pack(env, fmt, a->class == ZERO ? b : a);
    return add_numbers(env, fmt, *a, *b);
}

uint64_t cpu_float_add(struct cpu_float *env, const struct cpu_float_format *fmt, uint64_t a,
                       uint64_t b)
{
    struct parts x = unpack(env, fmt, a), y = unpack(env, fmt, b);
    return add_parts(env, fmt, &x, &y);
}

uint64_t cpu_float_sub(struct cpu_float *env, const struct cpu_float_format *fmt, uint64_t a,
                       uint64_t b)
{
    struct parts x = unpack(env, fmt, a), y = unpack(env, fmt, b);
    if (!is_nan(&y))
        y.sign = !y.sign;
    return add_parts(env, fmt, &x, &y);
}

uint64_t cpu_float_mul(struct cpu_float *env, const struct cpu_float_format *fmt, uint64_t a,
                       uint64_t b)
{
    struct parts x = unpack(env, fmt, a), y = unpack(env, fmt, b);
    bool sign = x.sign != y.sign;
    if (is_nan(&x) || is_nan(&y))
        return nan_of(env, fmt, &x, &y);
    if (x.class == INFINITE || y.class == INFINITE) {
        if (x.class == ZERO || y.class == ZERO)
            return invalid(env, fmt);
        return infinity(fmt, sign);
    }
    if (x.class == ZERO || y.class == ZERO)
        return signed_bits(fmt, sign, 0);
    struct parts p = normal(sign, x.exp + y.exp + 1, (wide)x.frac * y.frac);
    return round_pack(env, fmt, &p);
}

uint64_t cpu_float_div(struct cpu_float *env, const struct cpu_float_format *fmt, uint64_t a,
                       uint64_t b)
{
    struct parts x = unpack(env, fmt, a), y = unpack(env, fmt, b);
    bool sign = x.sign != y.sign;
    if (is_nan(&x) || is_nan(&y))
        return nan_of(env, fmt, &x, &y);
    if (x.class == y.class && x.class != NUMBER)
        return invalid(env, fmt); /* 0/0, inf/inf */
    if (x.class == INFINITE)
        return infinity(fmt, sign);
    if (x.class == ZERO || y.class == INFINITE)
        return signed_bits(fmt, sign, 0);
    if (y.class == ZERO) {
        env->flags |= CPU_FLOAT_DIVIDE;
        return infinity(fmt, sign);
    }
    wide quotient = ((wide)x.frac << 63) / y.frac, rest = ((wide)x.frac << 63) % y.frac;
    /* The quotient is below 2^64; its bit 63 stands for 2^(difference of exponents). */
    struct parts p = normal(sign, x.exp - y.exp, quotient << 64 | (rest != 0));
    return round_pack(env, fmt, &p);
}

/* The root of `value`, cut off, bit by bit; *exact says whether nothing was left. */
static uint64_t root(wide value, bool *exact)
{
    wide rest = value, result = 0;
    for (wide bit = (wide)1 << 126; bit; bit >>= 2) {
        if (rest >= result + bit) {
            rest -= result + bit;
            result = (result >> 1) + bit;
        } else {
            result >>= 1;
        }
    }
    *exact = rest == 0;
    return (uint64_t)result;
}

uint64_t cpu_float_sqrt(struct cpu_float *env, const struct cpu_float_format *fmt, uint64_t a)
{
    struct parts x = unpack(env, fmt, a);
    if (is_nan(&x))
        return nan_of(env, fmt, &x, &x);
    if (x.class == ZERO)
        return signed_bits(fmt, x.sign, 0);
    if (x.sign)
        return invalid(env, fmt);
    if (x.class == INFINITE)
        return a;
    bool odd = x.exp & 1, exact;
    uint64_t result = root((wide)x.frac << (odd ? 64 : 63), &exact);
    struct parts p = normal(false, (x.exp - odd) / 2, (wide)result << 64 | !exact);
    return round_pack(env, fmt, &p);
}

/* A NaN of another format: the fraction's highest bits stay; nothing must not become an infinity. */
static uint64_t convert_nan(struct cpu_float *env, const struct cpu_float_format *from,
                            const struct cpu_float_format *to, struct parts *nan)
{
    bool signals = nan->class == SIGNALLING_NAN;
    if (signals)
        env->flags |= CPU_FLOAT_INVALID;
    if (env->default_nan || (signals && env->rules == CPU_FLOAT_MIPS))
        return default_nan(env, to);
    nan->frac = to->fraction > from->fraction ? nan->frac << (to->fraction - from->fraction)
                                              : nan->frac >> (from->fraction - to->fraction);
    if (env->rules == CPU_FLOAT_ARM)
        return quieted(to, nan);
    return nan->frac ? infinity(to, nan->sign) | nan->frac : default_nan(env, to);
}

uint64_t cpu_float_convert(struct cpu_float *env, const struct cpu_float_format *from,
                           const struct cpu_float_format *to, uint64_t a)
{
    struct parts x = unpack(env, from, a);
    switch (x.class) {
    case ZERO: return signed_bits(to, x.sign, 0);
    case INFINITE: return infinity(to, x.sign);
    case NUMBER: return round_pack(env, to, &x);
    default: return convert_nan(env, from, to, &x);
    }
}

uint64_t cpu_float_from_fixed(struct cpu_float *env, const struct cpu_float_format *fmt,
                              int64_t value, unsigned fraction_bits)
{
    if (value == 0)
        return 0;
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    struct parts p = normal(value < 0, 127 - (int)fraction_bits, magnitude);
    return round_pack(env, fmt, &p);
}

uint64_t cpu_float_from_int(struct cpu_float *env, const struct cpu_float_format *fmt,
                            int64_t value)
{
    return cpu_float_from_fixed(env, fmt, value, 0);
}

/* The magnitude as a whole number; false: 2^64 or more. */
static bool round_to_whole(struct cpu_float *env, const struct parts *x, uint64_t *out)
{
    if (x->exp > 63)
        return false;
    wide value = (wide)x->frac << 32; /* the whole part will stand above bit 32 */
    int shift = 63 - x->exp;
    uint64_t lost = shift > 95 ? 1 : (value & (((wide)1 << shift) - 1)) != 0;
    value = (shift > 95 ? 0 : value >> shift) | lost;
    const uint64_t unit = UINT64_C(1) << 32;
    if ((uint64_t)value & (unit - 1))
        env->flags |= CPU_FLOAT_INEXACT;
    value += rounding_of(env, x->sign, (uint64_t)value, unit);
    *out = (uint64_t)(value >> 32);
    return value >> 96 == 0;
}

int64_t cpu_float_to_int(struct cpu_float *env, const struct cpu_float_format *fmt, uint64_t a,
                         unsigned bits)
{
    const uint64_t limit = UINT64_C(1) << (bits - 1);
    struct parts x = unpack(env, fmt, a);
    uint64_t whole = 0;
    unsigned before = env->flags;
    if (x.class == ZERO)
        return 0;
    if (x.class == NUMBER && round_to_whole(env, &x, &whole) && whole <= limit - !x.sign)
        return x.sign ? (int64_t)(0 - whole) : (int64_t)whole;
    env->flags = before | CPU_FLOAT_INVALID;
    return (int64_t)(limit - 1);
}

int64_t cpu_float_to_fixed(struct cpu_float *env, const struct cpu_float_format *fmt, uint64_t a,
                           unsigned bits, bool is_signed, unsigned fraction_bits)
{
    struct parts x = unpack(env, fmt, a);
    const uint64_t most = (UINT64_C(1) << (bits - is_signed)) - 1;
    const uint64_t limit = x.sign ? (is_signed ? most + 1 : 0) : most;
    uint64_t whole = 0;
    unsigned before = env->flags;
    if (x.class == ZERO)
        return 0;
    x.exp += (int)fraction_bits;
    if (x.class != NUMBER || !round_to_whole(env, &x, &whole) || whole > limit) {
        env->flags = before | CPU_FLOAT_INVALID;
        whole = is_nan(&x) ? 0 : limit;
    }
    return x.sign ? (int64_t)(0 - whole) : (int64_t)whole;
}

/* -1, 0 or 1 of two that are no NaNs. */
static int order_of(const struct cpu_float_format *fmt, uint64_t a, uint64_t b)
{
    uint64_t sign = UINT64_C(1) << (fmt->width - 1);
    if (((a | b) & ~sign) == 0)
        return 0;
    int64_t x = (int64_t)(a & ~sign), y = (int64_t)(b & ~sign);
    x = a & sign ? -x : x;
    y = b & sign ? -y : y;
    return (x > y) - (x < y);
}

enum cpu_float_order cpu_float_compare(struct cpu_float *env, const struct cpu_float_format *fmt,
                                       uint64_t a, uint64_t b, bool signalling)
{
    struct parts x = unpack(env, fmt, a), y = unpack(env, fmt, b);
    if (is_nan(&x) || is_nan(&y)) {
        if (signalling || x.class == SIGNALLING_NAN || y.class == SIGNALLING_NAN)
            env->flags |= CPU_FLOAT_INVALID;
        return CPU_FLOAT_UNORDERED;
    }
    a = x.class == ZERO ? 0 : a;
    b = y.class == ZERO ? 0 : b;
    return (enum cpu_float_order)(order_of(fmt, a, b) + CPU_FLOAT_EQUAL);
}
