/* Single instructions, on the host's processor and on ours: same registers, flags, memory and
 * faults. `oracle_test [SEED [ROUNDS]]`; every run with the same seed has the same cases. */
#include "host_cpu.h"
#include "x86_case.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

enum { ROUNDS_DEFAULT = 40, REPORTS_MAX = 40, ROUNDS_OF_REP_MAX = 64 };

struct bench {
    pid_t child;
    struct cpu_pool *pool;
    struct cpu_space *space;
    struct x86_code *code;
    struct x86 *cpu;
    uint8_t *host_code, *host_data; /* shared with the child */
    uint8_t our_data[CASE_DATA_BYTES];
    struct x86_random random;
    unsigned rounds, cases, ran, different;
};

/* Everything here in one place, for the sanitizers make setting up and tearing down dear. */
static struct bench bench;

static const char *stop_name(int stop)
{
    static const char *const names[] = {
        [X86_STOP_BUDGET] = "done",       [X86_STOP_SYSCALL] = "syscall",
        [X86_STOP_PROBE] = "probe",       [X86_STOP_PAGE] = "page fault",
        [X86_STOP_ILLEGAL] = "illegal",   [X86_STOP_DIVIDE] = "divide error",
        [X86_STOP_BREAK] = "break",       [X86_STOP_PROTECT] = "protection",
        [X86_STOP_FLOAT] = "float error", [X86_STOP_INT80] = "int80",
        [X86_STOP_NOMEM] = "no memory",
    };
    return names[stop];
}

static int stop_of_signal(const struct host_stop *stop)
{
    switch (stop->signal) {
    case SIGTRAP: return X86_STOP_BUDGET;
    case SIGILL: return X86_STOP_ILLEGAL;
    case SIGFPE: return stop->code == FPE_INTDIV ? X86_STOP_DIVIDE : X86_STOP_FLOAT;
    case SIGSEGV: return stop->code == SI_KERNEL ? X86_STOP_PROTECT : X86_STOP_PAGE;
    default: return X86_STOP_PROTECT; /* SIGBUS: the stack segment */
    }
}

/* Steps until the instruction is behind: one with `rep` traps after each round. */
static int run_host(const struct x86_case *c, bool rep, struct x86_state *out, uint64_t *fault)
{
    struct host_stop stop;
    unsigned rounds = 0;
    assert_int_equal(host_cpu_set(bench.child, &c->state), 0);
    do {
        assert_int_equal(host_cpu_step(bench.child, &stop), 0);
        assert_int_equal(host_cpu_get(bench.child, out), 0);
    } while (rep && stop.signal == SIGTRAP && out->rip == c->state.rip &&
             ++rounds < ROUNDS_OF_REP_MAX);
    *fault = stop.addr;
    return stop_of_signal(&stop);
}

static int run_ours(const struct x86_case *c, bool rep, struct x86_state *out, uint64_t *fault)
{
    struct x86_trap trap = {0};
    uint64_t used;
    int stop;
    unsigned rounds = 0;
    struct x86_state *state = x86_state(bench.cpu);
    *state = c->state;
    do {
        stop = (int)x86_run(bench.cpu, 1, &used, &trap);
    } while (rep && stop == X86_STOP_BUDGET && state->rip == c->state.rip &&
             ++rounds < ROUNDS_OF_REP_MAX);
    *out = *state;
    *fault = trap.addr;
    return stop;
}

static void put_both(uint64_t addr, const void *bytes, size_t len)
{
    if (addr < CASE_DATA || addr + len > CASE_DATA + CASE_WRITABLE_BYTES)
        return;
    memcpy(bench.host_data + (addr - CASE_DATA), bytes, len);
    assert_int_equal(cpu_space_poke(bench.space, addr, bytes, len), 0);
}

static void prepare(const struct x86_case *c)
{
    memcpy(bench.host_code + (c->state.rip - CASE_CODE), c->bytes, c->len);
    assert_int_equal(cpu_space_poke(bench.space, c->state.rip, c->bytes, c->len), 0);
    if (c->has_target) {
        put_both(c->addr, &c->target, 8);
        put_both(c->state.reg[X86_RSP], &c->target, 8);
    }
}

static bool same_memory(void)
{
    bool same = true;
    assert_int_equal(cpu_space_read(bench.space, CASE_DATA, bench.our_data, CASE_DATA_BYTES), 0);
    for (size_t i = 0; i < CASE_DATA_BYTES; i++) {
        if (bench.host_data[i] == bench.our_data[i])
            continue;
        if (same)
            fprintf(stderr, "  memory at %" PRIx64 ": host %02x, ours %02x\n", CASE_DATA + i,
                    bench.host_data[i], bench.our_data[i]);
        same = false;
    }
    if (!same)
        cpu_space_poke(bench.space, CASE_DATA, bench.host_data, CASE_WRITABLE_BYTES);
    return same;
}

static void report(const struct x86_case *c, const char *text)
{
    fprintf(stderr, "DIFFERENT: `%s`, bytes", text);
    for (unsigned i = 0; i < c->len; i++)
        fprintf(stderr, " %02x", c->bytes[i]);
    fprintf(stderr, "\n  before: rip %" PRIx64 " flags %" PRIx64 " mxcsr %x fpu %x %x %x\n",
            c->state.rip, c->state.rflags, c->state.mxcsr, c->state.fpu_control,
            c->state.fpu_status, c->state.fpu_tag);
    for (unsigned i = 0; i < 16; i++)
        fprintf(stderr, "  reg %u %016" PRIx64 "  xmm %016" PRIx64 " %016" PRIx64 "\n", i,
                c->state.reg[i], c->state.xmm[i][1], c->state.xmm[i][0]);
    for (unsigned i = 0; i < 8; i++) {
        fprintf(stderr, "  st%u ", i);
        unsigned slot = ((c->state.fpu_status >> 11) + i) & 7;
        for (unsigned k = 10; k-- > 0;)
            fprintf(stderr, "%02x", c->state.fpu[slot][k]);
        fprintf(stderr, "\n");
    }
    if (c->addr >= CASE_DATA && c->addr + 16 <= CASE_DATA + CASE_DATA_BYTES)
        for (unsigned k = 16; k-- > 0;)
            fprintf(stderr, "%02x", bench.host_data[c->addr - CASE_DATA + k]);
    fprintf(stderr, " (memory at %" PRIx64 ", after)\n", c->addr);
}

/* pushf pushes the trap flag that we step with. */
static void hide_trap_flag(const struct x86_form *form, const struct x86_state *host)
{
    uint64_t at = host->reg[X86_RSP] - CASE_DATA + 1;
    if (strcmp(form->text, "9c") == 0 && at < CASE_WRITABLE_BYTES)
        bench.host_data[at] &= 0xfe;
}

/* With an unmasked exception, which of overflow, underflow and inexact come up beside it differs
 * between processors. */
static void hide_late_flags(const struct x86_state *host, struct x86_state *ours)
{
    const uint32_t late = 0x38;
    ours->mxcsr = (ours->mxcsr & ~late) | (host->mxcsr & late);
}

/* An access that spans two pages may name either when both fault. */
static bool same_fault(uint64_t host, uint64_t ours)
{
    uint64_t apart = host < ours ? ours - host : host - ours;
    return host == ours || (apart < 16 && (host ^ ours) >= CPU_PAGE_BYTES);
}

static bool compare(const struct x86_case *c, const struct x86_form *form, bool rep)
{
    struct x86_state host, ours;
    uint64_t host_fault = 0, our_fault = 0;
    int host_stop = run_host(c, rep, &host, &host_fault);
    int our_stop = run_ours(c, rep, &ours, &our_fault);
    if (host_stop == X86_STOP_BUDGET)
        hide_trap_flag(form, &host);
    if (host_stop == X86_STOP_FLOAT)
        hide_late_flags(&host, &ours);
    bool same = host_stop == our_stop;
    if (!same)
        fprintf(stderr, "  host: %s, ours: %s\n", stop_name(host_stop), stop_name(our_stop));
    else if (host_stop == X86_STOP_PAGE && !same_fault(host_fault, our_fault)) {
        fprintf(stderr, "  fault: host %" PRIx64 ", ours %" PRIx64 "\n", host_fault, our_fault);
        same = false;
    }
    if (!same_memory())
        same = false;
    if (host_stop == our_stop && !host_cpu_same(&host, &ours, form->undefined))
        same = false;
    bench.cases++;
    bench.ran += host_stop == X86_STOP_BUDGET;
    if (!same && bench.different++ < REPORTS_MAX)
        report(c, form->text);
    return same;
}

static void try_form(const struct x86_form *form, unsigned rounds)
{
    struct x86_case c;
    bool rep = strstr(form->text, "rep") != NULL;
    bool same = true; /* one report a form */
    for (unsigned i = 0; i < rounds && same; i++) {
        x86_case_make(&c, form->text, &bench.random);
        prepare(&c);
        same = compare(&c, form, rep);
    }
}

static void finish(const char *what)
{
    printf("%s: %u cases, %u ran to their end, %u different\n", what, bench.cases, bench.ran,
           bench.different);
    unsigned different = bench.different;
    bench.cases = bench.ran = bench.different = 0;
    assert_int_equal(different, 0);
}

static void integer_instructions_do_as_the_host(void **state)
{
    (void)state;
    for (const struct x86_form *form = x86_integer_forms; form->text; form++)
        try_form(form, bench.rounds);
    finish("integer");
}

/* What the host has and we do not, on purpose: SSE3 and later, by their place in the 0F map. */
static bool is_beyond_sse2(unsigned opcode, unsigned prefix)
{
    static const struct {
        uint8_t opcode, prefix;
    } beyond[] = {
        {0x12, 0xf3}, {0x12, 0xf2}, {0x16, 0xf3},               /* moves with duplication: SSE3 */
        {0x2b, 0xf3}, {0x2b, 0xf2},                             /* movntss, movntsd: SSE4a */
        {0x78, 0x66}, {0x78, 0xf2}, {0x79, 0x66}, {0x79, 0xf2}, /* extrq, insertq: SSE4a */
        {0x7c, 0x66}, {0x7c, 0xf2}, {0x7d, 0x66}, {0x7d, 0xf2}, /* horizontal: SSE3 */
        {0xd0, 0x66}, {0xd0, 0xf2}, {0xf0, 0xf2},               /* addsub, lddqu: SSE3 */
    };
    for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
        if (beyond[i].opcode == opcode && beyond[i].prefix == prefix)
            return true;
    }
    return false;
}

static const char *vector_suffix(unsigned opcode)
{
    bool immediate =
        (opcode >= 0x70 && opcode <= 0x73) || opcode == 0xc2 || (opcode >= 0xc4 && opcode <= 0xc6);
    return immediate ? " ib" : "";
}

static void sweep_vector_opcode(unsigned opcode)
{
    static const uint8_t prefixes[] = {0, 0x66, 0xf3, 0xf2};
    for (unsigned i = 0; i < 4; i++) {
        char text[64], prefix[8] = "";
        struct x86_form form = {text, 0};
        if (is_beyond_sse2(opcode, prefixes[i]))
            continue;
        if (prefixes[i])
            snprintf(prefix, sizeof(prefix), "%02x ", prefixes[i]);
        const char *modrm = opcode == 0x77 ? "" : " /r align w? string";
        snprintf(text, sizeof(text), "%s0f %02x%s%s", prefix, opcode, modrm, vector_suffix(opcode));
        try_form(&form, bench.rounds);
        if (opcode != 0x77) {
            snprintf(text, sizeof(text), "%s0f %02x%s reg%s", prefix, opcode, modrm,
                     vector_suffix(opcode));
            try_form(&form, bench.rounds);
        }
    }
}

static void vector_instructions_do_as_the_host(void **state)
{
    (void)state;
    static const uint8_t ranges[][2] = {{0x10, 0x17}, {0x28, 0x2f}, {0x50, 0x7f},
                                        {0xc2, 0xc2}, {0xc4, 0xc6}, {0xd0, 0xfe}};
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        for (unsigned opcode = ranges[i][0]; opcode <= ranges[i][1]; opcode++)
            sweep_vector_opcode(opcode);
    }
    finish("vectors");
}

/* fxsave, fxrstor, ldmxcsr, stmxcsr. The images differ in the pointers and reserved parts, so
 * fxsave is left to its own test. */
static void vector_state_does_as_the_host(void **state)
{
    (void)state;
    static const struct x86_form forms[] = {{"0f ae /2 mem", 0}, {"0f ae /3 mem", 0}};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        try_form(&forms[i], bench.rounds);
    finish("vector state");
}

/* The encodings of the x87 whose results are not ours to compare: what stores the pointers. */
static bool is_environment(unsigned opcode, unsigned modrm)
{
    unsigned reg = modrm >> 3 & 7;
    return modrm < 0xc0 && ((opcode == 0xd9 && (reg == 4 || reg == 6)) ||
                            (opcode == 0xdd && (reg == 4 || reg == 6)));
}

static bool is_beyond_x87(unsigned opcode, unsigned modrm)
{
    bool fisttp = opcode == 0xdb || opcode == 0xdd || opcode == 0xdf;
    return modrm < 0xc0 && fisttp && (modrm >> 3 & 7) == 1;
}

static void fpu_instructions_do_as_the_host(void **state)
{
    (void)state;
    for (unsigned opcode = 0xd8; opcode <= 0xdf; opcode++) {
        for (unsigned modrm = 0; modrm < 0x100; modrm++) {
            char text[32];
            struct x86_form form = {text, 0};
            if (modrm < 0xc0 && (modrm & 0xc7))
                continue; /* one of each ModRM.reg: the form draws the address */
            if (is_environment(opcode, modrm) || is_beyond_x87(opcode, modrm))
                continue;
            if (modrm < 0xc0)
                snprintf(text, sizeof(text), "%02x /%u mem", opcode, modrm >> 3);
            else
                snprintf(text, sizeof(text), "%02x %02x", opcode, modrm);
            try_form(&form, modrm < 0xc0 ? bench.rounds : bench.rounds / 2);
        }
    }
    struct x86_form wait = {"9b", 0};
    try_form(&wait, bench.rounds);
    finish("x87");
}

static uint8_t *map_shared(uint64_t addr, size_t len)
{
    void *at = mmap((void *)(uintptr_t)addr, len, PROT_READ | PROT_WRITE | PROT_EXEC,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    assert_ptr_equal(at, (void *)(uintptr_t)addr);
    return at;
}

static void map_ours(void)
{
    const struct span none = {NULL, 0};
    bench.pool = cpu_pool_new(1024);
    bench.space = cpu_space_new(bench.pool);
    bench.code = x86_code_new(1 << 20);
    bench.cpu = x86_new(bench.code, bench.space);
    assert_non_null(bench.cpu);
    assert_int_equal(cpu_space_map(bench.space, CASE_CODE, CASE_CODE_BYTES,
                                   CPU_READ | CPU_WRITE | CPU_EXEC, none),
                     0);
    assert_int_equal(
        cpu_space_map(bench.space, CASE_DATA, CASE_DATA_BYTES, CPU_READ | CPU_WRITE, none), 0);
    assert_int_equal(
        cpu_space_protect(bench.space, CASE_DATA + CASE_WRITABLE_BYTES, CPU_PAGE_BYTES, CPU_READ),
        0);
}

static int set_up(void **state)
{
    (void)state;
    bench.host_code = map_shared(CASE_CODE, CASE_CODE_BYTES);
    bench.host_data = map_shared(CASE_DATA, CASE_DATA_BYTES);
    x86_case_fill(bench.host_data, CASE_DATA_BYTES, &bench.random);
    mprotect(bench.host_data + CASE_WRITABLE_BYTES, CPU_PAGE_BYTES, PROT_READ);
    bench.child = host_cpu_start();
    assert_true(bench.child > 0);
    map_ours();
    return cpu_space_poke(bench.space, CASE_DATA, bench.host_data, CASE_DATA_BYTES);
}

static int tear_down(void **state)
{
    (void)state;
    host_cpu_stop(bench.child);
    x86_free(bench.cpu);
    x86_code_free(bench.code);
    cpu_space_free(bench.space);
    cpu_pool_free(bench.pool);
    munmap(bench.host_code, CASE_CODE_BYTES);
    munmap(bench.host_data, CASE_DATA_BYTES);
    return 0;
}

static bool has_ptrace(void)
{
    struct host_stop stop;
    pid_t child = host_cpu_start();
    if (child < 0)
        return false;
    int result = host_cpu_step(child, &stop);
    host_cpu_stop(child);
    return result == 0;
}

int main(int argc, char **argv)
{
    if (!has_ptrace())
        return HOST_CPU_SKIP;
    bench.random.state = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    bench.rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : ROUNDS_DEFAULT;
    printf("seed %" PRIu64 ", %u rounds\n", bench.random.state, bench.rounds);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integer_instructions_do_as_the_host),
        cmocka_unit_test(vector_instructions_do_as_the_host),
        cmocka_unit_test(vector_state_does_as_the_host),
        cmocka_unit_test(fpu_instructions_do_as_the_host),
    };
    if (argc > 3)
        cmocka_set_test_filter(argv[3]);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
