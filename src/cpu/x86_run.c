/* The main loop. One function, because every operation jumps straight to the next one's label: a
 * shared jump, or a call for each instruction, would halve the speed. What an operation may do: read
 * and write cpu->r (as `r`), memory by LOAD and friends, the flags; and then NEXT.
 *
 * The budget is paid block by block, on entry; what was not executed is given back on the way out. */
#include "cpu/x86_flags.h"
#include "cpu/x86_handlers.h"
#include "cpu/x86_lookup.h"
#include "cpu/x86_ops.h"

#include <assert.h>

#if !defined(__clang__)
/* Each operation shall keep a jump of its own, and recompute rather than carry values around;
 * following every variable through all of it for a debugger would take minutes. */
#pragma GCC optimize("no-gcse", "no-crossjumping", "no-var-tracking")
#endif

#define PAGE_MASK   (~(uint64_t)(CPU_PAGE_BYTES - 1))
#define unlikely(x) __builtin_expect((x) != 0, 0)

/* Between runs x86_state has the registers and the flags, while running x86.r and its neighbours. */
static void enter(struct x86 *cpu)
{
    memcpy(cpu->r, cpu->state.reg, sizeof(cpu->state.reg));
    cpu->r[X86_R_ZERO] = 0;
    cpu->r[X86_R_FS] = cpu->state.fs_base;
    cpu->r[X86_R_GS] = cpu->state.gs_base;
    x86_set_flags(cpu, cpu->state.rflags);
    cpu->block = NULL;
    if (cpu->state.rip != cpu->probe_passed)
        cpu->probe_is_passed = false;
    if (cpu->code_epoch != x86_code_epoch(cpu->code) ||
        cpu->exec_epoch != cpu_space_exec_epoch(cpu->space))
        x86_forget_jumps(cpu);
}

static void leave(struct x86 *cpu, uint64_t rip, int stop)
{
    memcpy(cpu->state.reg, cpu->r, sizeof(cpu->state.reg));
    cpu->state.rip = rip;
    cpu->state.rflags = x86_flags(cpu);
    cpu->block = NULL;
    if (stop == X86_STOP_BUDGET || stop == X86_STOP_SYSCALL)
        cpu->probe_is_passed = false;
}

/* How many instructions of the block stand before `insn`. */
static unsigned count_before(const struct x86_block *block, const struct x86_insn *insn)
{
    unsigned count = 0;
    for (const struct x86_insn *i = block->insn; i < insn; i++)
        count += x86_insn_count(i);
    return count;
}

/* E0 to E3: loopne, loope, loop, jrcxz; insn->rm says that 67 was there. */
static bool loop_is_taken(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t mask = insn->rm ? UINT32_MAX : UINT64_MAX;
    if (insn->reg == 3)
        return (cpu->r[X86_RCX] & mask) == 0;
    uint64_t count = (cpu->r[X86_RCX] - 1) & mask;
    cpu->r[X86_RCX] = count;
    return count != 0 && (insn->reg == 2 || x86_zf(cpu) == (insn->reg == 1));
}

/* A jump to nowhere fails at the jump, before it does anything. */
static bool is_canonical(uint64_t addr)
{
    return (uint64_t)((int64_t)(addr << 16) >> 16) == addr;
}

static unsigned limit_of(int64_t left)
{
    return left < X86_BLOCK_COUNT_MAX ? (unsigned)left : X86_BLOCK_COUNT_MAX;
}

/* Registers by operand size; of size 8, byte registers' places. */
#define GET8(n)     (((const uint8_t *)r)[n])
#define GET16(n)    ((uint16_t)r[n])
#define GET32(n)    ((uint32_t)r[n])
#define GET64(n)    (r[n])
#define SET8(n, v)  (((uint8_t *)r)[n] = (uint8_t)(v))
#define SET16(n, v) (*(uint16_t *)&r[n] = (uint16_t)(v))
#define SET32(n, v) (r[n] = (uint32_t)(v))
#define SET64(n, v) (r[n] = (uint64_t)(v))

/* Where every operation jumps to every other, clang takes minutes, and under its sanitizers also
 * without that: there one jump serves all, and the optimizer stays out (gcc does not mind). */
#if defined(__clang__)
#define X86_ONE_JUMP 1
#if __has_feature(address_sanitizer)
#define NOT_OPTIMIZED __attribute__((optnone))
#else
#define NOT_OPTIMIZED
#endif
#else
#define X86_ONE_JUMP 0
#define NOT_OPTIMIZED
#endif

#if X86_ONE_JUMP
#define DISPATCH() goto dispatch
#else
#define DISPATCH() goto *labels[insn->op]
#endif

#define NEXT()      \
    do {            \
        insn++;     \
        DISPATCH(); \
    } while (0)

/* Executes a block from its start. */
#define ENTER(to)                               \
    do {                                        \
        struct x86_block *next_block = (to);    \
        cpu->block = next_block;                \
        if (unlikely(left < next_block->count)) \
            goto too_long;                      \
        left -= next_block->count;              \
        insn = next_block->insn;                \
        DISPATCH();                             \
    } while (0)

/* Goes where insn->imm says, counted from the page. */
#define GO()                   \
    do {                       \
        if (insn->link)        \
            ENTER(insn->link); \
        goto link;             \
    } while (0)

#define FAULT_IF(answer)    \
    do {                    \
        stop = (answer);    \
        if (unlikely(stop)) \
            goto fault;     \
    } while (0)

#define CHECK_TARGET(addr)                                   \
    do {                                                     \
        if (unlikely((addr) >> 47) && !is_canonical(addr)) { \
            stop = X86_STOP_PROTECT;                         \
            goto fault;                                      \
        }                                                    \
    } while (0)

#define EA() (r[insn->base] + (r[insn->index] << insn->scale) + (uint64_t)(int64_t)insn->disp)

#define LOAD_AT(addr, variable)  FAULT_IF(x86_load(cpu, addr, &(variable), sizeof(variable)))
#define STORE_AT(addr, variable) FAULT_IF(x86_store(cpu, addr, &(variable), sizeof(variable)))

/* What the binary operations compute from a and b, with the flags: T is their type. */
#define FLAGS(bits, result, carries) \
    (cpu->flag_result = (uint64_t)(int64_t)(int##bits##_t)(result), cpu->flag_carry = (carries))
#define COMPUTE_ADD(bits) \
    res = (T)(a + b);     \
    FLAGS(bits, res, x86_carries_add(a, b, res, bits))
#define COMPUTE_ADC(bits)              \
    res = (T)(a + b + (T)x86_cf(cpu)); \
    FLAGS(bits, res, x86_carries_add(a, b, res, bits))
#define COMPUTE_SUB(bits) \
    res = (T)(a - b);     \
    FLAGS(bits, res, x86_carries_sub(a, b, res, bits))
#define COMPUTE_SBB(bits)              \
    res = (T)(a - b - (T)x86_cf(cpu)); \
    FLAGS(bits, res, x86_carries_sub(a, b, res, bits))
#define COMPUTE_AND(bits) \
    res = (T)(a & b);     \
    FLAGS(bits, res, 0)
#define COMPUTE_OR(bits) \
    res = (T)(a | b);    \
    FLAGS(bits, res, 0)
#define COMPUTE_XOR(bits) \
    res = (T)(a ^ b);     \
    FLAGS(bits, res, 0)

/* The destination in memory: read as if written, computed, written, which cannot fail any more. */
#define MODIFY(bits, compute)                                       \
    uint64_t addr = EA();                                           \
    uint8_t *host = cpu_tlb_find(tlb->write, addr, bits / 8);       \
    if (unlikely(!host)) {                                          \
        FAULT_IF(x86_load_to_modify_slow(cpu, addr, &a, bits / 8)); \
        compute(bits);                                              \
        FAULT_IF(x86_store_slow(cpu, addr, &res, bits / 8));        \
        NEXT();                                                     \
    }                                                               \
    memcpy(&a, host, sizeof(a));                                    \
    compute(bits);                                                  \
    memcpy(host, &res, sizeof(res))

#define BINARY_OF(NAME, bits, COMPUTE)                            \
    op_##NAME##bits##_RR:                                         \
    {                                                             \
        typedef uint##bits##_t T;                                 \
        T a = GET##bits(insn->rm), b = GET##bits(insn->reg), res; \
        COMPUTE(bits);                                            \
        SET##bits(insn->rm, res);                                 \
        NEXT();                                                   \
    }                                                             \
    op_##NAME##bits##_RI:                                         \
    {                                                             \
        typedef uint##bits##_t T;                                 \
        T a = GET##bits(insn->rm), b = (T)insn->imm, res;         \
        COMPUTE(bits);                                            \
        SET##bits(insn->rm, res);                                 \
        NEXT();                                                   \
    }                                                             \
    op_##NAME##bits##_RM:                                         \
    {                                                             \
        typedef uint##bits##_t T;                                 \
        T a = GET##bits(insn->reg), b, res;                       \
        LOAD_AT(EA(), b);                                         \
        COMPUTE(bits);                                            \
        SET##bits(insn->reg, res);                                \
        NEXT();                                                   \
    }                                                             \
    op_##NAME##bits##_MR:                                         \
    {                                                             \
        typedef uint##bits##_t T;                                 \
        T a, b = GET##bits(insn->reg), res;                       \
        MODIFY(bits, COMPUTE);                                    \
        NEXT();                                                   \
    }                                                             \
    op_##NAME##bits##_MI:                                         \
    {                                                             \
        typedef uint##bits##_t T;                                 \
        T a, b = (T)insn->imm, res;                               \
        MODIFY(bits, COMPUTE);                                    \
        NEXT();                                                   \
    }

/* cmp and test: nothing is written but the flags. */
#define COMPARE_OF(NAME, bits, COMPUTE)                           \
    op_##NAME##bits##_RR:                                         \
    {                                                             \
        typedef uint##bits##_t T;                                 \
        T a = GET##bits(insn->rm), b = GET##bits(insn->reg), res; \
        COMPUTE(bits);                                            \
        NEXT();                                                   \
    }                                                             \
    op_##NAME##bits##_RI:                                         \
    {                                                             \
        typedef uint##bits##_t T;                                 \
        T a = GET##bits(insn->rm), b = (T)insn->imm, res;         \
        COMPUTE(bits);                                            \
        NEXT();                                                   \
    }                                                             \
    op_##NAME##bits##_RM:                                         \
    {                                                             \
        typedef uint##bits##_t T;                                 \
        T a = GET##bits(insn->reg), b, res;                       \
        LOAD_AT(EA(), b);                                         \
        COMPUTE(bits);                                            \
        NEXT();                                                   \
    }                                                             \
    op_##NAME##bits##_MR:                                         \
    {                                                             \
        typedef uint##bits##_t T;                                 \
        T a, b = GET##bits(insn->reg), res;                       \
        LOAD_AT(EA(), a);                                         \
        COMPUTE(bits);                                            \
        NEXT();                                                   \
    }                                                             \
    op_##NAME##bits##_MI:                                         \
    {                                                             \
        typedef uint##bits##_t T;                                 \
        T a, b = (T)insn->imm, res;                               \
        LOAD_AT(EA(), a);                                         \
        COMPUTE(bits);                                            \
        NEXT();                                                   \
    }

#define MOVE_OF(bits)                                     \
    op_MOV##bits##_RR:                                    \
    {                                                     \
        SET##bits(insn->rm, GET##bits(insn->reg));        \
        NEXT();                                           \
    }                                                     \
    op_MOV##bits##_RI:                                    \
    {                                                     \
        SET##bits(insn->rm, insn->imm);                   \
        NEXT();                                           \
    }                                                     \
    op_MOV##bits##_RM:                                    \
    {                                                     \
        uint##bits##_t value;                             \
        LOAD_AT(EA(), value);                             \
        SET##bits(insn->reg, value);                      \
        NEXT();                                           \
    }                                                     \
    op_MOV##bits##_MR:                                    \
    {                                                     \
        uint##bits##_t value = GET##bits(insn->reg);      \
        STORE_AT(EA(), value);                            \
        NEXT();                                           \
    }                                                     \
    op_MOV##bits##_MI:                                    \
    {                                                     \
        uint##bits##_t value = (uint##bits##_t)insn->imm; \
        STORE_AT(EA(), value);                            \
        NEXT();                                           \
    }

#define COMPUTE_INC(bits) \
    res = (T)(a + 1);     \
    FLAGS(bits, res, x86_carries_keep_cf(cpu->flag_carry, x86_carries_add(a, (T)1, res, bits)))
#define COMPUTE_DEC(bits) \
    res = (T)(a - 1);     \
    FLAGS(bits, res, x86_carries_keep_cf(cpu->flag_carry, x86_carries_sub(a, (T)1, res, bits)))
#define COMPUTE_NEG(bits) \
    res = (T)(0 - a);     \
    FLAGS(bits, res, x86_carries_sub((T)0, a, res, bits))
#define COMPUTE_NOT(bits) res = (T)~a

#define UNARY_OF(NAME, bits, COMPUTE)   \
    op_##NAME##bits##_R:                \
    {                                   \
        typedef uint##bits##_t T;       \
        T a = GET##bits(insn->rm), res; \
        COMPUTE(bits);                  \
        SET##bits(insn->rm, res);       \
        NEXT();                         \
    }                                   \
    op_##NAME##bits##_M:                \
    {                                   \
        typedef uint##bits##_t T;       \
        T a, res;                       \
        MODIFY(bits, COMPUTE);          \
        NEXT();                         \
    }

#define ALL_SIZES(MACRO, NAME, COMPUTE) \
    MACRO(NAME, 8, COMPUTE)             \
    MACRO(NAME, 16, COMPUTE)            \
    MACRO(NAME, 32, COMPUTE)            \
    MACRO(NAME, 64, COMPUTE)

/* The count is 1 to bits - 1. */
#define SHIFTS_OF(bits)                                                                      \
    op_SHL##bits##_RI:                                                                       \
    {                                                                                        \
        uint##bits##_t a = GET##bits(insn->rm), res = a << insn->imm;                        \
        bool cf = (a >> (bits - insn->imm)) & 1;                                             \
        FLAGS(bits, res, x86_carry_of(cf, cf != (bool)(res >> (bits - 1))));                 \
        SET##bits(insn->rm, res);                                                            \
        NEXT();                                                                              \
    }                                                                                        \
    op_SHR##bits##_RI:                                                                       \
    {                                                                                        \
        uint##bits##_t a = GET##bits(insn->rm), res = a >> insn->imm;                        \
        bool cf = (a >> (insn->imm - 1)) & 1;                                                \
        FLAGS(bits, res, x86_carry_of(cf, ((res >> (bits - 1)) ^ (res >> (bits - 2))) & 1)); \
        SET##bits(insn->rm, res);                                                            \
        NEXT();                                                                              \
    }                                                                                        \
    op_SAR##bits##_RI:                                                                       \
    {                                                                                        \
        int##bits##_t a = (int##bits##_t)GET##bits(insn->rm), res = a >> insn->imm;          \
        FLAGS(bits, res, x86_carry_of((a >> (insn->imm - 1)) & 1, false));                   \
        SET##bits(insn->rm, res);                                                            \
        NEXT();                                                                              \
    }

#define EXTEND_OF(NAME, from, via, to)                \
    op_##NAME##_RR:                                   \
    {                                                 \
        SET##to(insn->reg, (via)GET##from(insn->rm)); \
        NEXT();                                       \
    }                                                 \
    op_##NAME##_RM:                                   \
    {                                                 \
        uint##from##_t value;                         \
        LOAD_AT(EA(), value);                         \
        SET##to(insn->reg, (via)value);               \
        NEXT();                                       \
    }

#define MULTIPLY(bits, x, y)                                                              \
    int##bits##_t product;                                                                \
    bool over = __builtin_mul_overflow((int##bits##_t)(x), (int##bits##_t)(y), &product); \
    FLAGS(bits, product, x86_carry_of(over, over));                                       \
    SET##bits(insn->reg, product);                                                        \
    NEXT()

#define IMUL_OF(bits)                                              \
    op_IMUL##bits##_RR:                                            \
    {                                                              \
        MULTIPLY(bits, GET##bits(insn->reg), GET##bits(insn->rm)); \
    }                                                              \
    op_IMUL##bits##_RM:                                            \
    {                                                              \
        uint##bits##_t value;                                      \
        LOAD_AT(EA(), value);                                      \
        MULTIPLY(bits, GET##bits(insn->reg), value);               \
    }                                                              \
    op_IMUL##bits##_RRI:                                           \
    {                                                              \
        MULTIPLY(bits, GET##bits(insn->rm), insn->imm);            \
    }

#define CONDITIONAL_OF(cc)                                                            \
    op_CMOV32_RR_##cc:                                                                \
    {                                                                                 \
        r[insn->reg] = (uint32_t)r[x86_condition_is(cpu, cc) ? insn->rm : insn->reg]; \
        NEXT();                                                                       \
    }                                                                                 \
    op_CMOV64_RR_##cc:                                                                \
    {                                                                                 \
        r[insn->reg] = r[x86_condition_is(cpu, cc) ? insn->rm : insn->reg];           \
        NEXT();                                                                       \
    }                                                                                 \
    op_SET_##cc:                                                                      \
    {                                                                                 \
        SET8(insn->rm, x86_condition_is(cpu, cc));                                    \
        NEXT();                                                                       \
    }                                                                                 \
    op_JCC_##cc:                                                                      \
    {                                                                                 \
        if (x86_condition_is(cpu, cc))                                                \
            GO();                                                                     \
        NEXT();                                                                       \
    }

#define ALL_CONDITIONS(MACRO) \
    MACRO(0)                  \
    MACRO(1)                  \
    MACRO(2)                  \
    MACRO(3)                  \
    MACRO(4)                  \
    MACRO(5)                  \
    MACRO(6) MACRO(7) MACRO(8) MACRO(9) MACRO(10) MACRO(11) MACRO(12) MACRO(13) MACRO(14) MACRO(15)

NOT_OPTIMIZED static int run(struct x86 *cpu, int64_t *budget_left, uint64_t *rip_out)
{
#if !X86_ONE_JUMP
    static const void *const labels[X86_OP_COUNT] = {
#define LABEL(name) [X86_OP_##name] = &&op_##name,
        X86_OPS(LABEL)
#undef LABEL
    };
#endif
    uint64_t *const r = cpu->r;
    const struct cpu_tlb *const tlb = cpu->tlb;
    int64_t left = *budget_left;
    uint64_t rip = *rip_out;
    const struct x86_jump *const jumps = x86_code_jumps(cpu->code);
    struct x86_insn *insn;
    int stop;

find : {
    const struct x86_jump *jump = &jumps[x86_jump_slot(rip)];
    if (jump->key == (rip ^ cpu->stamp)) {
        r[X86_R_PAGE] = rip & PAGE_MASK;
        ENTER(jump->block);
    }
    struct x86_block *block;
    if (left == 0) {
        stop = X86_STOP_BUDGET;
        goto out;
    }
    stop = x86_find_block(cpu, rip, limit_of(left), true, &block);
    if (stop)
        goto out;
    r[X86_R_PAGE] = rip & PAGE_MASK;
    ENTER(block);
}

    /* A jump that is taken for the first time: remembered when it stays in the page, for then
     * both ends are thrown out together. */
link : {
    struct x86_block *block;
    struct x86_code_page *page = cpu->block->page;
    uint64_t epoch = x86_code_epoch(cpu->code);
    rip = r[X86_R_PAGE] + insn->imm;
    if (insn->imm >= CPU_PAGE_BYTES || !page)
        goto find;
    if (left == 0) {
        stop = X86_STOP_BUDGET;
        goto out;
    }
    stop = x86_find_block(cpu, rip, limit_of(left), true, &block);
    if (stop)
        goto out;
    if (block->page == page && x86_code_epoch(cpu->code) == epoch)
        insn->link = block;
    ENTER(block);
}

    /* The budget ends within the block, which was not begun. */
too_long : {
    struct x86_block *block;
    rip = r[X86_R_PAGE] + cpu->block->start;
    stop = X86_STOP_BUDGET;
    if (left == 0)
        goto out;
    stop = x86_find_block(cpu, rip, limit_of(left), true, &block);
    if (stop)
        goto out;
    ENTER(block);
}

fault:
    left += cpu->block->count - count_before(cpu->block, insn);
    rip = r[X86_R_PAGE] + insn->offset;
    if (stop != X86_RETRY)
        goto out;

retry : {
    struct x86_block *block;
    cpu->retrying = true;
    stop = x86_find_block(cpu, rip, 1, false, &block);
    if (stop)
        goto out;
    ENTER(block);
}

#if X86_ONE_JUMP
dispatch:
    switch ((enum x86_op)insn->op) {
#define GO_TO_LABEL(name) \
    case X86_OP_##name: goto op_##name;
        X86_OPS(GO_TO_LABEL)
#undef GO_TO_LABEL
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

op_LEA32:
    r[insn->reg] = (uint32_t)EA();
    NEXT();
op_LEA64:
    r[insn->reg] = EA();
    NEXT();

op_PUSH_R : {
    uint64_t value = r[insn->rm];
    STORE_AT(r[X86_RSP] - 8, value);
    r[X86_RSP] -= 8;
    NEXT();
}
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
op_POP_R : {
    uint64_t value;
    LOAD_AT(r[X86_RSP], value);
    r[X86_RSP] += 8;
    r[insn->rm] = value;
    NEXT();
}
op_LEAVE : {
    uint64_t value;
    LOAD_AT(r[X86_RBP], value);
    r[X86_RSP] = r[X86_RBP] + 8;
    r[X86_RBP] = value;
    NEXT();
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
op_CALL : {
    uint64_t back = r[X86_R_PAGE] + insn->offset + insn->len;
    STORE_AT(r[X86_RSP] - 8, back);
    r[X86_RSP] -= 8;
    GO();
}
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
op_RET:
    LOAD_AT(r[X86_RSP], rip);
    CHECK_TARGET(rip);
    r[X86_RSP] += 8;
    goto find;
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
    if (stop == X86_RETRY)
        goto retry;
    if (stop == X86_REFETCH)
        goto find;
    if (stop) {
        stop = stop == X86_AGAIN ? X86_STOP_BUDGET : stop;
        goto out;
    }
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
    stop = X86_STOP_SYSCALL;
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

enum x86_stop x86_run(struct x86 *cpu, uint64_t budget, uint64_t *used, struct x86_trap *trap)
{
    int64_t left = budget < INT64_MAX ? (int64_t)budget : INT64_MAX, all = left;
    uint64_t rip = cpu->state.rip;
    *used = 0;
    *trap = cpu->trap = (struct x86_trap){0};
    if (left == 0)
        return X86_STOP_BUDGET;
    enter(cpu);
    x86_vector_enter(cpu);
    int stop = run(cpu, &left, &rip);
    x86_vector_leave(cpu);
    leave(cpu, rip, stop);
    *used = (uint64_t)(all - left);
    cpu->retired += *used;
    *trap = cpu->trap;
    return (enum x86_stop)stop;
}
