/* What the files of the x87 share. Source: Intel SDM volume 1, chapter 8. */
#ifndef CPU_X86_FPU_H
#define CPU_X86_FPU_H

#include "cpu/x86_vector.h"

#define X86_FPU_CONTROL_RESET 0x037fu
#define X86_FPU_EXCEPTIONS    0x003fu
#define X86_FPU_PRECISION     0x0020u
#define X86_FPU_SUMMARY       0x8080u /* ES, and B that mirrors it */
#define X86_FPU_TOP           0x3800u

/* fxsave does not write the last bytes: they are the program's. */
enum { X86_FXSAVE_WRITTEN = 416, X86_FXSAVE_WRITTEN_32 = 288 };

static inline unsigned x86_fpu_top(const struct x86_state *state)
{
    return state->fpu_status >> 11 & 7;
}

/* The index of st(i) in state->fpu. */
static inline unsigned x86_fpu_slot(const struct x86_state *state, unsigned i)
{
    return (x86_fpu_top(state) + i) & 7;
}

/* Takes on a control word: bits that do not exist read as the processor has them, and ES and B of
 * the status follow from the exceptions and their masks. */
void x86_fpu_set_control(struct x86_state *state, uint16_t control);

/* The instructions of x86_fpu_control.c; as x86_decode_fpu. */
bool x86_decode_fpu_control(const struct x86_decoder *d, struct x86_insn *insn);

#endif
