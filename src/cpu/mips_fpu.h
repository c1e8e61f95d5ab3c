/* The floating-point unit's instructions that its files share. Operands as they lie in insn->word. */
#ifndef CPU_MIPS_FPU_H
#define CPU_MIPS_FPU_H

#include "cpu/float.h"
#include "cpu/mips_decode.h"

/* mips_fpu.c: by the format in bits 21 to 25, single or double, and the function. */
int mips_do_fp_binary(struct mips *cpu, const struct mips_insn *insn);  /* add sub mul div */
int mips_do_fp_root(struct mips *cpu, const struct mips_insn *insn);    /* sqrt recip rsqrt */
int mips_do_fp_sign(struct mips *cpu, const struct mips_insn *insn);    /* abs mov neg */
int mips_do_fp_move_if(struct mips *cpu, const struct mips_insn *insn); /* movf movt movz movn */
int mips_do_fp_to_int(struct mips *cpu, const struct mips_insn *insn);
int mips_do_fp_convert(struct mips *cpu, const struct mips_insn *insn); /* cvt.s cvt.d */
int mips_do_fp_compare(struct mips *cpu, const struct mips_insn *insn); /* c.cond */
int mips_do_fp_multiply_add(struct mips *cpu, const struct mips_insn *insn);

/* mips_fpu_move.c: between the unit, the general registers and memory. */
int mips_do_mfc1(struct mips *cpu, const struct mips_insn *insn);
int mips_do_mfhc1(struct mips *cpu, const struct mips_insn *insn);
int mips_do_mtc1(struct mips *cpu, const struct mips_insn *insn);
int mips_do_mthc1(struct mips *cpu, const struct mips_insn *insn);
int mips_do_cfc1(struct mips *cpu, const struct mips_insn *insn);
int mips_do_ctc1(struct mips *cpu, const struct mips_insn *insn);
int mips_do_lwc1(struct mips *cpu, const struct mips_insn *insn);
int mips_do_ldc1(struct mips *cpu, const struct mips_insn *insn);
int mips_do_swc1(struct mips *cpu, const struct mips_insn *insn);
int mips_do_sdc1(struct mips *cpu, const struct mips_insn *insn);
int mips_do_fp_indexed(struct mips *cpu, const struct mips_insn *insn); /* lwxc1 and its kin */

/* A register as a double's place. With FR = 0 there is none of an odd number. */
static inline bool mips_is_double(const struct mips *cpu, unsigned n)
{
    return cpu->state.fr || n % 2 == 0;
}

static inline uint64_t mips_get_double(const struct mips *cpu, unsigned n)
{
    const uint64_t *f = cpu->state.fpr;
    return cpu->state.fr ? f[n] : f[n | 1] << 32 | (uint32_t)f[n];
}

static inline void mips_set_single(struct mips *cpu, unsigned n, uint32_t value)
{
    uint64_t *f = cpu->state.fpr;
    f[n] = f[n] >> 32 << 32 | value;
}

static inline void mips_set_double(struct mips *cpu, unsigned n, uint64_t value)
{
    if (cpu->state.fr) {
        cpu->state.fpr[n] = value;
    } else {
        mips_set_single(cpu, n, (uint32_t)value);
        mips_set_single(cpu, n | 1, (uint32_t)(value >> 32));
    }
}

/* The bits of FCSR: what the last operation raised, what traps, what was raised. */
enum {
    MIPS_FCSR_FLAGS_AT = 2,
    MIPS_FCSR_ENABLES_AT = 7,
    MIPS_FCSR_CAUSES_AT = 12,
    MIPS_FCSR_FLUSH_AT = 24,
};

static inline unsigned mips_condition_bit(unsigned cc)
{
    return cc ? 24 + cc : 23;
}

#endif
