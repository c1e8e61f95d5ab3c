/* The main loop. One function, because every operation jumps straight to the next one's label. What
 * an operation may do: read and write cpu->r (as `r`), memory by LOAD and STORE; and then NEXT.
 *
 * The budget is paid block by block, on entry; what was not executed is given back on the way out. */
#include "cpu/mips_run.h"
#include "cpu/mips_bodies.h"
#include "cpu/mips_internal.h"
#include "cpu/mips_ops.h"

#define INSNS_OF(block)         (((struct mips_block *)(block))->insn)
#define RUNNING                 cpu->core.block
#define FIND_BLOCK(limit, keep) mips_find_block(cpu, pc, limit, keep, &block)
#define COUNT_MAX               MIPS_BLOCK_COUNT_MAX
#define CODE_STORE              cpu->core.store
#include "cpu/loop.h"

#include <assert.h>

#define PAGE_MASK   (~(uint32_t)(CPU_PAGE_BYTES - 1))
#define REGION_MASK 0xf0000000u

static uint32_t rotate(uint32_t value, unsigned count)
{
    return value >> count | value << (-count & 31);
}

/* Between runs mips_state has the registers, while running mips.r. */
static void enter(struct mips *cpu)
{
    memcpy(cpu->r, cpu->state.reg, sizeof(cpu->state.reg));
    cpu->r[MIPS_ZERO] = 0;
    cpu->r[MIPS_R_HI] = cpu->state.hi;
    cpu->r[MIPS_R_LO] = cpu->state.lo;
    cpu_core_enter(&cpu->core, cpu->state.pc);
}

static void leave(struct mips *cpu, uint32_t pc, int stop)
{
    memcpy(cpu->state.reg, cpu->r, sizeof(cpu->state.reg));
    cpu->state.hi = cpu->r[MIPS_R_HI];
    cpu->state.lo = cpu->r[MIPS_R_LO];
    cpu->state.pc = pc;
    cpu_core_leave(&cpu->core, stop);
}

#define OP(name) op_##name : DO_##name NEXT();

#define LIKELY_OP(name)           \
    op_##name##L : if (IF_##name) \
    {                             \
        NEXT();                   \
    }                             \
    left++;                       \
    insn += insn->imm;            \
    DISPATCH();

static int run(struct mips *cpu, int64_t *budget_left, uint32_t *pc_out)
{
#if !ONE_JUMP
    static const void *const labels[MIPS_OP_COUNT] = {
#define LABEL(name) [MIPS_OP_##name] = &&op_##name,
        MIPS_OPS(LABEL)
#undef LABEL
    };
#endif
    uint32_t *const r = cpu->r;
    int64_t left = *budget_left;
    uint32_t pc = *pc_out;
    const struct cpu_jump *const jumps = cpu_store_jumps(cpu->core.store);
    struct cpu_block *block;
    struct mips_insn *insn;
    int stop;

find : {
    const struct cpu_jump *jump = &jumps[cpu_jump_slot(pc)];
    if (jump->key == (pc ^ cpu->core.stamp)) {
        r[MIPS_R_PAGE] = pc & PAGE_MASK;
        ENTER(jump->block);
    }
    FIND(true);
    r[MIPS_R_PAGE] = pc & PAGE_MASK;
    START(block);
}

    /* A jump that is taken for the first time: remembered when it stays in the page, for then
     * both ends are thrown out together. */
link : {
    struct cpu_block_page *page = cpu->core.block->page;
    uint64_t epoch = cpu_store_epoch(cpu->core.store);
    pc = r[MIPS_R_PAGE] + insn->imm;
    if (insn->imm >= CPU_PAGE_BYTES || !page)
        goto find;
    FIND(true);
    if (block->page == page && cpu_store_epoch(cpu->core.store) == epoch)
        insn->link = block;
    START(block);
}

    /* The budget ends within the block, which was not begun. */
too_long:
    pc = r[MIPS_R_PAGE] + cpu->core.block->start;
    FIND(true);
    START(block);

fault:
    left += cpu->core.block->count - insn->pos;
    pc = r[MIPS_R_PAGE] + cpu->core.block->start + 4u * insn->pos;
    if (stop == CPU_RETRY) {
        FIND(false);
        START(block);
    }
    if ((insn->flags & MIPS_INSN_SLOT) && (insn[1].flags & MIPS_INSN_LINKS))
        r[insn[1].rd] = pc + 8;
    goto out;

#if ONE_JUMP
dispatch:
    switch ((enum mips_op)insn->op) {
#define GO_TO_LABEL(name) \
    case MIPS_OP_##name: goto op_##name;
        MIPS_OPS(GO_TO_LABEL)
#undef GO_TO_LABEL
    case MIPS_OP_COUNT: break;
    }
    assert(false);
#endif

    MIPS_OPS_REG(OP)
    MIPS_OPS_IMM(OP)
    MIPS_OPS_SHIFT(OP)
    MIPS_OPS_MOVE(OP)
    MIPS_OPS_ONE(OP)
    MIPS_OPS_HILO(OP)
    MIPS_OPS_MEMORY(OP)
    MIPS_OPS_CONDITIONAL(OP)
    MIPS_OPS_TRAP(OP)
    OP(NOP)
    LIKELY_OP(BEQ)
    LIKELY_OP(BNE)
    LIKELY_OP(BLEZ)
    LIKELY_OP(BGTZ)
    LIKELY_OP(BLTZ)
    LIKELY_OP(BGEZ)
    LIKELY_OP(BC1F)
    LIKELY_OP(BC1T)

op_BAL:
    RD = r[MIPS_R_PAGE] + insn->word;
op_B:
op_END:
    GO();
op_JAL:
    RD = r[MIPS_R_PAGE] + insn->word;
op_J:
    pc = ((r[MIPS_R_PAGE] + insn->word - 4) & REGION_MASK) | insn->imm;
    goto find;
op_JALR:
    pc = RS;
    RD = r[MIPS_R_PAGE] + insn->word;
    goto find;
op_JR:
    pc = RS;
    goto find;

op_COUNTER : {
    int64_t begun = cpu->core.block->count - insn->pos;
    uint64_t now = cpu->retired + (uint64_t)(*budget_left - left - begun);
    RD = (uint32_t)(now / MIPS_COUNT_CYCLES);
    NEXT();
}
op_HANDLER:
    FAULT_IF(insn->handler(cpu, insn));
    NEXT();
    /* In a delay slot: Linux goes on behind the branch, at this instruction. */
op_SYSCALL:
    pc = r[MIPS_R_PAGE] + cpu->core.block->start + 4u * insn->pos + 4;
    left += cpu->core.block->count - insn->pos - 1;
    stop = CPU_STOP_SYSCALL;
    goto out;
op_STOP:
    stop = insn->sa;
    goto fault;

out:
    *budget_left = left;
    *pc_out = pc;
    return stop;
}

enum cpu_stop mips_run(struct cpu *base, uint64_t budget, uint64_t *used, struct cpu_trap *trap)
{
    struct mips *cpu = (struct mips *)base;
    int64_t all = budget < INT64_MAX ? (int64_t)budget : INT64_MAX;
    uint32_t pc = cpu->state.pc;
    *used = 0;
    *trap = cpu->core.trap = (struct cpu_trap){0};
    if (all == 0)
        return CPU_STOP_BUDGET;
    cpu->core.tlb = cpu_space_tlb(cpu->core.space);
    if (!cpu->core.tlb)
        return CPU_STOP_NOMEM;
    int64_t left = all - cpu->state.owed;
    enter(cpu);
    int stop = run(cpu, &left, &pc);
    leave(cpu, pc, stop);
    cpu->state.owed = left < 0;
    *used = (uint64_t)(all - (left < 0 ? 0 : left));
    cpu->retired += *used;
    *trap = cpu->core.trap;
    return (enum cpu_stop)stop;
}
