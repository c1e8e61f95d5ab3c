/* The processor around its instructions: budgets, faults, stops, repeated strings, probes.
 * What each instruction computes is held against the host's processor by oracle_test. */
#include "x86_machine.h"

static void a_budget_is_kept_to_the_instruction(void **state)
{
    struct machine *m = *state;
    load_program(m);
    assert_int_equal(run(m, 100000), CPU_STOP_ILLEGAL);
    uint64_t all = m->used;
    struct x86_state end = *m->s;
    uint64_t memory = load64(m, DATA);
    assert_true(all > 400);
    for (uint64_t slice = 1; slice < 70; slice += slice < 10 ? 1 : 7) {
        memset(m->s->reg, 0, sizeof(m->s->reg));
        m->s->reg[X86_RSP] = DATA_END;
        m->s->rip = CODE;
        m->s->rflags = 0x202;
        uint64_t zero = 0, total = 0;
        poke(m, DATA, &zero, sizeof(zero));
        enum cpu_stop stop = CPU_STOP_BUDGET;
        while (stop == CPU_STOP_BUDGET) {
            stop = run(m, slice);
            total += m->used;
            assert_true(stop != CPU_STOP_BUDGET || m->used == slice);
        }
        assert_int_equal(stop, CPU_STOP_ILLEGAL);
        assert_int_equal(total, all);
        assert_memory_equal(m->s->reg, end.reg, sizeof(end.reg));
        assert_int_equal(m->s->rip, end.rip);
        assert_int_equal(m->s->rflags, end.rflags);
        assert_int_equal(load64(m, DATA), memory);
    }
}

static void a_budget_of_nothing_does_nothing(void **state)
{
    struct machine *m = *state;
    load_program(m);
    assert_int_equal(run(m, 0), CPU_STOP_BUDGET);
    assert_int_equal(m->used, 0);
    assert_int_equal(m->s->rip, CODE);
    assert_int_equal(run(m, 1), CPU_STOP_BUDGET);
    assert_int_equal(m->s->rip, CODE + 5);
}

static void an_endless_loop_ends_with_its_budget(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, 0xeb, 0xfe); /* jmp . */
    assert_int_equal(run(m, 123457), CPU_STOP_BUDGET);
    assert_int_equal(m->used, 123457);
    assert_int_equal(m->s->rip, CODE);
}

struct fault_case {
    const char *name_z;
    uint8_t bytes[12];
    uint64_t addr; /* of the fault */
    unsigned access;
};

/* rbx is NOWHERE, rsi the last 4 bytes of data, rsp NOWHERE, rdi a read-only page. */
static const struct fault_case fault_cases[] = {
    {"mov rax, [rbx]", {0x48, 0x8b, 0x03}, NOWHERE, CPU_READ},
    {"mov [rbx+8], al", {0x88, 0x43, 0x08}, NOWHERE + 8, CPU_WRITE},
    {"mov rax, [rsi]", {0x48, 0x8b, 0x06}, DATA_END, CPU_READ},
    {"mov [rsi], rax", {0x48, 0x89, 0x06}, DATA_END, CPU_WRITE},
    {"add [rbx], rax", {0x48, 0x01, 0x03}, NOWHERE, CPU_WRITE},
    {"add [rsi], rax", {0x48, 0x01, 0x06}, DATA_END, CPU_WRITE},
    {"inc qword [rdi]", {0x48, 0xff, 0x07}, DATA_END + PAGE, CPU_WRITE},
    {"shl qword [rdi], 3", {0x48, 0xc1, 0x27, 0x03}, DATA_END + PAGE, CPU_WRITE},
    {"xchg [rdi], rax", {0x48, 0x87, 0x07}, DATA_END + PAGE, CPU_WRITE},
    {"lock cmpxchg [rdi], rcx", {0xf0, 0x48, 0x0f, 0xb1, 0x0f}, DATA_END + PAGE, CPU_WRITE},
    {"lock xadd [rdi], rcx", {0xf0, 0x48, 0x0f, 0xc1, 0x0f}, DATA_END + PAGE, CPU_WRITE},
    {"push rax", {0x50}, NOWHERE - 8, CPU_WRITE},
    {"pop rax", {0x58}, NOWHERE, CPU_READ},
    {"call +0", {0xe8, 0, 0, 0, 0}, NOWHERE - 8, CPU_WRITE},
    {"ret", {0xc3}, NOWHERE, CPU_READ},
    {"push qword [rsi-4]", {0xff, 0x76, 0xfc}, NOWHERE - 8, CPU_WRITE},
    {"pushf", {0x9c}, NOWHERE - 8, CPU_WRITE},
    {"movsq", {0x48, 0xa5}, DATA_END, CPU_READ},
    {"stosb", {0xaa}, DATA_END + PAGE, CPU_WRITE},
    {"rep stosb", {0xf3, 0xaa}, DATA_END + PAGE, CPU_WRITE},
    {"movdqu [rsi], xmm0", {0xf3, 0x0f, 0x7f, 0x06}, DATA_END, CPU_WRITE},
    {"jmp [rbx]", {0xff, 0x23}, NOWHERE, CPU_READ},
    {"enter 16, 0", {0xc8, 16, 0, 0}, NOWHERE - 8, CPU_WRITE},
};

static void a_fault_says_where_and_changes_nothing(void **state)
{
    struct machine *m = *state;
    uint64_t last = DATA_END - 4;
    assert_int_equal(cpu_space_map(m->space, DATA_END + PAGE, PAGE, CPU_READ, span_of(NULL, 0)), 0);
    for (size_t i = 0; i < ARRAY_LEN(fault_cases); i++) {
        const struct fault_case *c = &fault_cases[i];
        print_message("%s\n", c->name_z);
        poke(m, CODE + 1, c->bytes, sizeof(c->bytes));
        CODE_AT(m, CODE, 0xf9); /* stc */
        for (unsigned r = 0; r < 16; r++)
            m->s->reg[r] = 0x1111 * (r + 1);
        m->s->reg[X86_RBX] = m->s->reg[X86_RSP] = NOWHERE;
        m->s->reg[X86_RSI] = last;
        m->s->reg[X86_RDI] = DATA_END + PAGE;
        m->s->rip = CODE;
        m->s->rflags = 0x202;
        struct x86_state before = *m->s;
        assert_int_equal(run(m, 10), CPU_STOP_PAGE);
        assert_int_equal(m->used, 1);
        assert_int_equal(m->trap.addr, c->addr);
        assert_int_equal(m->trap.access, c->access);
        assert_int_equal(m->trap.mapped, c->addr == DATA_END + PAGE);
        before.rip = CODE + 1;
        before.rflags = 0x203;
        assert_memory_equal(m->s, &before, sizeof(before));
        assert_int_equal(load64(m, DATA_END - 8), 0);
    }
}

static void a_fault_that_is_mended_is_passed(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, 0x90, 0x48, 0x89, 0x03, 0x48, 0xff, 0xc0, 0x0f, 0x05);
    m->s->reg[X86_RAX] = 5;
    m->s->reg[X86_RBX] = NOWHERE;
    assert_int_equal(run(m, 10), CPU_STOP_PAGE);
    assert_int_equal(cpu_space_map(m->space, NOWHERE, PAGE, RW, span_of(NULL, 0)), 0);
    assert_int_equal(run(m, 10), CPU_STOP_SYSCALL);
    assert_int_equal(m->used, 3);
    assert_int_equal(load64(m, NOWHERE), 5);
    assert_int_equal(m->s->reg[X86_RAX], 6);
}

static void a_fetch_faults_at_its_target(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, 0xff, 0xe0); /* jmp rax */
    m->s->reg[X86_RAX] = NOWHERE + 3;
    assert_int_equal(run(m, 10), CPU_STOP_PAGE);
    assert_int_equal(m->used, 1);
    assert_int_equal(m->s->rip, NOWHERE + 3);
    assert_int_equal(m->trap.addr, NOWHERE + 3);
    assert_int_equal(m->trap.access, CPU_EXEC);
    assert_false(m->trap.mapped);
    m->s->rip = CODE;
    m->s->reg[X86_RAX] = DATA; /* there, but not to be executed */
    assert_int_equal(run(m, 10), CPU_STOP_PAGE);
    assert_int_equal(m->trap.access, CPU_EXEC);
    assert_true(m->trap.mapped);
    m->s->rip = CODE;
    m->s->reg[X86_RAX] = UINT64_C(1) << 47;
    assert_int_equal(run(m, 10), CPU_STOP_PROTECT);
    assert_int_equal(m->s->rip, CODE);
    m->s->rip = UINT64_MAX;
    assert_int_equal(run(m, 10), CPU_STOP_PAGE);
    for (uint64_t page = 0; page < 16; page++) { /* nothing there, in whatever slot it falls */
        m->s->rip = page;
        assert_int_equal(run(m, 10), CPU_STOP_PAGE);
    }
}

static void addresses_out_of_range_are_protection_faults(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, 0x48, 0x8b, 0x03); /* mov rax, [rbx] */
    m->s->reg[X86_RBX] = UINT64_C(0x800000000000);
    assert_int_equal(run(m, 10), CPU_STOP_PROTECT);
    m->s->reg[X86_RBX] = UINT64_C(0xffff800000000000);
    assert_int_equal(run(m, 10), CPU_STOP_PAGE); /* the kernel's half */
    assert_int_equal(m->trap.addr, UINT64_C(0xffff800000000000));
    m->s->reg[X86_RBX] = UINT64_MAX - 3;
    assert_int_equal(run(m, 10), CPU_STOP_PAGE);
}

struct stop_case {
    uint8_t bytes[16];
    enum cpu_stop stop;
    unsigned behind; /* rip afterwards, counted from the start */
};

static const struct stop_case stop_cases[] = {
    {{0x0f, 0x05}, CPU_STOP_SYSCALL, 2},
    {{0xcc}, CPU_STOP_BREAK, 1},
    {{0xcd, 0x03}, CPU_STOP_BREAK, 2},
    {{0xcd, 0x80}, CPU_STOP_SYSCALL32, 2},
    {{0xcd, 0x21}, CPU_STOP_PROTECT, 0},
    {{0x0f, 0x0b}, CPU_STOP_ILLEGAL, 0},
    {{0x06}, CPU_STOP_ILLEGAL, 0},
    {{0xc4, 0xe2, 0x7d, 0x18, 0x00}, CPU_STOP_ILLEGAL, 0}, /* AVX */
    {{0x0f, 0x01, 0xd0}, CPU_STOP_ILLEGAL, 0},             /* xgetbv */
    {{0xf3, 0x0f, 0xb8, 0xc0}, CPU_STOP_ILLEGAL, 0},       /* popcnt */
    {{0x66, 0x0f, 0x38, 0x00, 0xc1}, CPU_STOP_ILLEGAL, 0}, /* pshufb of SSSE3 */
    {{0xf0, 0x90}, CPU_STOP_ILLEGAL, 0},                   /* lock nop */
    {{0xf0, 0x01, 0xc0}, CPU_STOP_ILLEGAL, 0},             /* lock add eax, eax */
    {{0xf4}, CPU_STOP_PROTECT, 0},                         /* hlt */
    {{0xfa}, CPU_STOP_PROTECT, 0},                         /* cli */
    {{0x0f, 0x30}, CPU_STOP_PROTECT, 0},                   /* wrmsr */
    {{0xe4, 0x10}, CPU_STOP_PROTECT, 0},                   /* in al, 16 */
    {{0x0f, 0x22, 0xd8}, CPU_STOP_PROTECT, 0},             /* mov cr3, rax */
    {{0xf7, 0xf1}, CPU_STOP_DIVIDE, 0},                    /* div ecx, which is 0 */
    {{0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
      0x90},
     CPU_STOP_PROTECT,
     0}, /* longer than any */
};

static void each_end_has_its_stop_and_its_rip(void **state)
{
    struct machine *m = *state;
    for (size_t i = 0; i < ARRAY_LEN(stop_cases); i++) {
        const struct stop_case *c = &stop_cases[i];
        print_message("case %zu\n", i);
        poke(m, CODE, c->bytes, sizeof(c->bytes));
        m->s->rip = CODE;
        m->s->reg[X86_RCX] = 0;
        assert_int_equal(run(m, 1), c->stop);
        assert_int_equal(m->s->rip, CODE + c->behind);
        assert_int_equal(m->used, c->behind ? 1 : 0);
    }
}

static void a_syscall_keeps_rip_and_flags_as_the_processor_does(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, 0xf9, 0x0f, 0x05);
    assert_int_equal(run(m, 9), CPU_STOP_SYSCALL);
    assert_int_equal(m->used, 2);
    assert_int_equal(m->s->reg[X86_RCX], CODE + 3);
    assert_int_equal(m->s->reg[X86_R11], 0x203);
    assert_int_equal(m->s->rip, CODE + 3);
}

static void a_repeated_string_stops_and_goes_on(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, 0xf3, 0xaa, 0x0f, 0x05); /* rep stosb; syscall */
    m->s->reg[X86_RDI] = DATA;
    m->s->reg[X86_RCX] = 5000;
    m->s->reg[X86_RAX] = 0x41;
    uint64_t total = 0;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(run(m, 1000), CPU_STOP_BUDGET);
        assert_int_equal(m->used, 1000);
        assert_int_equal(m->s->rip, CODE);
        total += 1000;
        assert_int_equal(m->s->reg[X86_RCX], 5000 - total);
        assert_int_equal(m->s->reg[X86_RDI], DATA + total);
    }
    assert_int_equal(run(m, 2000), CPU_STOP_SYSCALL);
    assert_int_equal(m->used, 1001);
    assert_int_equal(load64(m, DATA + 4992), UINT64_C(0x4141414141414141));
    assert_int_equal(load64(m, DATA + 5000), 0);
}

static void a_repeated_string_faults_where_it_is(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, 0xf3, 0x48, 0xa5, 0x0f, 0x05); /* rep movsq; syscall */
    m->s->reg[X86_RSI] = DATA;
    m->s->reg[X86_RDI] = DATA_END - 800;
    m->s->reg[X86_RCX] = 200;
    assert_int_equal(run(m, 10000), CPU_STOP_PAGE);
    assert_int_equal(m->used, 100);
    assert_int_equal(m->trap.addr, DATA_END);
    assert_int_equal(m->trap.access, CPU_WRITE);
    assert_int_equal(m->s->rip, CODE);
    assert_int_equal(m->s->reg[X86_RCX], 100);
    assert_int_equal(m->s->reg[X86_RSI], DATA + 800);
    assert_int_equal(cpu_space_map(m->space, DATA_END, PAGE, RW, span_of(NULL, 0)), 0);
    assert_int_equal(run(m, 10000), CPU_STOP_SYSCALL);
    assert_int_equal(m->s->reg[X86_RDI], DATA_END + 800);
}

static void strings_that_overlap_spread_as_they_should(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, 0xf3, 0xa4, 0xcc); /* rep movsb; int3 */
    poke(m, DATA, "abc", 3);
    m->s->reg[X86_RSI] = DATA;
    m->s->reg[X86_RDI] = DATA + 3;
    m->s->reg[X86_RCX] = 13;
    assert_int_equal(run(m, 100), CPU_STOP_BREAK);
    char got[17] = {0};
    assert_int_equal(cpu_space_read(m->space, DATA, got, 16), 0);
    assert_string_equal(got, "abcabcabcabcabca");
    assert_int_equal(m->used, 14);
    m->s->rip = CODE;
    assert_int_equal(run(m, 100), CPU_STOP_BREAK); /* rcx is 0: one instruction, nothing done */
    assert_int_equal(m->used, 2);
}

static void a_search_stops_at_what_it_finds(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, 0xf2, 0xae, 0xcc); /* repne scasb; int3 */
    poke(m, DATA, "hello", 6);
    m->s->reg[X86_RDI] = DATA;
    m->s->reg[X86_RCX] = UINT64_MAX;
    assert_int_equal(run(m, 100), CPU_STOP_BREAK);
    assert_int_equal(m->s->reg[X86_RDI], DATA + 6);
    assert_int_equal(~m->s->reg[X86_RCX], 6);
    assert_int_equal(m->used, 7);
}

static void segments_and_short_addresses_are_added_up(void **state)
{
    struct machine *m = *state;
    uint64_t value = 0x1234;
    poke(m, DATA + 0x100, &value, sizeof(value));
    /* mov rax, fs:[0]; mov rcx, gs:[rbx+rdx*2+8]; mov esi, [ebx+edx] with 67; syscall */
    CODE_AT(m, CODE, 0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0, 0x65, 0x48, 0x8b, 0x7c, 0x53, 8,
            0x67, 0x8b, 0x34, 0x13, 0x0f, 0x05);
    m->s->fs_base = DATA + 0x100;
    m->s->gs_base = DATA;
    m->s->reg[X86_RBX] = 0x78;
    m->s->reg[X86_RDX] = 0x40;
    m->s->reg[X86_RBX] |= UINT64_C(0);
    assert_int_equal(run(m, 2), CPU_STOP_BUDGET);
    assert_int_equal(m->s->reg[X86_RAX], 0x1234);
    assert_int_equal(m->s->reg[X86_RDI], 0x1234);
    m->s->reg[X86_RBX] = UINT64_C(0xffffffff00000000) | DATA;
    m->s->reg[X86_RDX] = UINT64_C(0x7700000000) | 0x100;
    assert_int_equal(run(m, 2), CPU_STOP_SYSCALL);
    assert_int_equal(m->s->reg[X86_RSI], 0x1234);
}

static void no_frames_left_is_said_and_can_be_mended(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, 0x48, 0x89, 0x03, 0x0f, 0x05); /* mov [rbx], rax; syscall */
    assert_int_equal(cpu_space_map(m->space, NOWHERE, FRAMES * PAGE, RW, span_of(NULL, 0)), 0);
    uint64_t addr = NOWHERE;
    while (cpu_space_write(m->space, addr, "x", 1) == 0)
        addr += PAGE;
    m->s->reg[X86_RBX] = addr;
    m->s->reg[X86_RAX] = 3;
    assert_int_equal(run(m, 9), CPU_STOP_NOMEM);
    assert_int_equal(m->s->rip, CODE);
    assert_int_equal(m->used, 0);
    assert_int_equal(cpu_space_unmap(m->space, NOWHERE, PAGE), 0);
    assert_int_equal(run(m, 9), CPU_STOP_SYSCALL);
    assert_int_equal(load64(m, addr), 3);
}

static void a_probe_stops_before_its_instruction_once(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, 0xff, 0xc0, 0xff, 0xc0, 0xff, 0xc0, 0xeb, 0xf8); /* 3 inc eax; jmp CODE */
    assert_int_equal(run(m, 100), CPU_STOP_BUDGET); /* decoded, and linked to itself */
    m->s->rip = CODE;
    m->s->reg[X86_RAX] = 0;
    assert_int_equal(x86_probe_add(m->cpu, CODE + 2), 0);
    assert_int_equal(x86_probe_add(m->cpu, CODE + 2), 0);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(run(m, 100), CPU_STOP_PROBE);
        assert_int_equal(m->s->rip, CODE + 2);
        assert_int_equal(m->s->reg[X86_RAX], 3 * i + 1);
        assert_int_equal(m->used, i ? 4 : 1);
        assert_int_equal(run(m, 0), CPU_STOP_BUDGET);
    }
    assert_int_equal(run(m, 1), CPU_STOP_BUDGET);
    assert_int_equal(run(m, 3), CPU_STOP_BUDGET); /* comes to rest at the probe */
    assert_int_equal(m->s->rip, CODE + 2);
    assert_int_equal(run(m, 1), CPU_STOP_PROBE);
    assert_int_equal(m->used, 0);
    m->s->rip = CODE; /* set aside, and come again */
    assert_int_equal(run(m, 100), CPU_STOP_PROBE);
    assert_int_equal(m->used, 1);
    x86_probe_clear(m->cpu, CODE + 2);
    assert_int_equal(run(m, 100), CPU_STOP_BUDGET);
    assert_int_equal(m->used, 100);
}

static void a_probe_whose_instruction_faults_is_not_told_twice(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, 0x90, 0x50, 0x0f, 0x05); /* nop; push rax; syscall */
    m->s->reg[X86_RSP] = NOWHERE + 8;
    assert_int_equal(x86_probe_add(m->cpu, CODE + 1), 0);
    assert_int_equal(run(m, 9), CPU_STOP_PROBE);
    assert_int_equal(run(m, 9), CPU_STOP_PAGE);
    assert_int_equal(cpu_space_map(m->space, NOWHERE, PAGE, RW, span_of(NULL, 0)), 0);
    assert_int_equal(run(m, 9), CPU_STOP_SYSCALL);
}

static void a_probe_at_a_repeated_string_is_told_once(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, 0xf3, 0xaa, 0x0f, 0x05); /* rep stosb; syscall */
    m->s->reg[X86_RDI] = DATA;
    m->s->reg[X86_RCX] = 50;
    assert_int_equal(x86_probe_add(m->cpu, CODE), 0);
    assert_int_equal(run(m, 9), CPU_STOP_PROBE);
    for (int i = 0; i < 5; i++)
        assert_int_equal(run(m, 10), CPU_STOP_BUDGET);
    assert_int_equal(run(m, 9), CPU_STOP_SYSCALL);
    m->s->rip = CODE;
    assert_int_equal(run(m, 9), CPU_STOP_PROBE);
}

static void probes_are_counted(void **state)
{
    struct machine *m = *state;
    for (uint64_t i = 0; i < CPU_PROBES_MAX; i++)
        assert_int_equal(x86_probe_add(m->cpu, DATA + i), 0);
    assert_int_equal(x86_probe_add(m->cpu, CODE), -ENOSPC);
    x86_probe_clear(m->cpu, CODE); /* not there: nothing happens */
    x86_probe_clear(m->cpu, DATA);
    assert_int_equal(x86_probe_add(m->cpu, CODE), 0);
    assert_int_equal(run(m, 9), CPU_STOP_PROBE);
}

static void time_passes_by_instructions_whatever_the_slices(void **state)
{
    struct machine *m = *state;
    /* again: nop; rdtsc; mov ebx, eax; nop; rdtsc; sub eax, ebx; jmp again */
    CODE_AT(m, CODE, 0x90, 0x0f, 0x31, 0x89, 0xc3, 0x90, 0x0f, 0x31, 0x29, 0xd8, 0xeb, 0xf4);
    assert_int_equal(run(m, 6), CPU_STOP_BUDGET);
    assert_int_equal(m->s->reg[X86_RAX], 3);
    for (unsigned i = 0; i < 7; i++)
        assert_int_equal(run(m, 1), CPU_STOP_BUDGET);
    assert_int_equal(m->s->reg[X86_RAX], 3);
}

static void flags_may_be_set_to_any_value(void **state)
{
    struct machine *m = *state;
    /* push rcx; popf; pushf; pop rax; jmp back */
    CODE_AT(m, CODE, 0x51, 0x9d, 0x9c, 0x58, 0xeb, 0xfa);
    const uint64_t bits[] = {1, 4, 0x10, 0x40, 0x80, 0x400, 0x800};
    for (unsigned set = 0; set < 128; set++) {
        uint64_t flags = 0x202;
        for (unsigned b = 0; b < 7; b++)
            flags |= (set >> b) & 1 ? bits[b] : 0;
        m->s->reg[X86_RCX] = flags;
        assert_int_equal(run(m, 5), CPU_STOP_BUDGET);
        assert_int_equal(m->s->reg[X86_RAX], flags);
        assert_int_equal(m->s->rflags, flags);
    }
    m->s->reg[X86_RCX] = UINT64_MAX;
    assert_int_equal(run(m, 5), CPU_STOP_BUDGET);
    assert_int_equal(m->s->reg[X86_RAX], 0x244ed7); /* not TF, IOPL, RF, VM */
}

static void cpuid_promises_the_baseline_and_no_more(void **state)
{
    struct machine *m = *state;
    CODE_AT(m, CODE, 0x0f, 0xa2, 0xeb, 0xfc);
    m->s->reg[X86_RAX] = 1;
    assert_int_equal(run(m, 1), CPU_STOP_BUDGET);
    uint64_t wanted = 1 << 0 | 1 << 8 | 1 << 15 | 1 << 23 | 1 << 24 | 1 << 25 | 1 << 26;
    assert_int_equal(m->s->reg[X86_RDX] & wanted, wanted);
    /* A hypervisor, and none of SSE3, SSSE3, SSE4, POPCNT, AES, XSAVE, AVX. */
    assert_int_equal(m->s->reg[X86_RCX], UINT64_C(1) << 31);
    m->s->rip = CODE;
    m->s->reg[X86_RAX] = 7;
    assert_int_equal(run(m, 1), CPU_STOP_BUDGET);
    assert_int_equal(m->s->reg[X86_RBX], 0); /* AVX2, BMI, ERMS ... */
    m->s->rip = CODE;
    m->s->reg[X86_RAX] = 0x80000001;
    assert_int_equal(run(m, 1), CPU_STOP_BUDGET);
    assert_int_equal(m->s->reg[X86_RDX] & (UINT64_C(1) << 29), 1 << 29); /* long mode */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        X86_TEST(a_budget_is_kept_to_the_instruction),
        X86_TEST(a_budget_of_nothing_does_nothing),
        X86_TEST(an_endless_loop_ends_with_its_budget),
        X86_TEST(a_fault_says_where_and_changes_nothing),
        X86_TEST(a_fault_that_is_mended_is_passed),
        X86_TEST(a_fetch_faults_at_its_target),
        X86_TEST(addresses_out_of_range_are_protection_faults),
        X86_TEST(each_end_has_its_stop_and_its_rip),
        X86_TEST(a_syscall_keeps_rip_and_flags_as_the_processor_does),
        X86_TEST(a_repeated_string_stops_and_goes_on),
        X86_TEST(a_repeated_string_faults_where_it_is),
        X86_TEST(strings_that_overlap_spread_as_they_should),
        X86_TEST(a_search_stops_at_what_it_finds),
        X86_TEST(segments_and_short_addresses_are_added_up),
        X86_TEST(no_frames_left_is_said_and_can_be_mended),
        X86_TEST(a_probe_stops_before_its_instruction_once),
        X86_TEST(a_probe_whose_instruction_faults_is_not_told_twice),
        X86_TEST(a_probe_at_a_repeated_string_is_told_once),
        X86_TEST(probes_are_counted),
        X86_TEST(time_passes_by_instructions_whatever_the_slices),
        X86_TEST(flags_may_be_set_to_any_value),
        X86_TEST(cpuid_promises_the_baseline_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
