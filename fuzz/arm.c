/* Reaches src/cpu: any words as an ARM program in either state, over a few pages of each kind.
 * The interpreter must stay within them, and the end must not depend on how the budget is cut into
 * slices. */
#include "cpu/arm.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    /* Bits of the first byte, beside the registers' rotation. */
    THUMB = 16,
    PROBE = 32,
    FROM_FILE = 64,
    AT_PAGE_END = 128,
};

struct machine {
    struct cpu_pool *pool;
    struct cpu_space *space;
    struct cpu_code *code;
    struct cpu *cpu;
    uint64_t used;
    enum cpu_stop stops[STOPS_MAX];
    unsigned count;
};

static uint8_t file[PAGE];

/* Registers that point somewhere useful more often than not. */
static void set_registers(struct arm_state *s, uint8_t selector)
{
    static const uint32_t values[] = {DATA + 64, CODE + 16,           DATA + PAGE - 4, CONST,
                                      16,        DATA + 4 * PAGE - 8, UINT32_MAX,      FILE_AT + 3};
    for (unsigned i = 0; i < ARM_PC; i++)
        s->reg[i] = values[(i + selector) % ARRAY_LEN(values)];
    for (unsigned i = 0; i < 32; i++)
        s->d[i] = UINT64_C(0x3ff0000000000000) + ((uint64_t)i << (i + selector) % 63);
    s->cpsr = ARM_CPSR_USER | (selector & THUMB ? ARM_CPSR_T : 0);
    s->reg[ARM_PC] =
        (selector & FROM_FILE) ? FILE_AT : CODE + ((selector & AT_PAGE_END) ? PAGE - 6 : 0);
}

static void open_machine(struct machine *m, uint8_t selector)
{
    const struct span none = {NULL, 0};
    *m = (struct machine){.pool = cpu_pool_new(FRAMES), .code = cpu_code_new(STORE_BYTES)};
    m->space = cpu_space_new(m->pool);
    m->cpu = cpu_new(&arm_ops, m->code, m->space);
    int rc = cpu_space_map(m->space, CODE, 2 * PAGE, CPU_READ | CPU_WRITE | CPU_EXEC, none);
    rc |= cpu_space_map(m->space, FILE_AT, PAGE, CPU_READ | CPU_WRITE | CPU_EXEC,
                        span_of(file, PAGE));
    rc |= cpu_space_map(m->space, DATA, 4 * PAGE, CPU_READ | CPU_WRITE, none);
    rc |= cpu_space_map(m->space, CONST, PAGE, CPU_READ, none);
    struct arm_state *s = arm_state(m->cpu);
    set_registers(s, selector);
    rc |= cpu_space_poke(m->space, CODE + (s->reg[ARM_PC] & (PAGE - 1)), file, PAGE);
    if (selector & PROBE)
        rc |= m->cpu->ops->probe_add(m->cpu, s->reg[ARM_PC] + 8);
    assert(rc == 0);
}

static void close_machine(struct machine *m)
{
    cpu_free(m->cpu);
    cpu_space_free(m->space);
    cpu_code_free(m->code);
    cpu_pool_free(m->pool);
}

/* On behind an instruction that stopped. */
static void pass(struct arm_state *s)
{
    bool thumb = s->cpsr & ARM_CPSR_T;
    s->reg[ARM_PC] = (s->reg[ARM_PC] + (thumb ? 2 : 4)) & (thumb ? ~1u : ~3u);
    s->cpsr &= ~ARM_CPSR_IT;
}

static void run(struct machine *m, uint64_t slice)
{
    struct cpu_trap trap;
    struct arm_state *s = arm_state(m->cpu);
    while (m->used < BUDGET && m->count < STOPS_MAX) {
        uint64_t left = BUDGET - m->used, used;
        enum cpu_stop stop = cpu_run(m->cpu, left < slice ? left : slice, &used, &trap);
        assert(used <= slice && (stop != CPU_STOP_BUDGET || used > 0));
        assert(s->reg[ARM_PC] % 2 == 0 && (s->cpsr & ARM_CPSR_USER));
        m->used += used;
        if (stop == CPU_STOP_BUDGET)
            continue;
        m->stops[m->count++] = stop;
        if (stop != CPU_STOP_PROBE && stop != CPU_STOP_SYSCALL)
            pass(s);
    }
}

static void compare(struct machine *a, struct machine *b)
{
    assert(a->used == b->used && a->count == b->count);
    assert(memcmp(a->stops, b->stops, sizeof(a->stops)) == 0);
    assert(memcmp(arm_state(a->cpu), arm_state(b->cpu), sizeof(struct arm_state)) == 0);
    for (uint64_t addr = CODE; addr <= CONST; addr += PAGE) {
        uint8_t in_a[PAGE], in_b[PAGE];
        int rc = cpu_space_read(a->space, addr, in_a, PAGE);
        assert(rc == cpu_space_read(b->space, addr, in_b, PAGE));
        assert(rc < 0 || memcmp(in_a, in_b, PAGE) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct machine whole, sliced;
    memset(file, 0xff, sizeof(file));
    memcpy(file, data + 2, size - 2 < PAGE ? size - 2 : PAGE);
    open_machine(&whole, data[0]);
    open_machine(&sliced, data[0]);
    run(&whole, BUDGET);
    run(&sliced, data[1] % 100 + 1);
    compare(&whole, &sliced);
    close_machine(&whole);
    close_machine(&sliced);
    return 0;
}
