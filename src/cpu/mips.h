/* A MIPS32 processor, release 2, user mode only, in either byte order, with a floating-point unit of
 * 64-bit registers that also works as 32-bit pairs (FR = 0). No DSP, no MIPS16, no paired singles.
 * An interpreter in plain C, as x86.h.
 *
 * What Linux does for a program where the hardware traps is done here: words that are not aligned
 * are loaded and stored (not by ll and sc), denormal numbers are computed with, rdhwr answers.
 *
 * A branch and the instruction in its delay slot are one step. Both count; when the budget ends
 * between them both are executed, and the next run pays for the second. A fault in a delay slot
 * leaves the pc at the branch.
 *
 * Source: MIPS32 Architecture For Programmers, volumes I-A and II-A, revision 5. */
#ifndef CPU_MIPS_H
#define CPU_MIPS_H

#include "cpu/cpu.h"

enum mips_register {
    MIPS_ZERO,
    MIPS_AT,
    MIPS_V0,
    MIPS_V1,
    MIPS_A0,
    MIPS_A1,
    MIPS_A2,
    MIPS_A3,
    MIPS_T9 = 25,
    MIPS_GP = 28,
    MIPS_SP,
    MIPS_FP,
    MIPS_RA,
};

/* The architectural state. Plain data: may be copied whole (fork, signal frames, snapshots). */
struct mips_state {
    uint32_t reg[32]; /* [0] is 0 */
    uint32_t hi, lo;
    uint32_t pc;
    uint32_t tls;  /* what rdhwr $29 reads */
    uint32_t fcsr; /* floating-point control and status: FCR31 */
    uint32_t fr;   /* Status.FR: 1: 32 registers of 64 bits; 0: even and odd are a pair */
    /* With FR = 0 the low halves: a double's low word in the even one, its high word in the odd. */
    uint64_t fpr[32];
    uint32_t link_addr, link_value, link_set; /* ll: from where, what; 1: sc may succeed */
    uint32_t owed; /* 1: a delay slot's instruction was executed that no budget paid for yet */
};

/* Bits of fcsr that a program may set. */
#define MIPS_FCSR_VALID 0xff83ffffu
/* What cfc1 $0 reads: S, D, W, L, 64-bit registers; the processor is a 24Kf. */
#define MIPS_FIR 0x00739300u

extern const struct cpu_ops mips_be_ops; /* "mips" */
extern const struct cpu_ops mips_le_ops; /* "mipsel" */

/* Of a processor of these two. Borrowed; may be changed between runs. */
struct mips_state *mips_state(struct cpu *cpu);

#endif
