/* The main loop. One function, because every operation jumps straight to the next one's label. What
 * an operation may do: read and write cpu->r (as `r`), memory by LOAD and STORE; and then NEXT.
 *
 * The budget is paid block by block, on entry; what was not executed is given back on the way out. */
#include "cpu/arm_run.h"
#include "cpu/arm_bodies.h"
#include "cpu/arm_internal.h"
#include "cpu/arm_ops.h"

#define INSNS_OF(block)         (((struct arm_block *)(block))->insn)
#define RUNNING                 cpu->core.block
#define FIND_BLOCK(limit, keep) arm_find_block(cpu, pc, limit, keep, &block)
#define COUNT_MAX               ARM_BLOCK_COUNT_MAX
#define CODE_STORE              cpu->core.store
#include "cpu/loop.h"

#include <assert.h>

#define PAGE_MASK (~(uint32_t)(CPU_PAGE_BYTES - 1))

/* Between runs arm_state has the registers and flags, while running arm.r. */
static void enter(struct arm *cpu)
{
    uint32_t cpsr = cpu->state.cpsr;
    memcpy(cpu->r, cpu->state.reg, sizeof(cpu->state.reg));
    cpu->r[ARM_PC] = cpu->state.stale_pc;
    cpu->r[ARM_R_N] = cpsr & ARM_CPSR_N;
    cpu->r[ARM_R_Z] = ~cpsr & ARM_CPSR_Z;
    cpu->r[ARM_R_C] = (cpsr & ARM_CPSR_C) != 0;
    cpu->r[ARM_R_V] = cpsr & ARM_CPSR_V ? 1u << 31 : 0;
    cpu->r[ARM_R_IT] = (cpsr >> 8 & 0xfc) | (cpsr >> 25 & 3);
    cpu_core_enter(&cpu->core, cpu->state.reg[ARM_PC]);
}

static void leave(struct arm *cpu, uint32_t pc, int stop)
{
    const uint32_t *r = cpu->r, it = r[ARM_R_IT];
    uint32_t cpsr = (cpu->state.cpsr & (ARM_CPSR_Q | ARM_CPSR_GE)) | ARM_CPSR_USER;
    cpsr |= (r[ARM_R_N] & ARM_CPSR_N) | (r[ARM_R_Z] ? 0 : ARM_CPSR_Z);
    cpsr |= (r[ARM_R_C] ? ARM_CPSR_C : 0) | (r[ARM_R_V] >> 31 ? ARM_CPSR_V : 0);
    cpsr |= (it & 0xfc) << 8 | (it & 3) << 25 | (pc & 1 ? ARM_CPSR_T : 0);
    memcpy(cpu->state.reg, r, sizeof(cpu->state.reg));
    cpu->state.stale_pc = r[ARM_PC];
    cpu->state.reg[ARM_PC] = pc & ~1u;
    cpu->state.cpsr = cpsr;
    cpu_core_leave(&cpu->core, stop);
}

/* Goes where insn->imm says, counted from the page. */
#define GO()                   \
    do {                       \
        left += insn->rest;    \
        if (insn->link)        \
            ENTER(insn->link); \
        goto link;             \
    } while (0)

#define ALU_OPS(name)                                                \
    op_##name##_IMM : RD = DO_##name(RN, IMM);                       \
    NEXT();                                                          \
    op_##name##_REG : RD = DO_##name(RN, RM);                        \
    NEXT();                                                          \
    op_##name##_LSL : RD = DO_##name(RN, SHIFTED_LSL(RM, insn->sa)); \
    NEXT();                                                          \
    op_##name##_LSR : RD = DO_##name(RN, SHIFTED_LSR(RM, insn->sa)); \
    NEXT();                                                          \
    op_##name##_ASR : RD = DO_##name(RN, SHIFTED_ASR(RM, insn->sa)); \
    NEXT();                                                          \
    op_##name##_ROR : RD = DO_##name(RN, SHIFTED_ROR(RM, insn->sa)); \
    NEXT();                                                          \
    op_##name##_S_IMM : DO_##name##_S(RN, IMM);                      \
    NEXT();                                                          \
    op_##name##_S_REG : DO_##name##_S(RN, RM);                       \
    NEXT();

#define SHIFT_OPS(name)                                                             \
    op_SH_##name : RD = SHIFTED_##name(RM, insn->sa);                               \
    NEXT();                                                                         \
    op_SH_##name##_C:                                                               \
    {                                                                               \
        uint32_t value = RM, carry = CARRY_##name(value, insn->sa);                 \
        RD = SHIFTED_##name(value, insn->sa);                                       \
        FLAG_C = carry;                                                             \
        NEXT();                                                                     \
    }                                                                               \
    op_SH_##name##_S:                                                               \
    {                                                                               \
        uint32_t value = RM, carry = CARRY_##name(value, insn->sa);                 \
        RD = FLAG_N = FLAG_Z = SHIFTED_##name(value, insn->sa);                     \
        FLAG_C = carry;                                                             \
        NEXT();                                                                     \
    }                                                                               \
    op_SH_##name##_R:                                                               \
    {                                                                               \
        uint32_t carry = FLAG_C;                                                    \
        RD = shift_##name(RM, RA & 255, &carry);                                    \
        NEXT();                                                                     \
    }                                                                               \
    op_SH_##name##_RC : RD = shift_##name(RM, RA & 255, &FLAG_C);                   \
    NEXT();                                                                         \
    op_SH_##name##_RS : RD = FLAG_N = FLAG_Z = shift_##name(RM, RA & 255, &FLAG_C); \
    NEXT();

/* By a register's lowest eight bits. */
static uint32_t shift_LSL(uint32_t value, unsigned count, uint32_t *carry)
{
    if (count == 0)
        return value;
    *carry = count <= 32 ? value >> (32 - count) & 1 : 0;
    return count < 32 ? value << count : 0;
}

static uint32_t shift_LSR(uint32_t value, unsigned count, uint32_t *carry)
{
    if (count == 0)
        return value;
    *carry = count <= 32 ? value >> (count - 1) & 1 : 0;
    return count < 32 ? value >> count : 0;
}

static uint32_t shift_ASR(uint32_t value, unsigned count, uint32_t *carry)
{
    if (count == 0)
        return value;
    unsigned held = count < 32 ? count : 32;
    *carry = value >> (held - 1) & 1;
    return SHIFTED_ASR(value, held);
}

static uint32_t shift_ROR(uint32_t value, unsigned count, uint32_t *carry)
{
    if (count == 0)
        return value;
    *carry = value >> ((count - 1) & 31) & 1;
    return arm_rotate(value, count);
}

/* There is none by a register; it fills its places in the table. */
static uint32_t shift_RRX(uint32_t value, unsigned count, uint32_t *carry)
{
    (void)count;
    (void)carry;
    return value;
}

#define MEMORY_OPS(name)                                   \
    op_##name : DO_##name(RN + IMM, (void)0) op_##name##_X \
        : DO_##name(RN + (RM << insn->sa), (void)0) op_##name##_POST : DO_##name(RN, RN += IMM)

#define SKIP_OP(name)               \
    op_SKIP_##name : if (IF_##name) \
    {                               \
        NEXT();                     \
    }                               \
    insn += insn->imm;              \
    DISPATCH();

#define BRANCH_OP(name)          \
    op_B_##name : if (IF_##name) \
    {                            \
        GO();                    \
    }                            \
    NEXT();

static int run(struct arm *cpu, int64_t *budget_left, uint32_t *pc_out)
{
#if !ONE_JUMP
    static const void *const labels[ARM_OP_COUNT] = {
#define LABEL(name)            [ARM_OP_##name] = &&op_##name,
#define ALU_LABELS(name)       ARM_OPS_ALU_FORMS(LABEL, name)
#define SHIFT_LABELS(name)     ARM_OPS_SHIFT_FORMS(LABEL, name)
#define MEMORY_LABELS(name)    ARM_OPS_MEMORY_FORMS(LABEL, name)
#define CONDITION_LABELS(name) LABEL(SKIP_##name) LABEL(B_##name)
        ARM_OPS_ALU(ALU_LABELS) ARM_OPS_SHIFT(SHIFT_LABELS) ARM_OPS_MEMORY(MEMORY_LABELS)
            ARM_OPS_CONDITION(CONDITION_LABELS) ARM_OPS_OTHER(LABEL)
#undef LABEL
    };
#endif
    uint32_t *const r = cpu->r;
    int64_t left = *budget_left;
    uint32_t pc = *pc_out;
    const struct cpu_jump *const jumps = cpu_store_jumps(cpu->core.store);
    struct cpu_block *block;
    struct arm_insn *insn;
    int stop;

    if (r[ARM_R_IT])
        goto slow;

find : {
    const struct cpu_jump *jump = &jumps[cpu_jump_slot(pc)];
    if (jump->key == (pc ^ cpu->core.stamp)) {
        r[ARM_R_PAGE] = pc & PAGE_MASK;
        ENTER(jump->block);
    }
}
slow:
    FIND(true);
    r[ARM_R_PAGE] = pc & PAGE_MASK;
    START(block);

    /* A jump that is taken for the first time: remembered when it stays in the page, for then
     * both ends are thrown out together. */
link : {
    struct cpu_block_page *page = cpu->core.block->page;
    uint64_t epoch = cpu_store_epoch(cpu->core.store);
    pc = r[ARM_R_PAGE] + insn->imm;
    if (insn->imm >= CPU_PAGE_BYTES || !page)
        goto find;
    FIND(true);
    if (block->page == page && cpu_store_epoch(cpu->core.store) == epoch)
        insn->link = block;
    START(block);
}

    /* The budget ends within the block, which was not begun. */
too_long:
    pc = r[ARM_R_PAGE] + cpu->core.block->start + (cpu->core.block->mode & ARM_MODE_THUMB);
    FIND(true);
    START(block);

fault:
    left += insn->rest + 1;
    pc = r[ARM_R_PAGE] + insn->at + (cpu->core.block->mode & ARM_MODE_THUMB);
    r[ARM_R_IT] = insn->it;
    if (stop == CPU_RETRY) {
        FIND(false);
        START(block);
    }
    goto out;

#if ONE_JUMP
dispatch:
    switch ((enum arm_op)insn->op) {
#define GO_TO_LABEL(name) \
    case ARM_OP_##name:   \
        goto op_##name;
#define GO_TO_ALU(name)       ARM_OPS_ALU_FORMS(GO_TO_LABEL, name)
#define GO_TO_SHIFT(name)     ARM_OPS_SHIFT_FORMS(GO_TO_LABEL, name)
#define GO_TO_MEMORY(name)    ARM_OPS_MEMORY_FORMS(GO_TO_LABEL, name)
#define GO_TO_CONDITION(name) GO_TO_LABEL(SKIP_##name) GO_TO_LABEL(B_##name)
        ARM_OPS_ALU(GO_TO_ALU)
        ARM_OPS_SHIFT(GO_TO_SHIFT)
        ARM_OPS_MEMORY(GO_TO_MEMORY)
        ARM_OPS_CONDITION(GO_TO_CONDITION)
        ARM_OPS_OTHER(GO_TO_LABEL)
#undef GO_TO_LABEL
    case ARM_OP_COUNT: break;
    }
    assert(false);
#endif

    ARM_OPS_ALU(ALU_OPS)
    ARM_OPS_SHIFT(SHIFT_OPS)
    ARM_OPS_MEMORY(MEMORY_OPS)
    ARM_OPS_CONDITION(SKIP_OP)
    ARM_OPS_CONDITION(BRANCH_OP)

op_ADDRESS:
    RD = r[ARM_R_PAGE] + IMM;
    NEXT();
op_CARRY:
    FLAG_C = IMM;
    NEXT();
op_NZ:
    FLAG_N = FLAG_Z = RD;
    NEXT();
op_MOVT:
    RD = (RD & 0xffff) | IMM;
    NEXT();
op_MUL:
    RD = RN * RM;
    NEXT();
op_MLA:
    RD = RA + RN * RM;
    NEXT();
op_MLS:
    RD = RA - RN * RM;
    NEXT();
op_UMULL : {
    uint64_t product = (uint64_t)RN * RM;
    RA = (uint32_t)product;
    RD = (uint32_t)(product >> 32);
    NEXT();
}
op_SMULL : {
    int64_t product = (int64_t)(int32_t)RN * (int32_t)RM;
    RA = (uint32_t)product;
    RD = (uint32_t)(product >> 32);
    NEXT();
}
op_UBFX:
    RD = RN << insn->sa >> insn->ra;
    NEXT();
op_SBFX:
    RD = (uint32_t)((int32_t)(RN << insn->sa) >> insn->ra);
    NEXT();
op_BFI:
    RD = (RD & ~IMM) | (RN << insn->sa & IMM);
    NEXT();
op_UXTB:
    RD = (uint8_t)RM;
    NEXT();
op_UXTH:
    RD = (uint16_t)RM;
    NEXT();
op_SXTB:
    RD = (uint32_t)(int8_t)RM;
    NEXT();
op_SXTH:
    RD = (uint32_t)(int16_t)RM;
    NEXT();
op_CLZ:
    RD = RM ? (uint32_t)__builtin_clz(RM) : 32;
    NEXT();
op_REV:
    RD = __builtin_bswap32(RM);
    NEXT();

op_BL:
    r[ARM_LR] = r[ARM_R_PAGE] + insn->word;
op_B:
    GO();
op_END:
    GO();
op_END_IT:
    pc = r[ARM_R_PAGE] + IMM;
    r[ARM_R_IT] = insn->sa;
    goto slow;
op_CBZ:
    if (RN == 0)
        GO();
    NEXT();
op_CBNZ:
    if (RN != 0)
        GO();
    NEXT();
op_BLX:
    pc = RN;
    r[ARM_LR] = r[ARM_R_PAGE] + insn->word;
    left += insn->rest;
    goto find;
op_BX:
    pc = RN;
    left += insn->rest;
    goto find;
op_BX_LR : {
    pc = r[ARM_LR];
    left += insn->rest;
    const struct cpu_jump *jump = &jumps[cpu_jump_slot(pc)];
    if (jump->key != (pc ^ cpu->core.stamp))
        goto slow;
    r[ARM_R_PAGE] = pc & PAGE_MASK;
    ENTER(jump->block);
}

op_HANDLER:
    FAULT_IF(insn->handler(cpu, insn));
    NEXT();
op_SYSCALL:
    pc = r[ARM_R_PAGE] + IMM;
    left += insn->rest;
    cpu->state.call_it = insn->it;
    r[ARM_R_IT] = insn->sa;
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

enum cpu_stop arm_run(struct cpu *base, uint64_t budget, uint64_t *used, struct cpu_trap *trap)
{
    struct arm *cpu = (struct arm *)base;
    int64_t all = budget < INT64_MAX ? (int64_t)budget : INT64_MAX, left = all;
    uint32_t pc = cpu->state.reg[ARM_PC] | (cpu->state.cpsr & ARM_CPSR_T ? 1 : 0);
    *used = 0;
    *trap = cpu->core.trap = (struct cpu_trap){0};
    if (all == 0)
        return CPU_STOP_BUDGET;
    cpu->core.tlb = cpu_space_tlb(cpu->core.space);
    if (!cpu->core.tlb)
        return CPU_STOP_NOMEM;
    enter(cpu);
    int stop = run(cpu, &left, &pc);
    leave(cpu, pc, stop);
    *used = (uint64_t)(all - left);
    *trap = cpu->core.trap;
    return (enum cpu_stop)stop;
}
