/* An ARMv7-A processor, user mode only, little endian: ARM and Thumb-2 states, the DSP and media
 * instructions, sdiv and udiv, VFPv3 with 32 registers. No NEON, no half precision, no short
 * vectors (FPSCR.LEN), no Jazelle. An interpreter in plain C, as x86.h.
 *
 * Programs for ARMv5TE run as Linux on ARMv7 runs them: swp works, words that are not aligned are
 * loaded as they lie (never rotated). What Linux does for a program where the hardware traps is done
 * here: ldm, stm, ldrd and strd take any address. Exclusive, swap and VFP accesses must be
 * aligned: CPU_STOP_ALIGN.
 *
 * What the architecture calls unpredictable does something harmless, or stops as illegal.
 *
 * Source: ARM Architecture Reference Manual, ARMv7-A and ARMv7-R edition (DDI 0406C). */
#ifndef CPU_ARM_H
#define CPU_ARM_H

#include "cpu/cpu.h"

enum { ARM_SP = 13, ARM_LR, ARM_PC };

/* Bits of CPSR. ITSTATE's low two bits are at 25, the others at 10. */
#define ARM_CPSR_N    0x80000000u
#define ARM_CPSR_Z    0x40000000u
#define ARM_CPSR_C    0x20000000u
#define ARM_CPSR_V    0x10000000u
#define ARM_CPSR_Q    0x08000000u
#define ARM_CPSR_GE   0x000f0000u
#define ARM_CPSR_IT   0x0600fc00u
#define ARM_CPSR_T    0x00000020u /* Thumb */
#define ARM_CPSR_USER 0x00000010u /* the mode */
/* What a program may have; the mode is always there. */
#define ARM_CPSR_VALID                                                                            \
    (ARM_CPSR_N | ARM_CPSR_Z | ARM_CPSR_C | ARM_CPSR_V | ARM_CPSR_Q | ARM_CPSR_GE | ARM_CPSR_IT | \
     ARM_CPSR_T | ARM_CPSR_USER)

/* Bits of FPSCR: flags and QC, default NaN, flush to zero, rounding, what was raised. */
#define ARM_FPSCR_VALID 0xfbc0009fu

/* AT_HWCAP: swp half thumb fastmult vfp edsp vfpv3 tls idiva idivt vfpd32. */
#define ARM_HWCAP 0x000ea0d7u

/* The architectural state. Plain data: may be copied whole (fork, signal frames, snapshots). */
struct arm_state {
    uint32_t reg[16]; /* [ARM_PC]: the instruction's address; the lowest bit is 0 */
    uint32_t cpsr;
    uint32_t fpscr;
    uint64_t d[32];
    uint32_t tls;    /* TPIDRURO */
    uint32_t tls_rw; /* TPIDRURW */
    /* ldrex: from where, so many bytes (0: nothing is watched), what. */
    uint32_t ex_addr, ex_bytes;
    uint64_t ex_value;
    uint32_t call_it; /* ITSTATE of the last system call */
    /* What instructions that may not use the pc find in its place: the last result that went there.
     * Unpredictable, but the same however the budget is cut. */
    uint32_t stale_pc;
};

extern const struct cpu_ops arm_ops; /* "arm" */

/* Of a processor of this kind. Borrowed; may be changed between runs. */
struct arm_state *arm_state(struct cpu *cpu);

/* The page of helpers that Linux maps for every ARM program, to be read and executed: atomic
 * exchange, memory barrier, thread pointer. Source: Linux,
 * Documentation/arm/kernel_user_helpers.rst. */
#define ARM_HELPERS_AT 0xffff0000u
extern const uint32_t arm_helpers[CPU_PAGE_BYTES / 4];

#endif
