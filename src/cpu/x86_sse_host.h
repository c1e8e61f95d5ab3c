/* Floating-point operations of the vector registers, as functions on values.
 *
 * They work under the host's MXCSR, which x86_float_enter loads with the guest's modes before a
 * guest runs and x86_float_leave puts back; the flags they raise stay in it (x86_float_flags). No
 * exception ever traps on the host: whether the guest wants one is for the caller to see. */
#ifndef CPU_X86_SSE_HOST_H
#define CPU_X86_SSE_HOST_H

#include "cpu/x86_sse.h"

#define X86_MXCSR_FLAGS 0x003fu
#define X86_MXCSR_MASKS 0x1f80u
#define X86_MXCSR_VALID 0xffffu /* a bit outside in ldmxcsr or fxrstor is #GP */
#define X86_MXCSR_RESET 0x1f80u

/* Takes on the guest's modes and flags; returns what the host had, for x86_float_leave. */
uint32_t x86_float_enter(uint32_t mxcsr);
/* The flags since x86_float_enter, those it was given included. */
uint32_t x86_float_flags(void);
void x86_float_leave(uint32_t saved);

/* By second opcode byte and mandatory prefix (none: packed single, 66: packed double, F3: scalar
 * single, F2: scalar double): arithmetic and conversions between vectors. NULL: none. */
extern const x86_vec_fn x86_float_ops[256][4];
/* cmpps and its like, by prefix and the low three bits of the immediate. */
extern const x86_vec_fn x86_float_cmp[4][8];

/* ZF, PF and CF at their places in RFLAGS. [quiet 0, signalling 1][single 0, double 1] */
typedef uint32_t (*x86_float_compare_fn)(const union x86_vec *a, const union x86_vec *b);
extern const x86_float_compare_fn x86_float_compare[2][2];

/* [single 0, double 1][32 bits 0, 64 bits 1] */
typedef void (*x86_float_from_int_fn)(union x86_vec *d, uint64_t value);
extern const x86_float_from_int_fn x86_float_from_int[2][2];

/* [rounded 0, truncated 1][single 0, double 1][32 bits 0, 64 bits 1] */
typedef uint64_t (*x86_float_to_int_fn)(const union x86_vec *s);
extern const x86_float_to_int_fn x86_float_to_int[2][2][2];

#endif
