/* The block of a store (store.h), as this interpreter fills it. */
#ifndef CPU_X86_BLOCK_H
#define CPU_X86_BLOCK_H

#include "cpu/store.h"
#include "cpu/x86_internal.h"

enum {
    X86_INSN_BYTES_MAX = 15,
    X86_BLOCK_COUNT_MAX = 64, /* instructions */
    /* Two parts before each instruction at most, and the end. */
    X86_BLOCK_INSNS_MAX = 3 * X86_BLOCK_COUNT_MAX + 1,
};

struct x86_block {
    struct cpu_block head;
    struct x86_insn insn[];
};

#endif
