/* An x86-64 processor, user mode only: the baseline's integer instructions, x87, SSE and SSE2.
 * CPUID says no more than that. An interpreter in plain C: no code is generated, nothing is
 * executed by the host, every memory access goes through the space.
 *
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volumes 1 and 2. */
#ifndef CPU_X86_H
#define CPU_X86_H

#include "cpu/space.h"

enum x86_register {
    X86_RAX,
    X86_RCX,
    X86_RDX,
    X86_RBX,
    X86_RSP,
    X86_RBP,
    X86_RSI,
    X86_RDI,
    X86_R8,
    X86_R9,
    X86_R10,
    X86_R11,
    X86_R12,
    X86_R13,
    X86_R14,
    X86_R15,
};

/* Why the processor stopped. */
enum x86_stop {
    X86_STOP_BUDGET,  /* the instructions are used up; call again to go on */
    X86_STOP_SYSCALL, /* `syscall` executed: rip behind it, rcx and r11 set as the CPU does */
    X86_STOP_PROBE,   /* rip reached a probe; the instruction there has not run yet */
    X86_STOP_PAGE,    /* page fault: address and access in the trap; rip at the instruction */
    X86_STOP_ILLEGAL, /* #UD */
    X86_STOP_DIVIDE,  /* #DE */
    X86_STOP_BREAK,   /* int3: rip behind it */
    X86_STOP_PROTECT, /* #GP: privileged instruction, non-canonical address, misaligned SSE */
    X86_STOP_FLOAT,   /* #MF or #XM: an unmasked floating-point exception */
    X86_STOP_INT80,   /* int 0x80: rip behind it */
    X86_STOP_NOMEM,   /* the pool of frames is used up: rip at the instruction */
};

struct x86_trap {
    uint64_t addr;   /* X86_STOP_PAGE: the address */
    unsigned access; /* X86_STOP_PAGE: CPU_READ, CPU_WRITE or CPU_EXEC */
    bool mapped;     /* X86_STOP_PAGE: the page is there, its protection forbids */
};

/* Decoded code, shared by all processors of the process. Code of immutable image pages is decoded
 * once for everybody. `max_bytes` bounds it; what does not fit is thrown out and decoded again. */
struct x86_code;
struct x86_code *x86_code_new(size_t max_bytes);
void x86_code_free(struct x86_code *code);

/* The architectural state. Plain data: may be copied whole (fork, signal frames, snapshots). */
struct x86_state {
    uint64_t reg[16];
    uint64_t rip;
    uint64_t rflags;
    uint64_t fs_base, gs_base;
    uint64_t xmm[16][2]; /* low half first */
    uint32_t mxcsr;
    uint8_t fpu[8][16]; /* R0 to R7, 10 bytes each: st(i) is fpu[(TOP + i) & 7] */
    uint16_t fpu_control, fpu_status, fpu_opcode;
    uint8_t fpu_tag; /* abridged, as FXSAVE: bit i is 1 when R(i) is in use */
    uint64_t fpu_ip, fpu_dp;
};

/* The image of fxsave (64-bit format), as signal frames have it: x87, MXCSR and XMM. Loading fails
 * (false, nothing changed) when MXCSR has reserved bits. */
enum { X86_FXSAVE_BYTES = 512 };
void x86_fxsave_image(const struct x86_state *state, uint8_t out[X86_FXSAVE_BYTES]);
bool x86_fxrstor_image(struct x86_state *state, const uint8_t in[X86_FXSAVE_BYTES]);

struct x86;
struct x86 *x86_new(struct x86_code *code, struct cpu_space *space); /* reset state; borrows both */
void x86_free(struct x86 *cpu);
struct x86_state *x86_state(struct x86 *cpu); /* borrowed; may be changed between runs */
void x86_set_space(struct x86 *cpu, struct cpu_space *space); /* exec replaces it */

/* Runs at most `budget` instructions. Counts them into *used (never more than budget). */
enum x86_stop x86_run(struct x86 *cpu, uint64_t budget, uint64_t *used, struct x86_trap *trap);

/* A probe makes the processor stop before the instruction at `addr` (once; the next run passes it).
 * At most X86_PROBES_MAX. 0 or -ENOSPC. */
enum { X86_PROBES_MAX = 8 };
int x86_probe_add(struct x86 *cpu, uint64_t addr);
void x86_probe_clear(struct x86 *cpu, uint64_t addr);

#endif
