/* The ARM processor around its instructions: the two states, IT blocks, faults, budgets, code that
 * changes, probes, page ends, Linux's helpers. What each instruction computes is held against Unicorn
 * by arm_oracle_test. */
#include "cpu/arm.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PAGE ((uint64_t)CPU_PAGE_BYTES)

enum {
    CODE = 0x10000, /* two pages */
    DATA = 0x20000, /* one page, nothing behind it */
    DATA_END = DATA + CPU_PAGE_BYTES,
    RW = CPU_READ | CPU_WRITE,
};

struct machine {
    struct cpu_pool *pool;
    struct cpu_space *space;
    struct cpu_code *code;
    struct cpu *cpu;
    struct arm_state *s;
    struct cpu_trap trap;
    uint64_t used;
};

static struct machine the_machine;

static int machine_open(void **state)
{
    struct machine *m = &the_machine;
    memset(m, 0, sizeof(*m));
    m->pool = cpu_pool_new(64);
    m->space = cpu_space_new(m->pool);
    m->code = cpu_code_new(1 << 20);
    m->cpu = cpu_new(&arm_ops, m->code, m->space);
    m->s = arm_state(m->cpu);
    arm_ops.start(m->cpu, CODE, DATA_END);
    *state = m;
    return cpu_space_map(m->space, CODE, 2 * PAGE, RW | CPU_EXEC, span_of(NULL, 0)) ||
           cpu_space_map(m->space, DATA, PAGE, RW, span_of(NULL, 0)) ||
           cpu_space_map(m->space, ARM_HELPERS_AT, PAGE, CPU_READ | CPU_EXEC,
                         span_of(arm_helpers, sizeof(arm_helpers)));
}

static int machine_close(void **state)
{
    struct machine *m = *state;
    cpu_free(m->cpu);
    cpu_space_free(m->space);
    cpu_code_free(m->code);
    cpu_pool_free(m->pool);
    return 0;
}

static void put_words(struct machine *m, uint32_t addr, const uint32_t *words, size_t count)
{
    assert_int_equal(cpu_space_poke(m->space, addr, words, 4 * count), 0);
}

static void put_halves(struct machine *m, uint32_t addr, const uint16_t *halves, size_t count)
{
    assert_int_equal(cpu_space_poke(m->space, addr, halves, 2 * count), 0);
    arm_ops.set_pc(m->cpu, addr | 1);
}

#define ARM(m, ...)                                       \
    put_words((m), CODE, (const uint32_t[]){__VA_ARGS__}, \
              sizeof((const uint32_t[]){__VA_ARGS__}) / 4)
#define THUMB_AT(m, addr, ...)                               \
    put_halves((m), (addr), (const uint16_t[]){__VA_ARGS__}, \
               sizeof((const uint16_t[]){__VA_ARGS__}) / 2)
#define THUMB(m, ...) THUMB_AT(m, CODE, __VA_ARGS__)

static enum cpu_stop run(struct machine *m, uint64_t budget)
{
    return cpu_run(m->cpu, budget, &m->used, &m->trap);
}

static uint8_t it_of(const struct machine *m)
{
    return (uint8_t)((m->s->cpsr >> 8 & 0xfc) | (m->s->cpsr >> 25 & 3));
}

static void blx_changes_the_state_and_bx_changes_it_back(void **state)
{
    struct machine *m = *state;
    THUMB_AT(m, CODE + 0x100, 0x3005, 0x4770); /* adds r0, #5; bx lr */
    ARM(m, 0xfa00003e, 0xef000000);            /* blx; svc */
    arm_ops.set_pc(m->cpu, CODE);
    assert_int_equal(run(m, 100), CPU_STOP_SYSCALL);
    assert_int_equal(m->used, 4);
    assert_int_equal(m->s->reg[0], 5);
    assert_int_equal(m->s->reg[ARM_LR], CODE + 4);
    assert_int_equal(m->s->cpsr & ARM_CPSR_T, 0);
    assert_int_equal(m->s->reg[ARM_PC], CODE + 8);
}

static void a_fault_in_an_it_block_keeps_what_is_left_of_it(void **state)
{
    struct machine *m = *state;
    m->s->cpsr |= ARM_CPSR_Z;
    m->s->reg[1] = DATA_END;
    /* itte eq; addeq r0, #1; ldreq r2, [r1]; addne r0, #2 */
    THUMB(m, 0xbf06, 0x3001, 0x680a, 0x3002, 0xdf00);
    m->s->cpsr |= ARM_CPSR_Z;
    assert_int_equal(run(m, 100), CPU_STOP_PAGE);
    assert_int_equal(m->trap.addr, DATA_END);
    assert_int_equal(m->trap.access, CPU_READ);
    assert_int_equal(m->used, 2);
    assert_int_equal(m->s->reg[ARM_PC], CODE + 4);
    assert_int_equal(it_of(m), 0x0c);
    m->s->reg[1] = DATA;
    assert_int_equal(run(m, 100), CPU_STOP_SYSCALL);
    assert_int_equal(m->s->reg[0], 1);
    assert_int_equal(m->used, 3);
    assert_int_equal(it_of(m), 0);
}

static void a_budget_may_end_in_an_it_block(void **state)
{
    struct machine *m = *state;
    uint64_t all = 0;
    THUMB(m, 0xbf1c, 0x3001, 0x3002, 0x3004, 0xdf00); /* itt ne; two adds; adds; svc */
    enum cpu_stop stop;
    do {
        stop = run(m, 1);
        assert_int_equal(m->used, 1);
        all++;
    } while (stop == CPU_STOP_BUDGET);
    assert_int_equal(stop, CPU_STOP_SYSCALL);
    assert_int_equal(all, 5);
    assert_int_equal(m->s->reg[0], 7);
}

static void an_instruction_may_stand_on_two_pages(void **state)
{
    struct machine *m = *state;
    THUMB_AT(m, CODE + 4094, 0xf100, 0x0009, 0xdf00); /* add.w r0, r0, #9; svc */
    assert_int_equal(run(m, 100), CPU_STOP_SYSCALL);
    assert_int_equal(m->s->reg[0], 9);
    THUMB_AT(m, CODE + 8190, 0xf100);
    assert_int_equal(run(m, 100), CPU_STOP_PAGE);
    assert_int_equal(m->trap.addr, CODE + 8192);
    assert_int_equal(m->trap.access, CPU_EXEC);
    assert_int_equal(m->s->reg[ARM_PC], CODE + 8190);
}

static void changed_code_is_executed_as_it_is(void **state)
{
    struct machine *m = *state;
    m->s->reg[1] = 0xe2800007;                              /* add r0, r0, #7 */
    ARM(m, 0xe58f1000, 0xe1a00000, 0xe2800001, 0xef000000); /* str r1, [pc]; nop; add r0, #1; svc */
    assert_int_equal(run(m, 100), CPU_STOP_SYSCALL);
    assert_int_equal(m->s->reg[0], 7);
    assert_int_equal(m->used, 4);
}

static void words_need_not_be_aligned_but_exclusives_must(void **state)
{
    struct machine *m = *state;
    const uint8_t bytes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    assert_int_equal(cpu_space_poke(m->space, DATA, bytes, sizeof(bytes)), 0);
    m->s->reg[1] = DATA + 1;
    ARM(m, 0xe5912000, 0xe8910018, 0xe1c160d0, 0xe1915f9f); /* ldr, ldm, ldrd, ldrex */
    assert_int_equal(run(m, 100), CPU_STOP_ALIGN);
    assert_int_equal(m->used, 3);
    assert_int_equal(m->trap.addr, DATA + 1);
    assert_int_equal(m->s->reg[2], 0x04030201);
    assert_int_equal(m->s->reg[4], 0x08070605);
    assert_int_equal(m->s->reg[7], 0x08070605);
}

static void a_probe_stops_before_its_instruction_once(void **state)
{
    struct machine *m = *state;
    ARM(m, 0xe2800001, 0xe2800002, 0xef000000);
    assert_int_equal(arm_ops.probe_add(m->cpu, CODE + 4), 0);
    assert_int_equal(run(m, 100), CPU_STOP_PROBE);
    assert_int_equal(m->used, 1);
    assert_int_equal(m->s->reg[0], 1);
    assert_int_equal(run(m, 100), CPU_STOP_SYSCALL);
    assert_int_equal(m->s->reg[0], 3);
}

static void a_call_can_be_made_again(void **state)
{
    struct machine *m = *state;
    struct cpu_call call;
    THUMB(m, 0xbf18, 0xdf00); /* it ne; svc */
    m->s->reg[7] = 4;
    m->s->reg[6] = 66;
    assert_int_equal(run(m, 100), CPU_STOP_SYSCALL);
    arm_ops.call(m->cpu, &call);
    assert_int_equal(call.number, 4);
    assert_int_equal(call.arg[6], 66);
    assert_int_equal(call.arg[5], 0);
    arm_ops.call_again(m->cpu, 0);
    assert_int_equal(m->s->reg[ARM_PC], CODE + 2);
    assert_int_equal(it_of(m), 0x18);
    assert_int_equal(run(m, 100), CPU_STOP_SYSCALL);
    assert_int_equal(m->used, 1);
    assert_int_equal(m->s->reg[7], 0);
}

static void the_helpers_do_as_linux_says(void **state)
{
    struct machine *m = *state;
    const uint32_t old = 5;
    assert_int_equal(cpu_space_poke(m->space, DATA, &old, 4), 0);
    ARM(m, 0xef000000);
    arm_ops.set_tls(m->cpu, 0x1234);
    m->s->reg[ARM_LR] = CODE;
    arm_ops.set_pc(m->cpu, 0xffff0fe0);
    assert_int_equal(run(m, 100), CPU_STOP_SYSCALL);
    assert_int_equal(m->s->reg[0], 0x1234);
    for (unsigned round = 0; round < 2; round++) { /* 5 becomes 6; then it is not 5 */
        uint32_t now = 0;
        m->s->reg[0] = 5;
        m->s->reg[1] = 6 + round;
        m->s->reg[2] = DATA;
        arm_ops.set_pc(m->cpu, 0xffff0fc0);
        assert_int_equal(run(m, 100), CPU_STOP_SYSCALL);
        assert_int_equal(m->s->reg[0] == 0, round == 0);
        assert_int_equal((m->s->cpsr & ARM_CPSR_C) != 0, round == 0);
        assert_int_equal(cpu_space_read(m->space, DATA, &now, 4), 0);
        assert_int_equal(now, 6);
    }
}

static void what_no_program_can_have_is_not_loaded(void **state)
{
    struct machine *m = *state;
    struct arm_state s;
    arm_ops.save(m->cpu, &s);
    assert_int_equal(arm_ops.load(m->cpu, &s), 0);
    s.cpsr |= 0x80;
    assert_int_equal(arm_ops.load(m->cpu, &s), -EINVAL);
    s.cpsr = ARM_CPSR_USER;
    s.fpscr = 1 << 8;
    assert_int_equal(arm_ops.load(m->cpu, &s), -EINVAL);
    s.fpscr = 0;
    s.reg[ARM_PC] = CODE + 1;
    assert_int_equal(arm_ops.load(m->cpu, &s), -EINVAL);
}

static void stops_say_what_linux_makes_of_them(void **state)
{
    static const struct {
        uint32_t word;
        enum cpu_stop stop;
    } cases[] = {
        {0xe7f000f0, CPU_STOP_ILLEGAL}, /* udf */
        {0xe7f001f0, CPU_STOP_BREAK},   /* gdb's */
        {0xe1200070, CPU_STOP_BREAK},   /* bkpt */
        {0xf2000d10, CPU_STOP_ILLEGAL}, /* NEON */
        {0xee100f10, CPU_STOP_ILLEGAL}, /* a system register */
        {0xe1b0f00e, CPU_STOP_ILLEGAL}, /* movs pc, lr */
    };
    struct machine *m = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        put_words(m, CODE, &cases[i].word, 1);
        arm_ops.set_pc(m->cpu, CODE);
        assert_int_equal(run(m, 10), cases[i].stop);
        assert_int_equal(m->used, 0);
        assert_int_equal(m->s->reg[ARM_PC], CODE);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, machine_open, machine_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(blx_changes_the_state_and_bx_changes_it_back),
        TEST(a_fault_in_an_it_block_keeps_what_is_left_of_it),
        TEST(a_budget_may_end_in_an_it_block),
        TEST(an_instruction_may_stand_on_two_pages),
        TEST(changed_code_is_executed_as_it_is),
        TEST(words_need_not_be_aligned_but_exclusives_must),
        TEST(a_probe_stops_before_its_instruction_once),
        TEST(a_call_can_be_made_again),
        TEST(the_helpers_do_as_linux_says),
        TEST(what_no_program_can_have_is_not_loaded),
        TEST(stops_say_what_linux_makes_of_them),
    };
    return cmocka_run_group_tests_name("arm", tests, NULL, NULL);
}
