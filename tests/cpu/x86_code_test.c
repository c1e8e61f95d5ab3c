/* The x86 processor's code: at the ends of pages, while it changes, in several spaces and stores. */
#include "x86_machine.h"

static void an_instruction_may_cross_a_page(void **state)
{
    struct machine *m = *state;
    uint64_t start = CODE + PAGE - 3;
    CODE_AT(m, start, 0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 0x0f, 0x05); /* mov rax, imm64 */
    m->s->rip = start;
    assert_int_equal(run(m, 9), CPU_STOP_SYSCALL);
    assert_int_equal(m->used, 2);
    assert_int_equal(m->s->reg[X86_RAX], UINT64_C(0x0807060504030201));
    CODE_AT(m, CODE + PAGE, 0x99); /* the second page alone changes */
    m->s->rip = start;
    assert_int_equal(run(m, 9), CPU_STOP_SYSCALL);
    assert_int_equal(m->s->reg[X86_RAX], UINT64_C(0x0807060504039901));
    m->s->rip = start;
    assert_int_equal(cpu_space_unmap(m->space, CODE + PAGE, PAGE), 0);
    m->s->reg[X86_RAX] = 0;
    assert_int_equal(run(m, 9), CPU_STOP_PAGE);
    assert_int_equal(m->trap.addr, CODE + PAGE);
    assert_int_equal(m->trap.access, CPU_EXEC);
    assert_int_equal(m->s->rip, start);
    assert_int_equal(m->s->reg[X86_RAX], 0);
}

static void a_jump_may_cross_a_page(void **state)
{
    struct machine *m = *state;
    uint64_t start = CODE + PAGE - 2;
    CODE_AT(m, start, 0xe9, 0x10, 0, 0, 0); /* jmp +16, relative operands count likewise */
    CODE_AT(m, start + 5 + 16, 0x8b, 0x05, 4, 0, 0, 0, 0x0f, 0x05, 0, 0, 0x2a, 0, 0, 0);
    m->s->rip = start;
    assert_int_equal(run(m, 9), CPU_STOP_SYSCALL);
    assert_int_equal(m->s->reg[X86_RAX], 0x2a);
}

static void code_that_runs_off_its_page_goes_on(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE + PAGE - 4, 0xff, 0xc0, 0xff, 0xc0, 0xff, 0xc0, 0x0f, 0x05);
    m->s->rip = CODE + PAGE - 4;
    assert_int_equal(run(m, 9), CPU_STOP_SYSCALL);
    assert_int_equal(m->s->reg[X86_RAX], 3);
}

static void code_may_write_the_very_next_instruction(void **state)
{
    struct machine *m = *state;
    /* mov byte [rip+1], 7 ; mov al, 1 -> mov al, 7 ; syscall */
    CODE_AT(m, CODE, 0xc6, 0x05, 1, 0, 0, 0, 7, 0xb0, 1, 0x0f, 0x05);
    for (int i = 0; i < 3; i++) {
        uint8_t one = 1;
        poke(m, CODE + 8, &one, 1);
        m->s->rip = CODE;
        assert_int_equal(run(m, 9), CPU_STOP_SYSCALL);
        assert_int_equal(m->used, 3);
        assert_int_equal((uint8_t)m->s->reg[X86_RAX], 7);
    }
}

static void code_may_count_in_its_own_instruction(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, 0xb9, 100, 0, 0, 0,         /* mov ecx, 100 */
            0xfe, 0x05, 1, 0, 0, 0,              /* again: inc byte [rip+1] */
            0xb0, 0,                             /* mov al, 0 */
            0x01, 0xc2,                          /* add edx, eax */
            0xff, 0xc9, 0x75, 0xf2, 0x0f, 0x05); /* dec ecx; jnz again; syscall */
    assert_int_equal(run(m, 1000), CPU_STOP_SYSCALL);
    assert_int_equal(m->used, 502);
    assert_int_equal(m->s->reg[X86_RDX], 5050);
}

static void data_beside_code_is_written_without_losing_it(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, 0xb9, 100, 0, 0, 0,         /* mov ecx, 100 */
            0x48, 0xff, 0x05, 0xf4, 0x0f, 0, 0,  /* again: inc qword [CODE + PAGE] */
            0x48, 0x01, 0x0d, 0xf5, 1, 0, 0,     /* add [CODE + 0x208], rcx */
            0xff, 0xc9, 0x75, 0xee, 0x0f, 0x05); /* dec ecx; jnz again; syscall */
    assert_int_equal(run(m, 1000), CPU_STOP_SYSCALL);
    assert_int_equal(load64(m, CODE + PAGE), 100);
    assert_int_equal(load64(m, CODE + 0x208), 5050);
}

static void code_of_a_file_is_copied_when_it_writes_itself(void **state)
{
    struct machine *m = *state;
    static uint8_t file[PAGE] = {0xc6, 0x05, 1, 0, 0, 0, 7, 0xb0, 1, 0x0f, 0x05};
    assert_int_equal(cpu_space_map(m->space, CODE, PAGE, RWX, span_of(file, PAGE)), 0);
    assert_int_equal(run(m, 9), CPU_STOP_SYSCALL);
    assert_int_equal((uint8_t)m->s->reg[X86_RAX], 7);
    assert_int_equal(file[8], 1);
    assert_int_equal(cpu_space_map(m->space, CODE, PAGE, RWX, span_of(file, PAGE)), 0);
    CODE_AT(m, CODE + 6, 9);
    m->s->rip = CODE;
    assert_int_equal(run(m, 9), CPU_STOP_SYSCALL);
    assert_int_equal((uint8_t)m->s->reg[X86_RAX], 9);
}

static void code_written_elsewhere_and_called_is_always_the_newest(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, 0x88, 0x0d, 0xfb, 0x0f, 0, 0, /* again: mov [CODE + PAGE + 1], cl */
            0xe8, 0xf5, 0x0f, 0, 0,                /* call CODE + PAGE */
            0x01, 0xc2, 0xff, 0xc9, 0x75, 0xef,    /* add edx, eax; dec ecx; jnz again */
            0x0f, 0x05);
    CODE_AT(m, CODE + PAGE, 0xb0, 0, 0xc3); /* mov al, 0; ret */
    m->s->reg[X86_RCX] = 100;
    assert_int_equal(run(m, 10000), CPU_STOP_SYSCALL);
    assert_int_equal(m->s->reg[X86_RDX], 5050);
}

static void a_string_instruction_may_overwrite_itself(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, 0xf3, 0xaa, 0x90, 0x90, 0x90); /* rep stosb over all of this */
    m->s->reg[X86_RDI] = CODE;
    m->s->reg[X86_RCX] = 64;
    m->s->reg[X86_RAX] = 0xcc;
    /* The first round changes the instruction, which is int3 from then on. */
    assert_int_equal(run(m, 1000), CPU_STOP_BREAK);
    assert_int_equal(m->s->rip, CODE + 1);
}

static void remapped_code_is_seen(void **state)
{
    struct machine *m = *state;
    static uint8_t first[PAGE] = {0xb0, 1, 0x0f, 0x05}, second[PAGE] = {0xb0, 2, 0x0f, 0x05};
    const uint8_t *files[] = {first, second, first};
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(cpu_space_map(m->space, CODE, PAGE, RX, span_of(files[i], PAGE)), 0);
        m->s->rip = CODE;
        assert_int_equal(run(m, 9), CPU_STOP_SYSCALL);
        assert_int_equal((uint8_t)m->s->reg[X86_RAX], files[i][1]);
    }
    m->s->rip = CODE;
    assert_int_equal(cpu_space_protect(m->space, CODE, PAGE, CPU_READ), 0);
    assert_int_equal(run(m, 9), CPU_STOP_PAGE);
    assert_int_equal(m->trap.access, CPU_EXEC);
    assert_int_equal(cpu_space_move(m->space, CODE, NOWHERE, PAGE), 0);
    assert_int_equal(run(m, 9), CPU_STOP_PAGE);
    assert_int_equal(cpu_space_protect(m->space, NOWHERE, PAGE, RX), 0);
    m->s->rip = NOWHERE;
    assert_int_equal(run(m, 9), CPU_STOP_SYSCALL);
}

static void the_same_code_stands_at_any_address(void **state)
{
    struct machine *m = *state;
    /* lea rax, [rip+0]; call +1; nop; pop rdx; syscall */
    static uint8_t file[PAGE] = {0x48, 0x8d, 0x05, 0, 0,    0,    0,    0xe8,
                                 1,    0,    0,    0, 0x90, 0x5a, 0x0f, 0x05};
    for (uint64_t at = NOWHERE; at < NOWHERE + 8 * PAGE; at += 2 * PAGE) {
        assert_int_equal(cpu_space_map(m->space, at, PAGE, RX, span_of(file, PAGE)), 0);
        for (int twice = 0; twice < 2; twice++) {
            m->s->rip = at;
            assert_int_equal(run(m, 9), CPU_STOP_SYSCALL);
            assert_int_equal(m->s->reg[X86_RAX], at + 7);
            assert_int_equal(m->s->reg[X86_RDX], at + 12);
        }
    }
}

static void a_clone_and_its_parent_change_code_apart(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, 0xb0, 1, 0x0f, 0x05);
    assert_int_equal(run(m, 9), CPU_STOP_SYSCALL);
    struct cpu_space *clone = cpu_space_clone(m->space);
    struct x86 *child = x86_new(m->code, clone);
    *x86_state(child) = *m->s;
    assert_int_equal(cpu_space_poke(clone, CODE + 1, "\2", 1), 0);
    for (int i = 0; i < 3; i++) {
        x86_state(child)->rip = m->s->rip = CODE;
        assert_int_equal(x86_run(child, 9, &m->used, &m->trap), CPU_STOP_SYSCALL);
        assert_int_equal(run(m, 9), CPU_STOP_SYSCALL);
        assert_int_equal((uint8_t)x86_state(child)->reg[X86_RAX], 2);
        assert_int_equal((uint8_t)m->s->reg[X86_RAX], 1);
    }
    x86_free(child);
    cpu_space_free(clone);
}

static void code_in_shared_pages_is_followed_through_all_spaces(void **state)
{
    struct machine *m = *state;
    uint64_t at = NOWHERE;
    assert_int_equal(cpu_space_map(m->space, at, PAGE, RWX | CPU_SHARED, span_of(NULL, 0)), 0);
    struct cpu_space *clone = cpu_space_clone(m->space);
    struct x86 *child = x86_new(m->code, clone);
    for (uint8_t i = 1; i < 10; i++) {
        uint8_t bytes[] = {0xb0, i, 0x0f, 0x05};
        assert_int_equal(cpu_space_write(m->space, at, bytes, sizeof(bytes)), 0);
        x86_state(child)->rip = at;
        assert_int_equal(x86_run(child, 9, &m->used, &m->trap), CPU_STOP_SYSCALL);
        assert_int_equal((uint8_t)x86_state(child)->reg[X86_RAX], i);
    }
    x86_free(child);
    cpu_space_free(clone);
}

static void a_small_code_store_works_all_the_same(void **state)
{
    struct machine *m = *state;
    struct cpu_store *small = x86_store_new(1);
    struct x86 *cpu = x86_new(small, m->space);
    load_program(m);
    *x86_state(cpu) = *m->s;
    assert_int_equal(run(m, 100000), CPU_STOP_ILLEGAL);
    uint64_t used = m->used, rdx = m->s->reg[X86_RDX];
    uint64_t zero = 0;
    poke(m, DATA, &zero, sizeof(zero));
    assert_int_equal(x86_run(cpu, 100000, &m->used, &m->trap), CPU_STOP_ILLEGAL);
    assert_int_equal(m->used, used);
    assert_int_equal(x86_state(cpu)->reg[X86_RDX], rdx);
    x86_free(cpu);
    cpu_store_free(small);
}

static void code_outlives_neither_its_space_nor_its_store(void **state)
{
    struct machine *m = *state;
    load_program(m);
    for (int i = 0; i < 3; i++) {
        struct cpu_store *code = x86_store_new(1 << 16);
        struct cpu_space *clone = cpu_space_clone(m->space);
        struct x86 *cpu = x86_new(code, clone);
        *x86_state(cpu) = *m->s;
        assert_int_equal(x86_run(cpu, 100000, &m->used, &m->trap), CPU_STOP_ILLEGAL);
        x86_free(cpu);
        if (i == 1) {
            cpu_store_free(code);
            cpu_space_free(clone);
        } else {
            cpu_space_free(clone);
            cpu_store_free(code);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        X86_TEST(an_instruction_may_cross_a_page),
        X86_TEST(a_jump_may_cross_a_page),
        X86_TEST(code_that_runs_off_its_page_goes_on),
        X86_TEST(code_may_write_the_very_next_instruction),
        X86_TEST(code_may_count_in_its_own_instruction),
        X86_TEST(data_beside_code_is_written_without_losing_it),
        X86_TEST(code_of_a_file_is_copied_when_it_writes_itself),
        X86_TEST(code_written_elsewhere_and_called_is_always_the_newest),
        X86_TEST(a_string_instruction_may_overwrite_itself),
        X86_TEST(remapped_code_is_seen),
        X86_TEST(the_same_code_stands_at_any_address),
        X86_TEST(a_clone_and_its_parent_change_code_apart),
        X86_TEST(code_in_shared_pages_is_followed_through_all_spaces),
        X86_TEST(a_small_code_store_works_all_the_same),
        X86_TEST(code_outlives_neither_its_space_nor_its_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
