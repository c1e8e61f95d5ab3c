/* What the fuzz targets of the processors share: any bytes as a program, over a few pages of each
 * kind. The interpreter must stay within them, and the end must not depend on how the budget is cut
 * into slices. The input's first byte chooses registers and place (`selector`), the second one the
 * slices. */
#ifndef FUZZ_PROCESSOR_H
#define FUZZ_PROCESSOR_H

#include "cpu/cpu.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PAGE ((uint64_t)CPU_PAGE_BYTES)

enum {
    FRAMES = 24,
    STORE_BYTES = 1 << 16, /* small: it is thrown out often */
    BUDGET = 3000,
    STOPS_MAX = 24,
    CODE = 0x10000,    /* two pages, may be written */
    FILE_AT = 0x12000, /* the program once more, from a file */
    DATA = 0x20000,    /* four pages, nothing behind them */
    CONST = 0x30000,   /* read only */
    /* Bits of the selector, beside the registers' rotation and a processor's own. */
    PROBE = 32,
    FROM_FILE = 64,
    AT_PAGE_END = 128,
};

/* A processor, for this. */
struct processor {
    const struct cpu_ops *(*ops)(uint8_t selector);
    void (*set_registers)(struct cpu *cpu, uint8_t selector); /* all but the pc */
    void (*pass)(struct cpu *cpu);        /* on behind an instruction that stopped */
    void (*check)(const struct cpu *cpu); /* what holds after each run; NULL: nothing more */
    uint8_t fill;                         /* the bytes behind the program */
    unsigned end;     /* bytes before the page's end: AT_PAGE_END begins there */
    unsigned probe;   /* bytes behind the start */
    unsigned shorter; /* bytes of the page that are not written at the start */
};

/* Values for registers that point somewhere useful more often than not. */
static const uint64_t processor_values[] = {
    DATA + 64, CODE + 16, DATA + PAGE - 4, CONST, 16, DATA + 4 * PAGE - 8, UINT64_MAX, FILE_AT + 3};

static inline uint64_t processor_value(unsigned i, uint8_t selector)
{
    return processor_values[(i + selector) % ARRAY_LEN(processor_values)];
}

struct machine {
    const struct processor *processor;
    struct cpu_pool *pool;
    struct cpu_space *space;
    struct cpu_code *code;
    struct cpu *cpu;
    uint64_t used;
    enum cpu_stop stops[STOPS_MAX];
    unsigned count;
};

static uint8_t file[CPU_PAGE_BYTES];

static void open_machine(struct machine *m, const struct processor *p, uint8_t selector)
{
    const struct span none = {NULL, 0};
    *m = (struct machine){
        .processor = p, .pool = cpu_pool_new(FRAMES), .code = cpu_code_new(STORE_BYTES)};
    m->space = cpu_space_new(m->pool);
    m->cpu = cpu_new(p->ops(selector), m->code, m->space);
    int rc = cpu_space_map(m->space, CODE, 2 * PAGE, CPU_READ | CPU_WRITE | CPU_EXEC, none);
    rc |= cpu_space_map(m->space, FILE_AT, PAGE, CPU_READ | CPU_WRITE | CPU_EXEC,
                        span_of(file, PAGE));
    rc |= cpu_space_map(m->space, DATA, 4 * PAGE, CPU_READ | CPU_WRITE, none);
    rc |= cpu_space_map(m->space, CONST, PAGE, CPU_READ, none);
    uint64_t in_code = CODE + ((selector & AT_PAGE_END) ? PAGE - p->end : 0);
    uint64_t pc = (selector & FROM_FILE) ? FILE_AT : in_code;
    m->cpu->ops->set_pc(m->cpu, pc);
    p->set_registers(m->cpu, selector);
    rc |= cpu_space_poke(m->space, CODE + pc % PAGE, file, PAGE - p->shorter);
    if (selector & PROBE)
        rc |= m->cpu->ops->probe_add(m->cpu, pc + p->probe);
    assert(rc == 0);
}

static void close_machine(struct machine *m)
{
    cpu_free(m->cpu);
    cpu_space_free(m->space);
    cpu_code_free(m->code);
    cpu_pool_free(m->pool);
}

static void run(struct machine *m, uint64_t slice)
{
    const struct processor *p = m->processor;
    struct cpu_trap trap;
    while (m->used < BUDGET && m->count < STOPS_MAX) {
        uint64_t left = BUDGET - m->used, used;
        if (slice < BUDGET) /* where it stops for what it has decoded does not matter either */
            cpu_code_allow(m->code, slice);
        enum cpu_stop stop = cpu_run(m->cpu, left < slice ? left : slice, &used, &trap);
        assert(used <= slice && (stop != CPU_STOP_BUDGET || used > 0));
        if (p->check)
            p->check(m->cpu);
        m->used += used;
        if (stop == CPU_STOP_BUDGET)
            continue;
        m->stops[m->count++] = stop;
        if (stop != CPU_STOP_PROBE && stop != CPU_STOP_SYSCALL)
            p->pass(m->cpu);
    }
}

static void compare_states(const struct cpu *a, const struct cpu *b)
{
    size_t len = a->ops->state_bytes;
    uint8_t *of_a = calloc(2, len), *of_b = of_a + len;
    assert(of_a != NULL);
    a->ops->save(a, of_a);
    b->ops->save(b, of_b);
    assert(memcmp(of_a, of_b, len) == 0);
    free(of_a);
}

static void compare(struct machine *a, struct machine *b)
{
    assert(a->used == b->used && a->count == b->count);
    assert(memcmp(a->stops, b->stops, sizeof(a->stops)) == 0);
    compare_states(a->cpu, b->cpu);
    for (uint64_t addr = CODE; addr <= CONST; addr += PAGE) {
        uint8_t in_a[CPU_PAGE_BYTES], in_b[CPU_PAGE_BYTES];
        int rc = cpu_space_read(a->space, addr, in_a, PAGE);
        assert(rc == cpu_space_read(b->space, addr, in_b, PAGE));
        assert(rc < 0 || memcmp(in_a, in_b, PAGE) == 0);
    }
}

static int run_input(const struct processor *p, const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct machine whole, sliced;
    memset(file, p->fill, sizeof(file));
    memcpy(file, data + 2, size - 2 < PAGE ? size - 2 : PAGE);
    open_machine(&whole, p, data[0]);
    open_machine(&sliced, p, data[0]);
    run(&whole, BUDGET);
    run(&sliced, data[1] % 100 + 1);
    compare(&whole, &sliced);
    close_machine(&whole);
    close_machine(&sliced);
    return 0;
}

#endif
