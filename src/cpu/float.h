/* Binary floating point of IEEE 754 in integers: every rounding mode, every flag, no host's unit.
 * For processors whose arithmetic is not the host's (their NaNs are others, and the compiler may not
 * be asked to honour modes). Values are the bits of binary32 or binary64 in a uint64_t.
 *
 * Source: IEEE 754-2008; what it leaves open (NaNs, when a result is tiny) by the processor's rules. */
#ifndef CPU_FLOAT_H
#define CPU_FLOAT_H

#include <stdbool.h>
#include <stdint.h>

enum cpu_float_rounding {
    CPU_FLOAT_NEAREST,
    CPU_FLOAT_TO_ZERO,
    CPU_FLOAT_UP,
    CPU_FLOAT_DOWN,
};

enum cpu_float_rules {
    /* MIPS before its revision 6: the first bit of a NaN's fraction is 1 when it signals, and an
     * operation that met a signalling NaN gives the default one. Tiny after rounding. */
    CPU_FLOAT_MIPS,
    /* ARM's VFP: the bit is 0 when it signals; the first signalling operand, made quiet, goes before
     * the first quiet one. Tiny before rounding. What does not fit in an integer is the nearest one
     * that does, and a NaN is 0. */
    CPU_FLOAT_ARM,
};

enum cpu_float_flag {
    CPU_FLOAT_INEXACT = 1,
    CPU_FLOAT_UNDERFLOW = 2,
    CPU_FLOAT_OVERFLOW = 4,
    CPU_FLOAT_DIVIDE = 8,
    CPU_FLOAT_INVALID = 16,
    CPU_FLOAT_DENORMAL = 32, /* ARM: an operand was flushed */
};

struct cpu_float {
    enum cpu_float_rounding rounding;
    enum cpu_float_rules rules;
    bool flush;       /* tiny results become zero; ARM: tiny operands as well */
    bool default_nan; /* ARM: every NaN that results is the default one */
    unsigned flags;   /* CPU_FLOAT_*: added to, never cleared */
};

struct cpu_float_format;
extern const struct cpu_float_format cpu_float_single, cpu_float_double;

uint64_t cpu_float_add(struct cpu_float *env, const struct cpu_float_format *fmt, uint64_t a,
                       uint64_t b);
uint64_t cpu_float_sub(struct cpu_float *env, const struct cpu_float_format *fmt, uint64_t a,
                       uint64_t b);
uint64_t cpu_float_mul(struct cpu_float *env, const struct cpu_float_format *fmt, uint64_t a,
                       uint64_t b);
uint64_t cpu_float_div(struct cpu_float *env, const struct cpu_float_format *fmt, uint64_t a,
                       uint64_t b);
uint64_t cpu_float_sqrt(struct cpu_float *env, const struct cpu_float_format *fmt, uint64_t a);
uint64_t cpu_float_one(const struct cpu_float_format *fmt);

/* From one format to the other. */
uint64_t cpu_float_convert(struct cpu_float *env, const struct cpu_float_format *from,
                           const struct cpu_float_format *to, uint64_t a);
uint64_t cpu_float_from_int(struct cpu_float *env, const struct cpu_float_format *fmt,
                            int64_t value);
/* value / 2^fraction_bits. */
uint64_t cpu_float_from_fixed(struct cpu_float *env, const struct cpu_float_format *fmt,
                              int64_t value, unsigned fraction_bits);
/* Rounded as env says. What does not fit in `bits` (32 or 64), and NaNs: invalid, and the largest
 * number of so many bits. */
int64_t cpu_float_to_int(struct cpu_float *env, const struct cpu_float_format *fmt, uint64_t a,
                         unsigned bits);
/* a * 2^fraction_bits, rounded as env says, by ARM's rules: what does not fit in `bits` (16 or 32) is
 * invalid. */
int64_t cpu_float_to_fixed(struct cpu_float *env, const struct cpu_float_format *fmt, uint64_t a,
                           unsigned bits, bool is_signed, unsigned fraction_bits);

enum cpu_float_order {
    CPU_FLOAT_LESS,
    CPU_FLOAT_EQUAL,
    CPU_FLOAT_GREATER,
    CPU_FLOAT_UNORDERED,
};
/* Invalid: a signalling NaN, or any NaN when `signalling`. */
enum cpu_float_order cpu_float_compare(struct cpu_float *env, const struct cpu_float_format *fmt,
                                       uint64_t a, uint64_t b, bool signalling);

#endif
