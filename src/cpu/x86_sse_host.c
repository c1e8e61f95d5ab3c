/* Floating point of the vector registers, by the host's own instructions.
 *
 * Why assembler in an interpreter of plain C: rounding, NaNs, denormals and the exception flags are
 * then exact by construction and cost nothing, where C's operators leave them to the compiler. What
 * stands here are fixed instructions on values; nothing of a guest's code is ever executed. Another
 * host replaces this one file (and x86_fpu_host.c); all else is plain C. */
#include "cpu/x86_sse_host.h"

#include <stddef.h>
#include <string.h>
#include <xmmintrin.h>

#ifndef __x86_64__
#error "write this file for your host: its interface is x86_sse_host.h"
#endif

/* What the host's register holds while a guest runs: the guest's rounding and denormal modes, and
 * every exception masked, for the host itself must never trap. */
static uint32_t host_mode(uint32_t mxcsr)
{
    return (mxcsr & X86_MXCSR_VALID) | X86_MXCSR_MASKS;
}

static uint32_t mxcsr_read(void)
{
    uint32_t value;
    __asm__ volatile("stmxcsr %0" : "=m"(value));
    return value;
}

static void mxcsr_write(uint32_t value)
{
    __asm__ volatile("ldmxcsr %0" : : "m"(value));
}

uint32_t x86_float_enter(uint32_t mxcsr)
{
    uint32_t saved = mxcsr_read();
    mxcsr_write(host_mode(mxcsr));
    return saved;
}

uint32_t x86_float_flags(void)
{
    return mxcsr_read() & X86_MXCSR_FLAGS;
}

void x86_float_leave(uint32_t saved)
{
    mxcsr_write(saved);
}

/* `op xmm, xmm`, both operands whole. */
#define OP(name, instruction)                                       \
    static void name(union x86_vec *d, const union x86_vec *s)      \
    {                                                               \
        __m128 a = _mm_loadu_ps((const float *)(const void *)d);    \
        __m128 b = _mm_loadu_ps((const float *)(const void *)s);    \
        __asm__ volatile(instruction " %1, %0" : "+x"(a) : "x"(b)); \
        _mm_storeu_ps((float *)(void *)d, a);                       \
    }

/* The same for one element: nothing but that is touched, for a read of the whole register behind
 * a write of its low part waits until that is out of the host's store buffer. */
#define SCALAR(name, instruction, to, from)                         \
    static void name(union x86_vec *d, const union x86_vec *s)      \
    {                                                               \
        to a;                                                       \
        from b;                                                     \
        memcpy(&a, d, sizeof(a));                                   \
        memcpy(&b, s, sizeof(b));                                   \
        __asm__ volatile(instruction " %1, %0" : "+x"(a) : "x"(b)); \
        memcpy(d, &a, sizeof(a));                                   \
    }

#define OP_EACH(name)                          \
    OP(name##ps, #name "ps")                   \
    OP(name##pd, #name "pd")                   \
    SCALAR(name##ss, #name "ss", float, float) \
    SCALAR(name##sd, #name "sd", double, double)

OP_EACH(sqrt)
OP_EACH(add)
OP_EACH(mul)
OP_EACH(sub)
OP_EACH(min)
OP_EACH(div)
OP_EACH(max)
OP(rsqrtps, "rsqrtps")
SCALAR(rsqrtss, "rsqrtss", float, float)
OP(rcpps, "rcpps")
SCALAR(rcpss, "rcpss", float, float)
OP(cvtps2pd, "cvtps2pd")
OP(cvtpd2ps, "cvtpd2ps")
SCALAR(cvtss2sd, "cvtss2sd", double, float)
SCALAR(cvtsd2ss, "cvtsd2ss", float, double)
OP(cvtdq2ps, "cvtdq2ps")
OP(cvtps2dq, "cvtps2dq")
OP(cvttps2dq, "cvttps2dq")
OP(cvttpd2dq, "cvttpd2dq")
OP(cvtdq2pd, "cvtdq2pd")
OP(cvtpd2dq, "cvtpd2dq")

#define EACH(name)                             \
    {                                          \
        name##ps, name##pd, name##ss, name##sd \
    }

const x86_vec_fn x86_float_ops[256][4] = {
    [0x51] = EACH(sqrt),
    [0x52] = {rsqrtps, NULL, rsqrtss, NULL},
    [0x53] = {rcpps, NULL, rcpss, NULL},
    [0x58] = EACH(add),
    [0x59] = EACH(mul),
    [0x5a] = {cvtps2pd, cvtpd2ps, cvtss2sd, cvtsd2ss},
    [0x5b] = {cvtdq2ps, cvtps2dq, cvttps2dq, NULL},
    [0x5c] = EACH(sub),
    [0x5d] = EACH(min),
    [0x5e] = EACH(div),
    [0x5f] = EACH(max),
    [0xe6] = {NULL, cvttpd2dq, cvtdq2pd, cvtpd2dq},
};

/* The eight predicates of cmpps and its like. */
#define CMP(suffix, number) OP(cmp##suffix##_##number, "cmp" #suffix " $" #number ",")
#define CMP_EACH(suffix) \
    CMP(suffix, 0)       \
    CMP(suffix, 1)       \
    CMP(suffix, 2) CMP(suffix, 3) CMP(suffix, 4) CMP(suffix, 5) CMP(suffix, 6) CMP(suffix, 7)
#define CMP_ROW(suffix)                                                                      \
    {                                                                                        \
        cmp##suffix##_0, cmp##suffix##_1, cmp##suffix##_2, cmp##suffix##_3, cmp##suffix##_4, \
            cmp##suffix##_5, cmp##suffix##_6, cmp##suffix##_7                                \
    }

CMP_EACH(ps)
CMP_EACH(pd)
CMP_EACH(ss)
CMP_EACH(sd)

const x86_vec_fn x86_float_cmp[4][8] = {CMP_ROW(ps), CMP_ROW(pd), CMP_ROW(ss), CMP_ROW(sd)};

/* Comparisons that set ZF, PF and CF. */
#define COMPARE(name, type)                                               \
    static uint32_t name(const union x86_vec *a, const union x86_vec *b)  \
    {                                                                     \
        type x, y;                                                        \
        uint8_t zero, parity, carry;                                      \
        memcpy(&x, a, sizeof(x));                                         \
        memcpy(&y, b, sizeof(y));                                         \
        __asm__ volatile(#name " %4, %3"                                  \
                         : "=@ccz"(zero), "=@ccp"(parity), "=@ccc"(carry) \
                         : "x"(x), "x"(y));                               \
        return (uint32_t)(zero << 6 | parity << 2 | carry);               \
    }

COMPARE(ucomiss, float)
COMPARE(ucomisd, double)
COMPARE(comiss, float)
COMPARE(comisd, double)

const x86_float_compare_fn x86_float_compare[2][2] = {{ucomiss, ucomisd}, {comiss, comisd}};

/* Integers of the general registers to floats and back. */
#define FROM_INT(name, instruction, to, from)                                 \
    static void name(union x86_vec *d, uint64_t value)                        \
    {                                                                         \
        to a = 0;                                                             \
        __asm__ volatile(instruction " %1, %0" : "+x"(a) : "r"((from)value)); \
        memcpy(d, &a, sizeof(a));                                             \
    }

FROM_INT(si32_to_ss, "cvtsi2ssl", float, uint32_t)
FROM_INT(si64_to_ss, "cvtsi2ssq", float, uint64_t)
FROM_INT(si32_to_sd, "cvtsi2sdl", double, uint32_t)
FROM_INT(si64_to_sd, "cvtsi2sdq", double, uint64_t)

const x86_float_from_int_fn x86_float_from_int[2][2] = {{si32_to_ss, si64_to_ss},
                                                        {si32_to_sd, si64_to_sd}};

#define TO_INT(name, instruction, to, from)                             \
    static uint64_t name(const union x86_vec *s)                        \
    {                                                                   \
        from a;                                                         \
        to value;                                                       \
        memcpy(&a, s, sizeof(a));                                       \
        __asm__ volatile(instruction " %1, %0" : "=r"(value) : "x"(a)); \
        return value;                                                   \
    }

TO_INT(ss_to_si32, "cvtss2si", uint32_t, float)
TO_INT(ss_to_si64, "cvtss2si", uint64_t, float)
TO_INT(sd_to_si32, "cvtsd2si", uint32_t, double)
TO_INT(sd_to_si64, "cvtsd2si", uint64_t, double)
TO_INT(ss_cut_si32, "cvttss2si", uint32_t, float)
TO_INT(ss_cut_si64, "cvttss2si", uint64_t, float)
TO_INT(sd_cut_si32, "cvttsd2si", uint32_t, double)
TO_INT(sd_cut_si64, "cvttsd2si", uint64_t, double)

const x86_float_to_int_fn x86_float_to_int[2][2][2] = {
    {{ss_to_si32, ss_to_si64}, {sd_to_si32, sd_to_si64}},
    {{ss_cut_si32, ss_cut_si64}, {sd_cut_si32, sd_cut_si64}},
};
