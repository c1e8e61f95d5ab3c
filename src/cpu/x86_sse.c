/* SSE, SSE2 and MMX: the 0F opcodes that work on vectors. */
#include "cpu/x86_internal.h"

bool x86_decode_vector(struct x86_decoder *d, struct x86_insn *insn)
{
    (void)d;
    (void)insn;
    return false;
}
