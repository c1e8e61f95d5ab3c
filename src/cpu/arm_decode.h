/* The decoders, and the handlers that they name. */
#ifndef CPU_ARM_DECODE_H
#define CPU_ARM_DECODE_H

#include "cpu/arm_emit.h"

/* One instruction of ARM; of Thumb, of 16 bits, and of 32 (the first halfword in the upper half). */
void arm_decode_word(struct arm_emit *e, uint32_t word);
void arm_decode_half(struct arm_emit *e, uint32_t half);
void arm_decode_wide(struct arm_emit *e, uint32_t word);
static inline bool arm_is_wide(uint32_t half)
{
    return half >> 11 >= 0x1d;
}
/* Multiplies, saturating and parallel arithmetic and so on of Thumb: arm_decode_wide.c's other half. */
void arm_decode_wide_register(struct arm_emit *e, uint32_t word);

/* Coprocessors, the same in both states: bits 27 to 0 of ARM's encoding. In arm_decode_common.c. */
void arm_decode_coprocessor(struct arm_emit *e, uint32_t word);
/* The VFP's part of it; in arm_decode_vfp.c. */
void arm_decode_vfp(struct arm_emit *e, uint32_t word);

/* The media instructions, the same in both states but for where their fields lie. */
enum arm_sum { ARM_SUM_ADD, ARM_SUM_ASX, ARM_SUM_SAX, ARM_SUM_SUB, ARM_SUM_ADD8, ARM_SUM_SUB8 = 7 };

/* In arm_decode_common.c. `list`: of registers; in 16 bits. */
void arm_put_multiple(struct arm_emit *e, bool load, bool up, bool before, bool keeps, unsigned rn,
                      uint32_t list);
/* bfc, bfi, ubfx, sbfx. */
void arm_put_insert(struct arm_emit *e, unsigned rd, unsigned rn, unsigned low, unsigned high);
void arm_put_extract(struct arm_emit *e, bool is_signed, unsigned rd, unsigned rn, unsigned low,
                     unsigned width);
/* [su]xt[b|b16|h], with rn added unless it is 15. `kind` is 0, 2, 3 for b16, b, h and 4 more when
 * unsigned. */
void arm_put_extend(struct arm_emit *e, unsigned kind, unsigned rd, unsigned rn, unsigned rm,
                    unsigned rotation);
/* [su]sat[16]: `kind` is 1 when unsigned, and 2 when of halves. */
void arm_put_saturate(struct arm_emit *e, unsigned kind, unsigned rd, unsigned bits, unsigned rm,
                      enum arm_shift type, unsigned count);
void arm_put_pack(struct arm_emit *e, bool tb, unsigned rd, unsigned rn, unsigned rm,
                  unsigned count);
/* A handler of four registers and a number. */
void arm_put_four(struct arm_emit *e, arm_handler handler, unsigned rd, unsigned rn, unsigned rm,
                  unsigned ra, unsigned sa);

/* arm_multiply.c; rd, rn, rm, ra as the manual names them, ra 15: nothing to add */
int arm_do_long_add(struct arm *cpu,
                    const struct arm_insn *insn); /* hi rd, lo ra; sa: ARM_LONG_* */
int arm_do_half_multiply(struct arm *cpu, const struct arm_insn *insn); /* sa: ARM_HALF_* */
int arm_do_dual_multiply(struct arm *cpu, const struct arm_insn *insn); /* sa: ARM_DUAL_* */
int arm_do_top_multiply(struct arm *cpu, const struct arm_insn *insn);  /* sa: ARM_TOP_* */
int arm_do_divide(struct arm *cpu, const struct arm_insn *insn);        /* sa: 1: unsigned */
int arm_do_differences(struct arm *cpu, const struct arm_insn *insn);   /* usad8, usada8 */
int arm_do_long_flags(struct arm *cpu, const struct arm_insn *insn);    /* N and Z of rd:ra */

enum { ARM_LONG_UMLAL, ARM_LONG_SMLAL, ARM_LONG_UMAAL };
/* Of smla and its kin: which halves; what is multiplied, and added to. */
enum {
    ARM_HALF_N = 1,
    ARM_HALF_M = 2,
    ARM_HALF_ADD = 4,  /* to ra; overflow sets Q */
    ARM_HALF_WORD = 8, /* a word by a half */
    ARM_HALF_LONG = 16 /* to rd:ra */
};
enum { ARM_DUAL_SWAP = 1, ARM_DUAL_SUB = 2, ARM_DUAL_LONG = 4 };
enum { ARM_TOP_ROUND = 1, ARM_TOP_SUB = 2 };

/* arm_media.c */
int arm_do_saturating(struct arm *cpu, const struct arm_insn *insn); /* sa: 1: sub, 2: doubled */
int arm_do_saturate(struct arm *cpu, const struct arm_insn *insn);   /* rn; sa bits; imm: kind */
int arm_do_parallel(struct arm *cpu, const struct arm_insn *insn);   /* imm: prefix; sa: arm_sum */
int arm_do_select(struct arm *cpu, const struct arm_insn *insn);
int arm_do_pack(struct arm *cpu, const struct arm_insn *insn);       /* sa: 1: tb */
int arm_do_extend(struct arm *cpu, const struct arm_insn *insn);     /* imm: kind; sa: rotation */
int arm_do_rev16(struct arm *cpu, const struct arm_insn *insn);      /* rd, rm */
int arm_do_revsh(struct arm *cpu, const struct arm_insn *insn);      /* rd, rm */
int arm_do_rbit(struct arm *cpu, const struct arm_insn *insn);       /* rd, rm */
int arm_do_get_flags(struct arm *cpu, const struct arm_insn *insn);  /* rd */
int arm_do_set_flags(struct arm *cpu, const struct arm_insn *insn);  /* rm; imm: which bits */
int arm_do_get_thread(struct arm *cpu, const struct arm_insn *insn); /* rd; sa: 1: TPIDRURW */
int arm_do_set_thread(struct arm *cpu, const struct arm_insn *insn); /* rd */

/* arm_multiple.c */
int arm_do_ldm(struct arm *cpu, const struct arm_insn *insn);
int arm_do_stm(struct arm *cpu, const struct arm_insn *insn);
int arm_do_ldrd(struct arm *cpu, const struct arm_insn *insn);
int arm_do_strd(struct arm *cpu, const struct arm_insn *insn);
int arm_do_ldrex(struct arm *cpu, const struct arm_insn *insn); /* rd, ra: rt, rt2; sa: bytes */
int arm_do_strex(struct arm *cpu, const struct arm_insn *insn); /* rd; rm, ra: rt, rt2; sa: bytes */
int arm_do_clrex(struct arm *cpu, const struct arm_insn *insn);
int arm_do_swp(struct arm *cpu, const struct arm_insn *insn); /* sa: bytes */

#endif
