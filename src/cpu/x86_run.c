/* The main loop. One function, because every operation jumps straight to the next one's label: a
 * shared jump, or a call for each instruction, would halve the speed. What an operation may do: read
 * and write cpu->r (as `r`), memory by LOAD and friends, the flags; and then NEXT.
 *
 * The budget is paid block by block, on entry; what was not executed is given back on the way out. */
#include "cpu/x86_bodies.h"
#include "cpu/x86_flags.h"
#include "cpu/x86_handlers.h"
#include "cpu/x86_lookup.h"
#include "cpu/x86_operand.h"
#include "cpu/x86_ops.h"

#define INSNS_OF(block)         (((struct x86_block *)(block))->insn)
#define RUNNING                 cpu->block
#define FIND_BLOCK(limit, keep) x86_find_block(cpu, rip, limit, keep, &block)
#define COUNT_MAX               X86_BLOCK_COUNT_MAX
#define CODE_STORE              cpu->store
#include "cpu/loop.h"

#include <assert.h>

#define PAGE_MASK (~(uint64_t)(CPU_PAGE_BYTES - 1))

/* Between runs x86_state has the registers and the flags, while running x86.r and its neighbours. */
static void enter(struct x86 *cpu)
{
    memcpy(cpu->r, cpu->state.reg, sizeof(cpu->state.reg));
    cpu->r[X86_R_ZERO] = 0;
    cpu->r[X86_R_FS] = cpu->state.fs_base;
    cpu->r[X86_R_GS] = cpu->state.gs_base;
    x86_set_flags(cpu, cpu->state.rflags);
    cpu->block = NULL;
    if (cpu->state.rip != cpu->probes.passed)
        cpu->probes.is_passed = false;
    if (cpu->store_epoch != cpu_store_epoch(cpu->store) ||
        cpu->exec_epoch != cpu_space_exec_epoch(cpu->space))
        x86_forget_jumps(cpu);
}

static void leave(struct x86 *cpu, uint64_t rip, int stop)
{
    memcpy(cpu->state.reg, cpu->r, sizeof(cpu->state.reg));
    cpu->state.rip = rip;
    cpu->state.rflags = x86_flags(cpu);
    cpu->block = NULL;
    /* Not done is an instruction that faulted, and a repeated one that goes on (X86_AGAIN). */
    if (stop == CPU_STOP_BUDGET || stop == CPU_STOP_SYSCALL)
        cpu->probes.is_passed = false;
}

/* How many instructions of the block stand before `insn`. */
static unsigned count_before(const struct cpu_block *block, const struct x86_insn *insn)
{
    unsigned count = 0;
    for (const struct x86_insn *i = ((const struct x86_block *)block)->insn; i < insn; i++)
        count += x86_insn_count(i);
    return count;
}

/* E0 to E3: loopne, loope, loop, jrcxz; insn->rm is the counter's size. */
static bool loop_is_taken(struct x86 *cpu, const struct x86_insn *insn)
{
    unsigned size = insn->rm;
    if (insn->reg == 3)
        return x86_reg_get(cpu, X86_RCX, size) == 0;
    uint64_t count = (x86_reg_get(cpu, X86_RCX, size) - 1) & x86_mask(size);
    x86_reg_set(cpu, X86_RCX, size, count);
    return count != 0 && (insn->reg == 2 || x86_zf(cpu) == (insn->reg == 1));
}

/* A jump to nowhere fails at the jump, before it does anything. */
static bool is_canonical(uint64_t addr)
{
    return (uint64_t)((int64_t)(addr << 16) >> 16) == addr;
}

/* An operation of its own for each body, and leading on. */
#define OP(name, body) op_##name : body NEXT();

#define BINARY_OF(NAME, bits, COMPUTE)        \
    OP(NAME##bits##_RR, DO_RR(bits, COMPUTE)) \
    OP(NAME##bits##_RI, DO_RI(bits, COMPUTE)) \
    OP(NAME##bits##_RM, DO_RM(bits, COMPUTE)) \
    OP(NAME##bits##_MR, DO_MR(bits, COMPUTE)) \
    OP(NAME##bits##_MI, DO_MI(bits, COMPUTE))
#define COMPARE_OF(NAME, bits, COMPUTE)         \
    OP(NAME##bits##_RR, DO_C_RR(bits, COMPUTE)) \
    OP(NAME##bits##_RI, DO_C_RI(bits, COMPUTE)) \
    OP(NAME##bits##_RM, DO_C_RM(bits, COMPUTE)) \
    OP(NAME##bits##_MR, DO_C_MR(bits, COMPUTE)) \
    OP(NAME##bits##_MI, DO_C_MI(bits, COMPUTE))
#define MOVE_OF(bits)                   \
    OP(MOV##bits##_RR, DO_MOV_RR(bits)) \
    OP(MOV##bits##_RI, DO_MOV_RI(bits)) \
    OP(MOV##bits##_RM, DO_MOV_RM(bits)) \
    OP(MOV##bits##_MR, DO_MOV_MR(bits)) \
    OP(MOV##bits##_MI, DO_MOV_MI(bits))
#define UNARY_OF(NAME, bits, COMPUTE)       \
    OP(NAME##bits##_R, DO_R(bits, COMPUTE)) \
    OP(NAME##bits##_M, DO_M(bits, COMPUTE))
#define SHIFTS_OF(bits)              \
    OP(SHL##bits##_RI, DO_SHL(bits)) \
    OP(SHR##bits##_RI, DO_SHR(bits)) \
    OP(SAR##bits##_RI, DO_SAR(bits)) \
    OP(ROL##bits##_RI, DO_ROL(bits)) \
    OP(ROR##bits##_RI, DO_ROR(bits))
#define EXTEND_OF(NAME, from, via, to)         \
    OP(NAME##_RR, DO_EXTEND_RR(from, via, to)) \
    OP(NAME##_RM, DO_EXTEND_RM(from, via, to))
#define IMUL_OF(bits)                     \
    OP(IMUL##bits##_RR, DO_IMUL_RR(bits)) \
    OP(IMUL##bits##_RM, DO_IMUL_RM(bits)) \
    OP(IMUL##bits##_RRI, DO_IMUL_RRI(bits))
#define CONDITIONAL_OF(cc)            \
    OP(CMOV32_RR_##cc, DO_CMOV32(cc)) \
    OP(CMOV64_RR_##cc, DO_CMOV64(cc)) \
    OP(SET_##cc, DO_SET(cc))          \
    OP(JCC_##cc, DO_JCC(cc))

/* Two operations with one jump between pairs: what costs most is the jump that is not foreseen. */
#define PAIR_OF(first, second) OP(first##__##second, DO_##first insn++; DO_##second)

#define ALL_SIZES(MACRO, NAME, COMPUTE) \
    MACRO(NAME, 8, COMPUTE)             \
    MACRO(NAME, 16, COMPUTE)            \
    MACRO(NAME, 32, COMPUTE)            \
    MACRO(NAME, 64, COMPUTE)

#define ALL_CONDITIONS(MACRO) \
    MACRO(0)                  \
    MACRO(1)                  \
    MACRO(2)                  \
    MACRO(3)                  \
    MACRO(4)                  \
    MACRO(5)                  \
    MACRO(6)                  \
    MACRO(7)                  \
    MACRO(8)                  \
    MACRO(9)                  \
    MACRO(10)                 \
    MACRO(11)                 \
    MACRO(12)                 \
    MACRO(13)                 \
    MACRO(14)                 \
    MACRO(15)

static int run(struct x86 *cpu, int64_t *budget_left, uint64_t *rip_out)
{
#if !ONE_JUMP
    static const void *const labels[X86_OP_COUNT] = {
#define LABEL(name) [X86_OP_##name] = &&op_##name,
        X86_OPS(LABEL)
#undef LABEL
#define PAIR_LABEL(first, second) [X86_OP_##first##__##second] = &&op_##first##__##second,
            X86_PAIRS(PAIR_LABEL)
#undef PAIR_LABEL
    };
#endif
    uint64_t *const r = cpu->r;
    const struct cpu_tlb *const tlb = cpu->tlb;
    int64_t left = *budget_left;
    uint64_t rip = *rip_out;
    const struct cpu_jump *const jumps = cpu_store_jumps(cpu->store);
    struct cpu_block *block;
    struct x86_insn *insn;
    int stop;

find : {
    const struct cpu_jump *jump = &jumps[cpu_jump_slot(rip)];
    if (jump->key == (rip ^ cpu->stamp)) {
        r[X86_R_PAGE] = rip & PAGE_MASK;
        ENTER(jump->block);
    }
    rip &= cpu->mask;
    FIND(true);
    r[X86_R_PAGE] = rip & PAGE_MASK;
    START(block);
}

    /* A jump that is taken for the first time: remembered when it stays in the page, for then
     * both ends are thrown out together. */
link : {
    struct cpu_block_page *page = cpu->block->page;
    uint64_t epoch = cpu_store_epoch(cpu->store);
    rip = r[X86_R_PAGE] + insn->imm;
    if (insn->imm >= CPU_PAGE_BYTES || !page)
        goto find;
    FIND(true);
    if (block->page == page && cpu_store_epoch(cpu->store) == epoch)
        insn->link = block;
    START(block);
}

    /* The budget ends within the block, which was not begun. */
too_long:
    rip = r[X86_R_PAGE] + cpu->block->start;
    FIND(true);
    START(block);

fault:
    left += cpu->block->count - count_before(cpu->block, insn);
    rip = r[X86_R_PAGE] + insn->offset;
    if (stop != X86_RETRY)
        goto out;

retry:
    cpu->retrying = true;
    FIND(false);
    START(block);

#if ONE_JUMP
dispatch:
    switch ((enum x86_op)insn->op) {
#define GO_TO_LABEL(name) \
    case X86_OP_##name: goto op_##name;
        X86_OPS(GO_TO_LABEL)
#undef GO_TO_LABEL
#define GO_TO_PAIR(first, second) \
    case X86_OP_##first##__##second: goto op_##first##__##second;
        X86_PAIRS(GO_TO_PAIR)
#undef GO_TO_PAIR
    case X86_OP_COUNT: break;
    }
    assert(false);
#endif

    ALL_SIZES(BINARY_OF, ADD, COMPUTE_ADD)
    ALL_SIZES(BINARY_OF, OR, COMPUTE_OR)
    ALL_SIZES(BINARY_OF, ADC, COMPUTE_ADC)
    ALL_SIZES(BINARY_OF, SBB, COMPUTE_SBB)
    ALL_SIZES(BINARY_OF, AND, COMPUTE_AND)
    ALL_SIZES(BINARY_OF, SUB, COMPUTE_SUB)
    ALL_SIZES(BINARY_OF, XOR, COMPUTE_XOR)
    ALL_SIZES(COMPARE_OF, CMP, COMPUTE_SUB)
    ALL_SIZES(COMPARE_OF, TEST, COMPUTE_AND)
    MOVE_OF(8)
    MOVE_OF(16)
    MOVE_OF(32)
    MOVE_OF(64)
    ALL_SIZES(UNARY_OF, INC, COMPUTE_INC)
    ALL_SIZES(UNARY_OF, DEC, COMPUTE_DEC)
    ALL_SIZES(UNARY_OF, NOT, COMPUTE_NOT)
    ALL_SIZES(UNARY_OF, NEG, COMPUTE_NEG)
    SHIFTS_OF(32)
    SHIFTS_OF(64)
    EXTEND_OF(MOVZX8_32, 8, uint32_t, 32)
    EXTEND_OF(MOVZX16_32, 16, uint32_t, 32)
    EXTEND_OF(MOVSX8_32, 8, int8_t, 32)
    EXTEND_OF(MOVSX8_64, 8, int8_t, 64)
    EXTEND_OF(MOVSX16_32, 16, int16_t, 32)
    EXTEND_OF(MOVSX16_64, 16, int16_t, 64)
    EXTEND_OF(MOVSX32_64, 32, int32_t, 64)
    IMUL_OF(32)
    IMUL_OF(64)
    ALL_CONDITIONS(CONDITIONAL_OF)
    OP(LEA32, DO_LEA32)
    OP(LEA64, DO_LEA64)
    OP(PUSH_R, DO_PUSH_R)
    OP(POP_R, DO_POP_R)
    OP(CALL, DO_CALL)
    OP(RET, DO_RET)
    OP(PUSH32_R, DO_PUSH32_R)
    OP(POP32_R, DO_POP32_R)
    OP(CALL32, DO_CALL32)
    OP(RET32, DO_RET32)
    X86_PAIRS(PAIR_OF)

op_PUSH_I:
    STORE_AT(r[X86_RSP] - 8, insn->imm);
    r[X86_RSP] -= 8;
    NEXT();
op_PUSH_M : {
    uint64_t value;
    LOAD_AT(EA(), value);
    STORE_AT(r[X86_RSP] - 8, value);
    r[X86_RSP] -= 8;
    NEXT();
}
op_LEAVE : {
    uint64_t value;
    LOAD_AT(r[X86_RBP], value);
    r[X86_RSP] = r[X86_RBP] + 8;
    r[X86_RBP] = value;
    NEXT();
}

op_PUSH32_I : {
    uint32_t value = (uint32_t)insn->imm;
    STORE_AT(SP32(-4), value);
    r[X86_RSP] = SP32(-4);
    NEXT();
}
op_PUSH32_M : {
    uint32_t value;
    LOAD_AT(EA(), value);
    STORE_AT(SP32(-4), value);
    r[X86_RSP] = SP32(-4);
    NEXT();
}
op_LEAVE32 : {
    uint32_t value;
    LOAD_AT(r[X86_RBP], value);
    r[X86_RSP] = (uint32_t)(r[X86_RBP] + 4);
    r[X86_RBP] = value;
    NEXT();
}
op_JMP32_M : {
    uint32_t value;
    LOAD_AT(EA(), value);
    rip = value;
    goto find;
}
op_CALL32_R : {
    uint64_t to = r[insn->rm];
    PUSH_BACK32();
    rip = to;
    goto find;
}
op_CALL32_M : {
    uint32_t value;
    LOAD_AT(EA(), value);
    PUSH_BACK32();
    rip = value;
    goto find;
}
op_RET32_I : {
    uint32_t value;
    LOAD_AT(r[X86_RSP], value);
    r[X86_RSP] = SP32(4 + insn->imm);
    rip = value;
    goto find;
}

op_JMP:
op_NEXT:
    GO();
op_JMP_R:
    rip = r[insn->rm];
    CHECK_TARGET(rip);
    goto find;
op_JMP_M:
    LOAD_AT(EA(), rip);
    CHECK_TARGET(rip);
    goto find;
op_CALL_R : {
    uint64_t back = r[X86_R_PAGE] + insn->offset + insn->len;
    rip = r[insn->rm];
    CHECK_TARGET(rip);
    STORE_AT(r[X86_RSP] - 8, back);
    r[X86_RSP] -= 8;
    goto find;
}
op_CALL_M : {
    uint64_t back = r[X86_R_PAGE] + insn->offset + insn->len;
    LOAD_AT(EA(), rip);
    CHECK_TARGET(rip);
    STORE_AT(r[X86_RSP] - 8, back);
    r[X86_RSP] -= 8;
    goto find;
}
op_RET_I:
    LOAD_AT(r[X86_RSP], rip);
    CHECK_TARGET(rip);
    r[X86_RSP] += 8 + insn->imm;
    goto find;
op_LOOP:
    if (loop_is_taken(cpu, insn))
        GO();
    NEXT();

op_STRING:
    cpu->left = left + 1; /* it was paid for one round */
    rip = r[X86_R_PAGE] + insn->offset;
    stop = x86_string(cpu, insn);
    left = cpu->left;
    if (stop == X86_RETRY || stop == X86_REFETCH)
        goto retry;
    if (stop)
        goto out;
    rip += insn->len;
    goto find;
op_RDTSC : {
    uint64_t now = cpu->retired + (uint64_t)(*budget_left - left);
    r[X86_RAX] = (uint32_t)now;
    r[X86_RDX] = now >> 32;
    NEXT();
}
op_SYSCALL:
    rip = r[X86_R_PAGE] + insn->offset + insn->len;
    r[X86_RCX] = rip;
    r[X86_R11] = x86_flags(cpu);
    stop = CPU_STOP_SYSCALL;
    goto out;
op_STOP:
    stop = (int)insn->imm;
    goto fault;
op_STOP_AFTER:
    rip = r[X86_R_PAGE] + insn->offset + insn->len;
    stop = (int)insn->imm;
    goto out;

op_TEMP:
    r[X86_R_TEMP] = EA();
    NEXT();
op_TEMP32:
    r[X86_R_TEMP] = (uint32_t)EA();
    NEXT();
op_TEMP16:
    r[X86_R_TEMP] = (uint16_t)EA();
    NEXT();
op_TEMP_PAGE:
    r[X86_R_TEMP] = r[X86_R_PAGE] + insn->imm;
    NEXT();
op_TEMP_IMM:
    r[X86_R_TEMP] = insn->imm;
    NEXT();
op_NOP:
    NEXT();
op_HANDLER:
    FAULT_IF(insn->handler(cpu, insn));
    NEXT();

out:
    *budget_left = left;
    *rip_out = rip;
    return stop;
}

enum cpu_stop x86_run(struct x86 *cpu, uint64_t budget, uint64_t *used, struct cpu_trap *trap)
{
    int64_t left = budget < INT64_MAX ? (int64_t)budget : INT64_MAX, all = left;
    uint64_t rip = cpu->state.rip;
    *used = 0;
    *trap = cpu->trap = (struct cpu_trap){0};
    if (left == 0)
        return CPU_STOP_BUDGET;
    cpu->tlb = cpu_space_tlb(cpu->space);
    if (!cpu->tlb)
        return CPU_STOP_NOMEM;
    enter(cpu);
    x86_vector_enter(cpu);
    int stop = run(cpu, &left, &rip);
    x86_vector_leave(cpu);
    leave(cpu, rip, stop);
    if (stop == X86_AGAIN)
        stop = CPU_STOP_BUDGET;
    *used = (uint64_t)(all - left);
    cpu->retired += *used;
    *trap = cpu->trap;
    return (enum cpu_stop)stop;
}
