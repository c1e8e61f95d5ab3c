/* From an address of the guest to the block that stands there. */
#ifndef CPU_X86_LOOKUP_H
#define CPU_X86_LOOKUP_H

#include "cpu/x86_block.h"

/* How many instructions an entry of a block counts for. */
static inline unsigned x86_insn_count(const struct x86_insn *insn)
{
    if (insn->flags & X86_INSN_PART)
        return 0;
    return (insn->flags & X86_INSN_PAIR) ? 2 : 1;
}

/* Takes a new stamp: all jumps are looked up anew. */
void x86_forget_jumps(struct x86 *cpu);

/* The block at `rip`, of at most `limit` instructions (1 to X86_BLOCK_COUNT_MAX): a kept one, which
 * is also put into the table of jumps, or the scratch block when the limit, a probe or a page's end
 * wants it, or not `keep`. 0 or CPU_STOP_*. No block may be in execution: all that were found
 * before are void when the code's epoch has changed. */
int x86_find_block(struct x86 *cpu, uint64_t rip, unsigned limit, bool keep,
                   struct cpu_block **block);

#endif
