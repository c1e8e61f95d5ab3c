/* The MIPS processors behind cpu.h's table. */
#include "cpu/mips_internal.h"
#include "cpu/mips_run.h"

#include <errno.h>
#include <stdlib.h>

enum { INSN_BYTES = 4, ERRNO_MAX = 4095 };

static const struct mips *of(const struct cpu *cpu)
{
    return (const struct mips *)cpu;
}

struct mips_state *mips_state(struct cpu *cpu)
{
    return &((struct mips *)cpu)->state;
}

static void *store_new(size_t max_bytes)
{
    return mips_store_new(max_bytes);
}

static void store_free(void *store)
{
    cpu_store_free(store);
}

static void set_space(struct cpu *base, struct cpu_space *space)
{
    struct mips *cpu = (struct mips *)base;
    cpu->space = space;
    cpu->tlb = cpu_space_tlb(space);
    mips_forget_jumps(cpu);
}

static struct cpu *new_cpu(const struct cpu_ops *ops, void *store, struct cpu_space *space)
{
    struct mips *cpu = calloc(1, sizeof(*cpu));
    if (!cpu)
        return NULL;
    cpu->base.ops = ops;
    cpu->store = store;
    cpu->order = ops == &mips_be_ops ? MIPS_BIG : MIPS_LITTLE;
    set_space(&cpu->base, space);
    return &cpu->base;
}

static void free_cpu(struct cpu *cpu)
{
    free(cpu);
}

static void save(const struct cpu *cpu, void *out)
{
    memcpy(out, &of(cpu)->state, sizeof(struct mips_state));
}

static int load(struct cpu *cpu, const void *in)
{
    struct mips_state s;
    memcpy(&s, in, sizeof(s));
    if (s.reg[MIPS_ZERO] || (s.fcsr & ~MIPS_FCSR_VALID) || s.fr > 1 || s.link_set > 1 || s.owed > 1)
        return -EINVAL;
    *mips_state(cpu) = s;
    return 0;
}

static void start(struct cpu *cpu, uint64_t pc, uint64_t sp)
{
    struct mips_state *s = mips_state(cpu);
    *s = (struct mips_state){.pc = (uint32_t)pc};
    s->reg[MIPS_SP] = (uint32_t)sp;
}

static uint64_t pc(const struct cpu *cpu)
{
    return of(cpu)->state.pc;
}

static void set_pc(struct cpu *cpu, uint64_t value)
{
    mips_state(cpu)->pc = (uint32_t)value;
}

static uint64_t sp(const struct cpu *cpu)
{
    return of(cpu)->state.reg[MIPS_SP];
}

static void set_sp(struct cpu *cpu, uint64_t value)
{
    mips_state(cpu)->reg[MIPS_SP] = (uint32_t)value;
}

static uint64_t tls(const struct cpu *cpu)
{
    return of(cpu)->state.tls;
}

static void set_tls(struct cpu *cpu, uint64_t value)
{
    mips_state(cpu)->tls = (uint32_t)value;
}

static void call(const struct cpu *cpu, struct cpu_call *out)
{
    const uint32_t *reg = of(cpu)->state.reg;
    *out = (struct cpu_call){
        .number = reg[MIPS_V0],
        .arg = {reg[MIPS_A0], reg[MIPS_A1], reg[MIPS_A2], reg[MIPS_A3]},
    };
}

static void set_result(struct cpu *cpu, int64_t result)
{
    uint32_t *reg = mips_state(cpu)->reg;
    bool failed = result < 0 && result >= -ERRNO_MAX;
    reg[MIPS_V0] = (uint32_t)(failed ? -result : result);
    reg[MIPS_A3] = failed;
}

static void set_second(struct cpu *cpu, uint64_t value)
{
    mips_state(cpu)->reg[MIPS_V1] = (uint32_t)value;
}

static void call_again(struct cpu *cpu, uint64_t number)
{
    mips_state(cpu)->pc -= INSN_BYTES;
    mips_state(cpu)->reg[MIPS_V0] = (uint32_t)number;
}

static int probe_add(struct cpu *base, uint64_t addr)
{
    struct mips *cpu = (struct mips *)base;
    for (unsigned i = 0; i < cpu->probes; i++)
        if (cpu->probe[i] == addr)
            return 0;
    if (cpu->probes == CPU_PROBES_MAX)
        return -ENOSPC;
    cpu->probe[cpu->probes++] = addr;
    mips_forget_jumps(cpu); /* its page is from now on executed with care */
    return 0;
}

static void probe_clear(struct cpu *base, uint64_t addr)
{
    struct mips *cpu = (struct mips *)base;
    for (unsigned i = 0; i < cpu->probes; i++) {
        if (cpu->probe[i] == addr) {
            cpu->probe[i] = cpu->probe[--cpu->probes];
            return;
        }
    }
}

#define OPS(name)                                                                               \
    {                                                                                           \
        .name_z = (name), .family = CPU_FAMILY_MIPS, .state_bytes = sizeof(struct mips_state),  \
        .store_new = store_new, .store_free = store_free, .new = new_cpu, .free = free_cpu,     \
        .set_space = set_space, .run = mips_run, .save = save, .load = load, .start = start,    \
        .pc = pc, .set_pc = set_pc, .sp = sp, .set_sp = set_sp, .tls = tls, .set_tls = set_tls, \
        .call = call, .set_result = set_result, .call_again = call_again,                       \
        .set_second = set_second, .probe_add = probe_add, .probe_clear = probe_clear,           \
    }

const struct cpu_ops mips_be_ops = OPS("mips");
const struct cpu_ops mips_le_ops = OPS("mipsel");
