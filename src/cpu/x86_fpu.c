/* The x87 floating-point unit: opcodes D8 to DF. */
#include "cpu/x86_internal.h"

bool x86_decode_fpu(struct x86_decoder *d, struct x86_insn *insn)
{
    (void)d;
    (void)insn;
    return false;
}
