/* The integer instructions that are rare enough, or long enough, to be functions of their own.
 * Operands: insn->rm is the register or memory operand, insn->reg the other register or, in an
 * opcode group, the digit that ModRM.reg is; byte registers are places (x86_byte_register). */
#ifndef CPU_X86_HANDLERS_H
#define CPU_X86_HANDLERS_H

#include "cpu/x86_internal.h"

/* x86_alu.c */
int x86_do_shift_imm(struct x86 *cpu, const struct x86_insn *insn); /* group 2, by imm */
int x86_do_shift_cl(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_shld_imm(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_shld_cl(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_shrd_imm(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_shrd_cl(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_mul(struct x86 *cpu, const struct x86_insn *insn);   /* F6, F7: digits 4 and 5 */
int x86_do_div(struct x86 *cpu, const struct x86_insn *insn);   /* F6, F7: digits 6 and 7 */
int x86_do_imul(struct x86 *cpu, const struct x86_insn *insn);  /* reg *= rm */
int x86_do_imul3(struct x86 *cpu, const struct x86_insn *insn); /* reg = rm * imm */
int x86_do_bt_reg(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_bts_reg(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_btr_reg(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_btc_reg(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_bt_imm(struct x86 *cpu, const struct x86_insn *insn); /* group 8: digits 4 to 7 */
int x86_do_bsf(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_bsr(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_bswap(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_xadd(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_cmpxchg(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_cmpxchg_pair(struct x86 *cpu, const struct x86_insn *insn); /* 8b, 16b */

/* x86_move.c */
int x86_do_xchg(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_movzx(struct x86 *cpu, const struct x86_insn *insn); /* imm: size of the source */
int x86_do_movsx(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_cmov(struct x86 *cpu, const struct x86_insn *insn);  /* imm: the condition */
int x86_do_setcc(struct x86 *cpu, const struct x86_insn *insn); /* imm: the condition */
int x86_do_lea(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_push(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_push_imm(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_pop(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_pushf(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_popf(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_enter(struct x86 *cpu, const struct x86_insn *insn); /* imm: size, level << 16 */
int x86_do_leave(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_sign_a(struct x86 *cpu, const struct x86_insn *insn); /* cbw, cwde, cdqe */
int x86_do_sign_d(struct x86 *cpu, const struct x86_insn *insn); /* cwd, cdq, cqo */
int x86_do_lahf(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_sahf(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_flag(struct x86 *cpu, const struct x86_insn *insn); /* cmc clc stc cld std: imm */
int x86_do_xlat(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_load_selector(struct x86 *cpu, const struct x86_insn *insn);  /* mov sreg, rm */
int x86_do_store_selector(struct x86 *cpu, const struct x86_insn *insn); /* mov rm, sreg */
int x86_do_cpuid(struct x86 *cpu, const struct x86_insn *insn);

/* x86_only_32.c: what 64-bit code does not have */
int x86_do_push_segment(struct x86 *cpu, const struct x86_insn *insn); /* imm: which */
int x86_do_pop_segment(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_far_load(struct x86 *cpu, const struct x86_insn *insn); /* les, lds, lss, lfs, lgs */
int x86_do_pusha(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_popa(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_bound(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_arpl(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_decimal(struct x86 *cpu, const struct x86_insn *insn); /* daa, das, aaa, aas: imm */
int x86_do_aam(struct x86 *cpu, const struct x86_insn *insn);     /* imm: the base */
int x86_do_aad(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_into(struct x86 *cpu, const struct x86_insn *insn);
int x86_do_salc(struct x86 *cpu, const struct x86_insn *insn);

/* x86_string.c: A4 to A7, AA to AF, with their repeat prefix. Each round counts as an instruction
 * and is taken from cpu->left, of which there is at least one. 0 when done; X86_AGAIN when the
 * budget ended first (the registers say where); X86_REFETCH when it may have changed itself; a stop
 * code, the rounds before it done. */
enum { X86_AGAIN = 65, X86_REFETCH = 66 };
int x86_string(struct x86 *cpu, const struct x86_insn *insn);

/* How x86_string is told what to do: in insn->imm. */
enum {
    X86_STRING_OPCODE = 0xff,
    X86_STRING_REPE = 0x100,
    X86_STRING_REPNE = 0x200,
    X86_STRING_ADDRESS32 = 0x400,
    X86_STRING_ADDRESS16 = 0x800, /* counts more */
};

#endif
