/* An x86-64 processor, user mode only: the baseline's integer instructions, x87, SSE and SSE2.
 * CPUID says no more than that. An interpreter in plain C: no code is generated, nothing is
 * executed by the host, every memory access goes through the space.
 *
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volumes 1 and 2. */
#ifndef CPU_X86_H
#define CPU_X86_H

#include "cpu/cpu.h"

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

/* The store of decoded code of this family (cpu.h). Code of immutable image pages is decoded once for
 * everybody. */
struct cpu_store;
struct cpu_store *x86_store_new(size_t max_bytes);
void cpu_store_free(struct cpu_store *store); /* takes NULL */

/* Linux's selectors. A 32-bit program's descriptors begin at entry 12 of the table. */
enum {
    X86_SELECTOR_CODE32 = 0x23,
    X86_SELECTOR_DATA = 0x2b,
    X86_SELECTOR_CODE64 = 0x33,
    X86_TLS_FIRST = 12,
    X86_TLS_ENTRIES = 3,
};
enum x86_segment { X86_ES, X86_CS, X86_SS, X86_DS, X86_FS, X86_GS };

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
    /* A 32-bit program's alone (x86_32_ops): its segment registers es, cs, ss, ds, fs, gs, and the
     * three descriptors that set_thread_area gives it. All other segments are flat. */
    uint16_t selector[6];
    uint32_t tls_base[X86_TLS_ENTRIES];
    bool tls_used[X86_TLS_ENTRIES];
};

/* The image of fxsave (64-bit format), as signal frames have it: x87, MXCSR and XMM. Loading fails
 * (false, nothing changed) when MXCSR has reserved bits. */
enum { X86_FXSAVE_BYTES = 512 };
void x86_fxsave_image(const struct x86_state *state, uint8_t out[X86_FXSAVE_BYTES]);
/* The image of fsave: the environment in its 32-bit form, and the registers. */
enum { X86_FSAVE_BYTES = 108 };
void x86_fsave_image(const struct x86_state *state, uint8_t out[X86_FSAVE_BYTES]);
bool x86_fxrstor_image(struct x86_state *state, const uint8_t in[X86_FXSAVE_BYTES]);

/* For the kernel, by cpu.h. Its `struct cpu` is a `struct x86`. */
extern const struct cpu_ops x86_64_ops;
/* The same processor in its 32-bit mode, as Linux runs i386 programs: flat segments but for what fs
 * and gs are set to. Its registers and addresses are those of x86_state with upper halves of 0. */
extern const struct cpu_ops x86_32_ops;
/* The registers of a call by `int 0x80`, in either mode. */
void x86_call_32(const struct x86_state *state, struct cpu_call *out);
/* Gives a segment of a 32-bit program its selector, and fs and gs the base that goes with it; false:
 * there is no such selector. */
bool x86_load_segment(struct x86_state *state, enum x86_segment segment, uint16_t selector);

/* What `syscall` leaves: rip behind it, rcx and r11 set as the CPU does. `int 0x80` leaves rip behind
 * it and changes nothing else. */
struct x86;
struct x86 *x86_new(struct cpu_store *store,
                    struct cpu_space *space); /* reset state; borrows both */
void x86_free(struct x86 *cpu);
struct x86 *x86_from_cpu(struct cpu *cpu);    /* of a processor with x86_64_ops */
struct x86_state *x86_state(struct x86 *cpu); /* borrowed; may be changed between runs */
void x86_set_space(struct x86 *cpu, struct cpu_space *space); /* exec replaces it */

/* As the table's functions of these names. */
enum cpu_stop x86_run(struct x86 *cpu, uint64_t budget, uint64_t *used, struct cpu_trap *trap);
int x86_probe_add(struct x86 *cpu, uint64_t addr);
void x86_probe_clear(struct x86 *cpu, uint64_t addr);

#endif
