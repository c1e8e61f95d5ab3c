/* The MIPS processors behind cpu.h's table. */
#include "cpu/mips_internal.h"
#include "cpu/mips_run.h"

#include <errno.h>
#include <stdlib.h>

enum { INSN_BYTES = 4, ERRNO_MAX = 4095 };

/* The kernel's half begins: Linux gives SIGBUS for its addresses, as for those not aligned. */
#define USER_END UINT64_C(0x80000000)

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

static struct cpu *new_cpu(const struct cpu_ops *ops, void *store, struct cpu_space *space)
{
    struct mips *cpu = calloc(1, sizeof(*cpu));
    if (!cpu)
        return NULL;
    cpu->order = ops == &mips_be_ops ? MIPS_BIG : MIPS_LITTLE;
    cpu_core_init(&cpu->core, ops, store, space, USER_END);
    return &cpu->core.base;
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

#define OPS(name)                                                                              \
    {                                                                                          \
        .name_z = (name), .family = CPU_FAMILY_MIPS, .state_bytes = sizeof(struct mips_state), \
        .store_new = store_new, .store_free = cpu_core_store_free, .new = new_cpu,             \
        .free = cpu_core_free, .set_space = cpu_core_set_space, .run = mips_run, .save = save, \
        .load = load, .start = start, .pc = pc, .set_pc = set_pc, .sp = sp, .set_sp = set_sp,  \
        .tls = tls, .set_tls = set_tls, .call = call, .set_result = set_result,                \
        .call_again = call_again, .set_second = set_second, .probe_add = cpu_core_probe_add,   \
        .probe_clear = cpu_core_probe_clear,                                                   \
    }

const struct cpu_ops mips_be_ops = OPS("mips");
const struct cpu_ops mips_le_ops = OPS("mipsel");
