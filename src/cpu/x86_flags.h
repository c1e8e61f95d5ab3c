/* The status flags, kept as the last result and its carries and worked out when asked for.
 *
 * flag_result, sign-extended to 64 bits, gives ZF (all zero), SF (top bit) and PF (parity of the
 * low byte). flag_carry gives CF in bit 63, CF xor OF in bit 62 (the carry into the sign, for an
 * addition), AF in bit 3; and what a result alone cannot say, when flags are set one by one: bit 0
 * inverts SF, bits 8 to 15 are xored to the byte that PF is taken from. */
#ifndef CPU_X86_FLAGS_H
#define CPU_X86_FLAGS_H

#include "cpu/x86_internal.h"

enum {
    X86_CF = 0x1,
    X86_PF = 0x4,
    X86_AF = 0x10,
    X86_ZF = 0x40,
    X86_SF = 0x80,
    X86_DF = 0x400,
    X86_OF = 0x800,
    X86_STATUS = X86_CF | X86_PF | X86_AF | X86_ZF | X86_SF | X86_OF,
    X86_SETTABLE = X86_DF | 0x4000 | 0x40000 | 0x200000, /* DF, NT, AC, ID */
    X86_ALWAYS = 0x202,                                  /* bit 1, IF */
};

#define X86_CARRY_CF  (UINT64_C(1) << 63)
#define X86_CARRY_CXO (UINT64_C(1) << 62) /* CF xor OF */
#define X86_CARRY_AF  (UINT64_C(1) << 3)

/* Carries out of each bit of an operation on `bits` bits, put where flag_carry wants them. */
static inline uint64_t x86_carries(uint64_t out, unsigned bits)
{
    return ((out << (64 - bits)) | out) & (X86_CARRY_CF | X86_CARRY_CXO | X86_CARRY_AF);
}

/* All values zero-extended. */
static inline uint64_t x86_carries_add(uint64_t a, uint64_t b, uint64_t sum, unsigned bits)
{
    return x86_carries((a & b) | ((a | b) & ~sum), bits);
}

static inline uint64_t x86_carries_sub(uint64_t a, uint64_t b, uint64_t difference, unsigned bits)
{
    return x86_carries((~a & b) | ((~a | b) & difference), bits);
}

/* CF and OF as said, AF clear. */
static inline uint64_t x86_carry_of(bool cf, bool of)
{
    return ((uint64_t)cf << 63) | ((uint64_t)(cf != of) << 62);
}

/* The carries of inc and dec: CF stays as it was. */
static inline uint64_t x86_carries_keep_cf(uint64_t before, uint64_t carries)
{
    uint64_t cf = before & X86_CARRY_CF;
    uint64_t of = (carries ^ (carries << 1)) & X86_CARRY_CF;
    return cf | ((cf ^ of) >> 1) | (carries & X86_CARRY_AF);
}

static inline bool x86_cf(const struct x86 *cpu)
{
    return cpu->flag_carry >> 63;
}

static inline bool x86_of(const struct x86 *cpu)
{
    return (cpu->flag_carry ^ (cpu->flag_carry << 1)) >> 63;
}

static inline bool x86_zf(const struct x86 *cpu)
{
    return cpu->flag_result == 0;
}

static inline bool x86_sf(const struct x86 *cpu)
{
    return ((cpu->flag_result >> 63) ^ cpu->flag_carry) & 1;
}

static inline bool x86_pf(const struct x86 *cpu)
{
    return !__builtin_parity((unsigned)((cpu->flag_result ^ (cpu->flag_carry >> 8)) & 0xff));
}

/* Condition `code` of Jcc, SETcc, CMOVcc: made to be called with a constant. */
static inline bool x86_condition_is(const struct x86 *cpu, unsigned code)
{
    bool yes = false;
    switch (code >> 1) {
    case 0: yes = x86_of(cpu); break;
    case 1: yes = x86_cf(cpu); break;
    case 2: yes = x86_zf(cpu); break;
    case 3: yes = x86_zf(cpu) || x86_cf(cpu); break;
    case 4: yes = x86_sf(cpu); break;
    case 5: yes = x86_pf(cpu); break;
    case 6: yes = x86_sf(cpu) != x86_of(cpu); break;
    default: yes = x86_zf(cpu) || x86_sf(cpu) != x86_of(cpu); break;
    }
    return yes != (bool)(code & 1);
}

#endif
