/* The VFP: its registers, and the instructions that its files share. In entries rd, rn and rm are
 * numbers of its registers, and ra says how wide they are: 0: singles, 1: doubles. */
#ifndef CPU_ARM_VFP_H
#define CPU_ARM_VFP_H

#include "cpu/arm_decode.h"
#include "cpu/float.h"

/* arm_vfp.c */
enum arm_vfp_binary {
    ARM_VMLA,
    ARM_VMLS,
    ARM_VNMLS,
    ARM_VNMLA,
    ARM_VMUL,
    ARM_VNMUL,
    ARM_VADD,
    ARM_VSUB,
    ARM_VDIV,
};
enum arm_vfp_unary { ARM_VMOV, ARM_VABS, ARM_VNEG, ARM_VSQRT };
int arm_do_vfp_binary(struct arm *cpu, const struct arm_insn *insn);   /* sa: arm_vfp_binary */
int arm_do_vfp_unary(struct arm *cpu, const struct arm_insn *insn);    /* sa: arm_vfp_unary */
int arm_do_vfp_compare(struct arm *cpu, const struct arm_insn *insn);  /* ARM_COMPARE_* in sa */
int arm_do_vfp_constant(struct arm *cpu, const struct arm_insn *insn); /* imm: eight bits */
int arm_do_vfp_widen(struct arm *cpu, const struct arm_insn *insn);    /* ra: the source's width */
/* To and from integers, always in a single register; sa: ARM_INTEGER_*. */
int arm_do_vfp_to_int(struct arm *cpu, const struct arm_insn *insn);
int arm_do_vfp_from_int(struct arm *cpu, const struct arm_insn *insn);
/* To and from fixed-point numbers in the same register; imm: bits of the fraction. */
int arm_do_vfp_to_fixed(struct arm *cpu, const struct arm_insn *insn);
int arm_do_vfp_from_fixed(struct arm *cpu, const struct arm_insn *insn);

enum { ARM_COMPARE_SIGNALS = 1, ARM_COMPARE_ZERO = 2 };
enum { ARM_INTEGER_SIGNED = 1, ARM_INTEGER_CUT = 2, ARM_INTEGER_HALF = 4 };

/* arm_vfp_move.c; rd, ra: general registers; sa: the first of the words (arm_vfp_word). */
int arm_do_vfp_load(struct arm *cpu, const struct arm_insn *insn); /* ra: words */
int arm_do_vfp_store(struct arm *cpu, const struct arm_insn *insn);
int arm_do_vfp_get_word(struct arm *cpu, const struct arm_insn *insn);
int arm_do_vfp_set_word(struct arm *cpu, const struct arm_insn *insn);
int arm_do_vfp_get_pair(struct arm *cpu, const struct arm_insn *insn);
int arm_do_vfp_set_pair(struct arm *cpu, const struct arm_insn *insn);
int arm_do_vfp_get_status(struct arm *cpu, const struct arm_insn *insn); /* rd; 15: the flags */
int arm_do_vfp_set_status(struct arm *cpu, const struct arm_insn *insn);

/* The registers as 64 words: single n is word n, double n the words 2n and 2n + 1. */
static inline uint32_t arm_vfp_word(const struct arm *cpu, unsigned n)
{
    return (uint32_t)(cpu->state.d[n / 2] >> 32 * (n % 2));
}

static inline void arm_vfp_set_word(struct arm *cpu, unsigned n, uint32_t value)
{
    uint64_t *d = &cpu->state.d[n / 2];
    *d = n % 2 ? (*d & UINT32_MAX) | (uint64_t)value << 32 : *d >> 32 << 32 | value;
}

static inline uint64_t arm_vfp_get(const struct arm *cpu, bool wide, unsigned n)
{
    return wide ? cpu->state.d[n] : arm_vfp_word(cpu, n);
}

static inline void arm_vfp_set(struct arm *cpu, bool wide, unsigned n, uint64_t value)
{
    if (wide)
        cpu->state.d[n] = value;
    else
        arm_vfp_set_word(cpu, n, (uint32_t)value);
}

#endif
