/* The skeleton of the main loops. Only the *_run.c include this, each once: their variables are `insn`,
 * `left` (of the budget, which is *budget_left), `block` and `stop`, their labels find, link, too_long,
 * fault and out, and their operations' labels op_NAME, which `labels` has by number. Before they include
 * it they say
 *
 *   INSNS_OF(block)   the entries of a block of theirs
 *   RUNNING           where the processor keeps the block that is being executed
 *   FIND_BLOCK(limit, keep)  their way to the block at the pc, into `block`: 0 or CPU_STOP_*
 *   COUNT_MAX         of a block's instructions
 *   CODE_STORE        where the decoded code is */
#ifndef CPU_LOOP_H
#define CPU_LOOP_H

#include "cpu/store.h"

#if defined(__clang__)
/* Where every operation jumps to every other, clang takes minutes: there one jump serves all. */
#define ONE_JUMP   1
#define DISPATCH() goto dispatch
#else
/* Each operation shall keep a jump of its own, and recompute rather than carry values around;
 * following every variable through all of it for a debugger would take minutes. */
#pragma GCC optimize("no-gcse", "no-crossjumping", "no-var-tracking")
#define ONE_JUMP   0
#define DISPATCH() goto *labels[insn->op]
#endif

#define unlikely(x) __builtin_expect((x) != 0, 0)

#define NEXT()      \
    do {            \
        insn++;     \
        DISPATCH(); \
    } while (0)

/* Executes a block from its start. */
#define START(to)            \
    do {                     \
        left -= (to)->count; \
        insn = INSNS_OF(to); \
        DISPATCH();          \
    } while (0)

/* The same if the budget is enough for it. */
#define ENTER(to)                               \
    do {                                        \
        struct cpu_block *next_block = (to);    \
        RUNNING = next_block;                   \
        if (unlikely(left < next_block->count)) \
            goto too_long;                      \
        START(next_block);                      \
    } while (0)

/* Enough was decoded (cpu.h, cpu_code_allow). Asked between instructions alone: not where one that was
 * begun is taken up again, which is where nothing is kept. */
#define IS_TIRED cpu_store_is_tired(CODE_STORE)

/* The block at the pc: one that fits, or (MIPS) one step that the next run pays the rest of. */
#define FIND(keep)                                                              \
    do {                                                                        \
        stop = CPU_STOP_BUDGET;                                                 \
        if (left <= 0 || ((keep) && left < *budget_left && IS_TIRED))           \
            goto out;                                                           \
        stop = FIND_BLOCK(left < COUNT_MAX ? (unsigned)left : COUNT_MAX, keep); \
        if (stop)                                                               \
            goto out;                                                           \
        RUNNING = block;                                                        \
    } while (0)

#define FAULT_IF(answer)    \
    do {                    \
        stop = (answer);    \
        if (unlikely(stop)) \
            goto fault;     \
    } while (0)

#endif
