/* The MIPS processor around its instructions: delay slots, faults, budgets, code that changes,
 * probes, page ends. What each instruction computes is held against Unicorn by mips_oracle_test. */
#include "cpu/mips.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PAGE ((uint64_t)CPU_PAGE_BYTES)

enum {
    FRAMES = 64,
    CODE = 0x10000, /* two pages */
    LAST = CODE + CPU_PAGE_BYTES - 4,
    DATA = 0x20000, /* two pages, nothing behind them */
    DATA_END = DATA + 2 * CPU_PAGE_BYTES,
    NOWHERE = 0x66000,
    KERNEL_HALF = INT32_MIN,
    RW = CPU_READ | CPU_WRITE,
    RX = CPU_READ | CPU_EXEC,
    RWX = RW | CPU_EXEC,
};

/* Instructions. */
enum { V0 = 2, A0 = 4, A1, A2, A3, T0 = 8, T1, T2, T3, RA = 31 };
#define I(op, rs, rt, imm)  ((uint32_t)(op) << 26 | (rs) << 21 | (rt) << 16 | ((imm)&0xffffu))
#define R(fn, rd, rs, rt)   ((uint32_t)(rs) << 21 | (rt) << 16 | (rd) << 11 | (fn))
#define LI(rt, imm)         I(0x09, 0, rt, imm)
#define ADDIU(rt, rs, imm)  I(0x09, rs, rt, imm)
#define LW(rt, off, rs)     I(0x23, rs, rt, off)
#define SW(rt, off, rs)     I(0x2b, rs, rt, off)
#define BEQ(rs, rt, words)  I(0x04, rs, rt, words)
#define BNE(rs, rt, words)  I(0x05, rs, rt, words)
#define BNEL(rs, rt, words) I(0x15, rs, rt, words)
#define BAL(words)          I(0x01, 0, 0x11, words)
#define JR(rs)              R(0x08, 0, rs, 0)
#define JALR(rd, rs)        R(0x09, rd, rs, 0)
#define TEQ(rs, rt, code)   (R(0x34, 0, rs, rt) | (code) << 6)
#define BREAK(code)         (0x0000000du | (uint32_t)(code) << 16)
#define SYSCALL             0x0000000cu
#define NOP                 0u

struct machine {
    struct cpu_pool *pool;
    struct cpu_space *space;
    struct cpu_code *code;
    struct cpu *cpu;
    struct mips_state *s;
    struct cpu_trap trap;
    uint64_t used;
    bool big;
};

static struct machine the_machine;

static int machine_open(void **state, const struct cpu_ops *ops)
{
    struct machine *m = &the_machine;
    memset(m, 0, sizeof(*m));
    m->pool = cpu_pool_new(FRAMES);
    m->space = cpu_space_new(m->pool);
    m->code = cpu_code_new(1 << 20);
    m->cpu = cpu_new(ops, m->code, m->space);
    m->s = mips_state(m->cpu);
    m->big = ops == &mips_be_ops;
    ops->start(m->cpu, CODE, DATA_END);
    *state = m;
    return cpu_space_map(m->space, CODE, 2 * PAGE, RWX, span_of(NULL, 0)) ||
           cpu_space_map(m->space, DATA, 2 * PAGE, RW, span_of(NULL, 0));
}

static int open_little(void **state)
{
    return machine_open(state, &mips_le_ops);
}

static int open_big(void **state)
{
    return machine_open(state, &mips_be_ops);
}

static int machine_close(void **state)
{
    struct machine *m = *state;
    cpu_free(m->cpu);
    cpu_space_free(m->space);
    cpu_pool_free(m->pool);
    cpu_code_free(m->code);
    return 0;
}

static void poke_word(struct machine *m, uint32_t addr, uint32_t word)
{
    uint8_t bytes[4];
    for (unsigned i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(word >> (m->big ? 24 - 8 * i : 8 * i));
    assert_int_equal(cpu_space_poke(m->space, addr, bytes, 4), 0);
}

static uint32_t peek_word(struct machine *m, uint32_t addr)
{
    uint8_t b[4];
    assert_int_equal(cpu_space_read(m->space, addr, b, 4), 0);
    uint32_t big = (uint32_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
    return m->big ? big : __builtin_bswap32(big);
}

#define CODE_AT(m, addr, ...)                                    \
    do {                                                         \
        const uint32_t words_[] = {__VA_ARGS__};                 \
        for (unsigned n_ = 0; n_ < ARRAY_LEN(words_); n_++)      \
            poke_word(m, (uint32_t)(addr) + 4 * n_, words_[n_]); \
    } while (0)

static enum cpu_stop run(struct machine *m, uint64_t budget)
{
    enum cpu_stop stop = cpu_run(m->cpu, budget, &m->used, &m->trap);
    assert_true(m->used <= budget);
    return stop;
}

static void expect_call(struct machine *m)
{
    assert_int_equal(run(m, 10000), CPU_STOP_SYSCALL);
}

static void a_branch_looks_before_its_slot_changes_what_it_looks_at(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, BEQ(T0, 0, 2), ADDIU(T0, T0, 1), LI(T1, 1), SYSCALL);
    expect_call(m);
    assert_int_equal(m->s->reg[T0], 1);
    assert_int_equal(m->s->reg[T1], 0); /* taken, for it was 0 */
    assert_int_equal(m->s->pc, CODE + 16);
    assert_int_equal(m->used, 3);
}

static void a_call_leaves_the_return_address_for_its_slot(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, BAL(3), R(0x21, T0, RA, 0), NOP, NOP, SYSCALL);
    expect_call(m);
    assert_int_equal(m->s->reg[RA], CODE + 8);
    assert_int_equal(m->s->reg[T0], CODE + 8);
}

static void a_slot_may_change_the_register_of_the_jump(void **state)
{
    struct machine *m = *state;
    m->s->reg[T0] = CODE + 0x20;
    CODE_AT(m, CODE, JALR(T1, T0), LI(T0, 7));
    CODE_AT(m, CODE + 0x20, SYSCALL);
    expect_call(m);
    assert_int_equal(m->s->reg[T0], 7);
    assert_int_equal(m->s->reg[T1], CODE + 8);
    assert_int_equal(m->s->pc, CODE + 0x24);
}

static void a_slot_may_overwrite_the_return_address(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, BAL(3), LI(RA, 5), NOP, NOP, SYSCALL);
    expect_call(m);
    assert_int_equal(m->s->reg[RA], 5);
}

static void a_likely_branch_that_is_not_taken_skips_its_slot(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, BNEL(0, 0, 4), LI(T0, 1), LI(T1, 2), SYSCALL);
    expect_call(m);
    assert_int_equal(m->s->reg[T0], 0);
    assert_int_equal(m->s->reg[T1], 2);
    assert_int_equal(m->used, 3); /* what was skipped costs nothing */
}

static void a_fault_in_a_slot_leaves_the_pc_at_the_branch(void **state)
{
    struct machine *m = *state;
    m->s->reg[A0] = NOWHERE;
    CODE_AT(m, CODE, LI(T1, 1), BAL(5), LW(T0, 4, A0));
    assert_int_equal(run(m, 100), CPU_STOP_PAGE);
    assert_int_equal(m->s->pc, CODE + 4);
    assert_int_equal(m->trap.addr, NOWHERE + 4);
    assert_int_equal(m->trap.access, CPU_READ);
    assert_false(m->trap.mapped);
    assert_int_equal(m->s->reg[RA], CODE + 12); /* as the branch left it */
    assert_int_equal(m->used, 1);
    assert_int_equal(cpu_space_map(m->space, NOWHERE, PAGE, RW, span_of(NULL, 0)), 0);
    CODE_AT(m, CODE + 28, SYSCALL);
    expect_call(m);
    assert_int_equal(m->s->pc, CODE + 32);
}

static void a_fault_in_a_likely_slot_leaves_the_pc_at_the_branch(void **state)
{
    struct machine *m = *state;
    m->s->reg[A0] = NOWHERE;
    CODE_AT(m, CODE, LI(T1, 1), BNEL(T1, 0, 5), SW(T0, 0, A0));
    assert_int_equal(run(m, 100), CPU_STOP_PAGE);
    assert_int_equal(m->s->pc, CODE + 4);
    assert_int_equal(m->trap.access, CPU_WRITE);
    assert_int_equal(m->used, 1);
}

static void a_slot_may_stand_on_the_next_page(void **state)
{
    struct machine *m = *state;
    m->s->pc = LAST;
    CODE_AT(m, LAST, BEQ(0, 0, 2), LI(T0, 3), NOP, SYSCALL);
    expect_call(m);
    assert_int_equal(m->s->reg[T0], 3);
    assert_int_equal(m->s->pc, LAST + 16);
}

static void a_slot_that_cannot_be_fetched_is_a_fault_of_the_branch(void **state)
{
    struct machine *m = *state;
    assert_int_equal(cpu_space_unmap(m->space, CODE + PAGE, PAGE), 0);
    m->s->pc = LAST - 4;
    CODE_AT(m, LAST - 4, LI(T0, 1), BEQ(0, 0, 2));
    assert_int_equal(run(m, 100), CPU_STOP_PAGE);
    assert_int_equal(m->s->pc, LAST);
    assert_int_equal(m->trap.addr, CODE + PAGE);
    assert_int_equal(m->trap.access, CPU_EXEC);
    assert_int_equal(m->used, 1);
}

static void a_branch_in_a_slot_is_no_instruction(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, BEQ(0, 0, 4), BEQ(0, 0, 4));
    assert_int_equal(run(m, 100), CPU_STOP_ILLEGAL);
    assert_int_equal(m->s->pc, CODE);
}

static void a_call_of_the_system_in_a_slot_is_made_again_behind_it(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, BEQ(0, 0, 4), SYSCALL, LI(T0, 1), SYSCALL);
    expect_call(m);
    assert_int_equal(m->s->pc, CODE + 4);
    expect_call(m);
    expect_call(m);
    assert_int_equal(m->s->reg[T0], 1);
}

static void every_budget_ends_in_the_same_state(void **state)
{
    struct machine *m = *state;
    /* A loop of branches of all kinds. */
    CODE_AT(m, CODE, LI(T0, 200), ADDIU(T0, T0, -1), BNEL(T1, 0, 1), LI(T1, 0), BNE(T0, 0, -4),
            ADDIU(T2, T2, 3), SYSCALL);
    struct mips_state start = *m->s;
    expect_call(m);
    struct mips_state whole = *m->s;
    uint64_t used = m->used;
    for (uint64_t slice = 1; slice < 12; slice++) {
        uint64_t sum = 0;
        enum cpu_stop stop;
        *m->s = start;
        do {
            stop = run(m, slice);
            assert_true(m->used == slice || stop != CPU_STOP_BUDGET);
            sum += m->used;
        } while (stop == CPU_STOP_BUDGET);
        assert_int_equal(stop, CPU_STOP_SYSCALL);
        assert_int_equal(sum, used);
        assert_memory_equal(m->s, &whole, sizeof(whole));
    }
}

static void a_step_that_the_budget_cuts_is_paid_by_the_next_run(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, BEQ(0, 0, 2), LI(T0, 1), NOP, SYSCALL);
    assert_int_equal(run(m, 1), CPU_STOP_BUDGET);
    assert_int_equal(m->used, 1);
    assert_int_equal(m->s->pc, CODE + 12);
    assert_int_equal(m->s->reg[T0], 1);
    assert_int_equal(m->s->owed, 1);
    assert_int_equal(run(m, 1), CPU_STOP_BUDGET);
    assert_int_equal(m->used, 1);
    assert_int_equal(run(m, 1), CPU_STOP_SYSCALL);
}

static void words_need_not_be_aligned(void **state)
{
    struct machine *m = *state;
    m->s->reg[A0] = DATA + PAGE - 3; /* over the end of a page */
    m->s->reg[T0] = 0x11223344;
    CODE_AT(m, CODE, SW(T0, 0, A0), LW(T1, 0, A0), I(0x21, A0, T2, 1), I(0x29, A0, T0, 6), SYSCALL);
    expect_call(m);
    assert_int_equal(m->s->reg[T1], 0x11223344);
    assert_int_equal(m->s->reg[T2], 0x2233);
    m->s->pc = CODE + 4;
    m->s->reg[A0] += 6; /* what the halfword made of the word there */
    expect_call(m);
    assert_int_equal(m->s->reg[T1] & (m->big ? 0xffff0000u : 0xffffu),
                     m->big ? 0x33440000u : 0x3344u);
}

static void a_store_over_the_end_of_memory_changes_nothing(void **state)
{
    struct machine *m = *state;
    m->s->reg[A0] = DATA_END - 2;
    m->s->reg[T0] = 0xffffffff;
    CODE_AT(m, CODE, SW(T0, 0, A0));
    assert_int_equal(run(m, 100), CPU_STOP_PAGE);
    assert_int_equal(m->trap.addr, DATA_END);
    assert_int_equal(peek_word(m, DATA_END - 4), 0);
}

static void ll_and_sc_must_be_aligned(void **state)
{
    struct machine *m = *state;
    m->s->reg[A0] = DATA + 2;
    CODE_AT(m, CODE, I(0x30, A0, T0, 0), I(0x38, A0, T0, 1));
    assert_int_equal(run(m, 100), CPU_STOP_ALIGN);
    assert_int_equal(m->trap.addr, DATA + 2);
    assert_int_equal(m->trap.access, CPU_READ);
    m->s->pc = CODE + 4;
    assert_int_equal(run(m, 100), CPU_STOP_ALIGN);
    assert_int_equal(m->trap.addr, DATA + 3);
    assert_int_equal(m->trap.access, CPU_WRITE);
}

static void the_other_half_of_addresses_is_the_kernels(void **state)
{
    struct machine *m = *state;
    m->s->reg[A0] = (uint32_t)KERNEL_HALF;
    CODE_AT(m, CODE, LW(T0, 0, A0));
    assert_int_equal(run(m, 100), CPU_STOP_ALIGN);
    assert_int_equal(m->trap.addr, 0x80000000);
    m->s->pc = 0x80000000;
    assert_int_equal(run(m, 100), CPU_STOP_ALIGN);
    assert_int_equal(m->trap.access, CPU_EXEC);
}

static void a_jump_to_an_odd_address_fails_there(void **state)
{
    struct machine *m = *state;
    m->s->reg[T0] = CODE + 0x102;
    CODE_AT(m, CODE, JR(T0), LI(T1, 1));
    assert_int_equal(run(m, 100), CPU_STOP_ALIGN);
    assert_int_equal(m->s->pc, CODE + 0x102);
    assert_int_equal(m->trap.addr, CODE + 0x102);
    assert_int_equal(m->s->reg[T1], 1);
    assert_int_equal(m->used, 2);
}

static void traps_tell_what_they_are_for(void **state)
{
    static const struct {
        uint32_t word;
        enum cpu_stop stop;
    } cases[] = {
        {TEQ(0, 0, 7u), CPU_STOP_DIVIDE},
        {TEQ(0, 0, 6u), CPU_STOP_OVERFLOW},
        {TEQ(0, 0, 0u), CPU_STOP_BREAK},
        {I(0x01, 0, 0x0c, 0), CPU_STOP_BREAK}, /* teqi */
        {BREAK(7), CPU_STOP_DIVIDE},
        {BREAK(6), CPU_STOP_OVERFLOW},
        {BREAK(0), CPU_STOP_BREAK},
        {0x000001cd, CPU_STOP_DIVIDE},            /* break with its code in the lower field */
        {R(0x20, T0, A0, A0), CPU_STOP_OVERFLOW}, /* add */
        {I(0x08, A0, T0, 1), CPU_STOP_OVERFLOW},  /* addi */
        {0x40086000, CPU_STOP_ILLEGAL},           /* mfc0 */
        {0xbc000000, CPU_STOP_ILLEGAL},           /* cache */
        {0x48000000, CPU_STOP_ILLEGAL},           /* mfc2 */
        {0x0000003f, CPU_STOP_ILLEGAL},
        {0xffffffff, CPU_STOP_ILLEGAL},
    };
    struct machine *m = *state;
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        m->s->pc = CODE;
        m->s->reg[A0] = 0x7fffffff;
        CODE_AT(m, CODE, cases[i].word, SYSCALL);
        assert_int_equal(run(m, 100), cases[i].stop);
        assert_int_equal(m->s->pc, CODE);
        assert_int_equal(m->s->reg[T0], 0);
        assert_int_equal(m->used, 0);
    }
}

static void a_program_may_change_the_instruction_behind(void **state)
{
    struct machine *m = *state;
    m->s->reg[A0] = CODE;
    m->s->reg[T0] = LI(T1, 9);
    CODE_AT(m, CODE, SW(T0, 8, A0), NOP, LI(T1, 1), SYSCALL);
    expect_call(m);
    assert_int_equal(m->s->reg[T1], 9);
    assert_int_equal(m->used, 4);
}

static void a_slot_may_change_where_the_branch_leads(void **state)
{
    struct machine *m = *state;
    m->s->reg[A0] = CODE;
    m->s->reg[T0] = LI(T1, 9);
    CODE_AT(m, CODE, LI(T2, 1), BEQ(0, 0, 2), SW(T0, 16, A0), NOP, LI(T1, 1), SYSCALL);
    expect_call(m);
    assert_int_equal(m->s->reg[T1], 9);
    assert_int_equal(m->used, 5);
}

static void code_of_another_order_on_the_same_page_is_other_code(void **state)
{
    struct machine *m = *state;
    struct cpu *other = cpu_new(m->big ? &mips_le_ops : &mips_be_ops, m->code, m->space);
    CODE_AT(m, CODE, 0x0000000c, NOP);
    expect_call(m);
    other->ops->start(other, CODE, 0); /* 0c000000: jal 0 */
    assert_int_equal(cpu_run(other, 100, &m->used, &m->trap), CPU_STOP_PAGE);
    assert_int_equal(other->ops->pc(other), 0);
    cpu_free(other);
}

static void sc_succeeds_when_the_word_is_what_ll_read(void **state)
{
    struct machine *m = *state;
    m->s->reg[A0] = DATA;
    m->s->reg[T1] = m->s->reg[T2] = 5;
    CODE_AT(m, CODE, I(0x30, A0, T0, 0), I(0x38, A0, T1, 0), I(0x38, A0, T2, 0), SYSCALL,
            I(0x30, A0, T0, 0), SYSCALL, I(0x38, A0, T3, 0), SYSCALL);
    expect_call(m);
    assert_int_equal(m->s->reg[T1], 1);
    assert_int_equal(m->s->reg[T2], 0); /* the link is used up */
    assert_int_equal(peek_word(m, DATA), 5);
    m->s->reg[T3] = 8;
    expect_call(m);
    poke_word(m, DATA, 6); /* another thread */
    expect_call(m);
    assert_int_equal(m->s->reg[T3], 0);
    assert_int_equal(peek_word(m, DATA), 6);
}

static void rdhwr_answers_as_linux_lets_it(void **state)
{
    struct machine *m = *state;
    m->cpu->ops->set_tls(m->cpu, 0x12345678);
    CODE_AT(m, CODE, 0x7c00003b | T0 << 16 | 29 << 11, 0x7c00003b | T1 << 16 | 1 << 11, NOP, NOP,
            0x7c00003b | T2 << 16 | 2 << 11, 0x7c00003b | T3 << 16 | 3 << 11, SYSCALL);
    expect_call(m);
    assert_int_equal(m->s->reg[T0], 0x12345678);
    assert_int_equal(m->s->reg[T1], 32);
    assert_int_equal(m->s->reg[T2], 2); /* four instructions, two cycles each */
    assert_int_equal(m->s->reg[T3], 2);
}

static void pairs_have_no_odd_doubles(void **state)
{
    static const uint32_t words[] = {
        0x46200840, /* add.d $f1, $f1, $f0 */
        0xd4810000, /* ldc1 $f1, 0($a0) */
        0x46200008, /* round.l.d $f0, $f0 */
        0x46a00021, /* cvt.d.l $f0, $f0 */
        0x4c800005, /* luxc1 $f0, $0($a0) */
    };
    struct machine *m = *state;
    m->s->reg[A0] = DATA;
    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        CODE_AT(m, CODE, words[i], SYSCALL);
        m->s->pc = CODE;
        m->s->fr = 0;
        assert_int_equal(run(m, 100), CPU_STOP_ILLEGAL);
        m->s->fr = 1;
        expect_call(m);
    }
}

static void an_exception_that_is_wanted_leaves_the_result_out(void **state)
{
    struct machine *m = *state;
    m->s->fr = 1;
    m->s->fcsr = 1 << 10; /* division by zero */
    m->s->fpr[0] = UINT64_C(0x3ff0000000000000);
    m->s->fpr[2] = 77;
    CODE_AT(m, CODE, 0x46240083, SYSCALL); /* div.d $f2, $f0, $f4 */
    assert_int_equal(run(m, 100), CPU_STOP_FLOAT);
    assert_int_equal(m->s->pc, CODE);
    assert_int_equal(m->s->fpr[2], 77);
    assert_int_equal(m->s->fcsr, 1 << 10 | 1 << 15);
    m->s->fcsr = 0;
    expect_call(m);
    assert_int_equal(m->s->fpr[2] >> 52, 0x7ff);
    assert_int_equal(m->s->fcsr, 1 << 15 | 1 << 5);
}

static void a_cause_written_beside_its_enable_traps(void **state)
{
    struct machine *m = *state;
    m->s->reg[T0] = 1 << 7 | 1 << 12;
    CODE_AT(m, CODE, 0x44c8f800, SYSCALL); /* ctc1 $t0, $31 */
    assert_int_equal(run(m, 100), CPU_STOP_FLOAT);
    assert_int_equal(m->s->fcsr, 1 << 7 | 1 << 12);
}

static void a_probe_stops_once(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, LI(T0, 1), LI(T1, 1), BEQ(0, 0, -3), NOP);
    assert_int_equal(m->cpu->ops->probe_add(m->cpu, CODE + 4), 0);
    for (unsigned i = 1; i < 4; i++) {
        assert_int_equal(run(m, 100), CPU_STOP_PROBE);
        assert_int_equal(m->s->pc, CODE + 4);
        assert_int_equal(m->used, i == 1 ? 1 : 4);
    }
    m->cpu->ops->probe_clear(m->cpu, CODE + 4);
    assert_int_equal(run(m, 100), CPU_STOP_BUDGET);
}

static void there_are_so_many_probes_and_no_more(void **state)
{
    struct machine *m = *state;
    for (unsigned i = 0; i < CPU_PROBES_MAX; i++)
        assert_int_equal(m->cpu->ops->probe_add(m->cpu, CODE + 4 * i), 0);
    assert_int_equal(m->cpu->ops->probe_add(m->cpu, CODE), 0); /* is there */
    assert_int_equal(m->cpu->ops->probe_add(m->cpu, DATA), -ENOSPC);
}

static void results_of_calls_are_told_from_errors(void **state)
{
    struct machine *m = *state;
    struct cpu_call call;
    CODE_AT(m, CODE, LI(V0, 4003), LI(A0, 1), LI(A3, 4), SYSCALL);
    expect_call(m);
    m->cpu->ops->call(m->cpu, &call);
    assert_int_equal(call.number, 4003);
    assert_int_equal(call.arg[0], 1);
    assert_int_equal(call.arg[3], 4);
    m->cpu->ops->call_again(m->cpu, 4003);
    expect_call(m);
    m->cpu->ops->set_result(m->cpu, -EBADF);
    assert_int_equal(m->s->reg[V0], EBADF);
    assert_int_equal(m->s->reg[A3], 1);
    m->cpu->ops->set_result(m->cpu, -4096);
    assert_int_equal(m->s->reg[V0], (uint32_t)-4096);
    assert_int_equal(m->s->reg[A3], 0);
}

static void a_state_that_cannot_be_is_refused(void **state)
{
    struct machine *m = *state;
    struct mips_state good, bad;
    m->cpu->ops->save(m->cpu, &good);
    assert_int_equal(m->cpu->ops->load(m->cpu, &good), 0);
    bad = good;
    bad.reg[0] = 1;
    assert_int_equal(m->cpu->ops->load(m->cpu, &bad), -EINVAL);
    bad = good;
    bad.fcsr = 1 << 18;
    assert_int_equal(m->cpu->ops->load(m->cpu, &bad), -EINVAL);
    bad = good;
    bad.owed = 2;
    assert_int_equal(m->cpu->ops->load(m->cpu, &bad), -EINVAL);
    assert_memory_equal(m->s, &good, sizeof(good));
}

#define BOTH(name)                                                 \
    {#name, name, open_little, machine_close, NULL},               \
    {                                                              \
#name " (big endian)", name, open_big, machine_close, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_branch_looks_before_its_slot_changes_what_it_looks_at),
        BOTH(a_call_leaves_the_return_address_for_its_slot),
        BOTH(a_slot_may_change_the_register_of_the_jump),
        BOTH(a_slot_may_overwrite_the_return_address),
        BOTH(a_likely_branch_that_is_not_taken_skips_its_slot),
        BOTH(a_fault_in_a_slot_leaves_the_pc_at_the_branch),
        BOTH(a_fault_in_a_likely_slot_leaves_the_pc_at_the_branch),
        BOTH(a_slot_may_stand_on_the_next_page),
        BOTH(a_slot_that_cannot_be_fetched_is_a_fault_of_the_branch),
        BOTH(a_branch_in_a_slot_is_no_instruction),
        BOTH(a_call_of_the_system_in_a_slot_is_made_again_behind_it),
        BOTH(every_budget_ends_in_the_same_state),
        BOTH(a_step_that_the_budget_cuts_is_paid_by_the_next_run),
        BOTH(words_need_not_be_aligned),
        BOTH(a_store_over_the_end_of_memory_changes_nothing),
        BOTH(ll_and_sc_must_be_aligned),
        BOTH(the_other_half_of_addresses_is_the_kernels),
        BOTH(a_jump_to_an_odd_address_fails_there),
        BOTH(traps_tell_what_they_are_for),
        BOTH(a_program_may_change_the_instruction_behind),
        BOTH(a_slot_may_change_where_the_branch_leads),
        BOTH(code_of_another_order_on_the_same_page_is_other_code),
        BOTH(sc_succeeds_when_the_word_is_what_ll_read),
        BOTH(rdhwr_answers_as_linux_lets_it),
        BOTH(pairs_have_no_odd_doubles),
        BOTH(an_exception_that_is_wanted_leaves_the_result_out),
        BOTH(a_cause_written_beside_its_enable_traps),
        BOTH(a_probe_stops_once),
        BOTH(there_are_so_many_probes_and_no_more),
        BOTH(results_of_calls_are_told_from_errors),
        BOTH(a_state_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests_name("mips", tests, NULL, NULL);
}
