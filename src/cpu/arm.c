/* The ARM processor behind cpu.h's table. */
#include "cpu/arm_internal.h"
#include "cpu/arm_run.h"

#include <errno.h>
#include <stdlib.h>

enum { NUMBER_REG = 7 }; /* of a system call */

#define NO_END UINT64_MAX /* what the program may not have is not mapped */

static const struct arm *of(const struct cpu *cpu)
{
    return (const struct arm *)cpu;
}

struct arm_state *arm_state(struct cpu *cpu)
{
    return &((struct arm *)cpu)->state;
}

static void *store_new(size_t max_bytes)
{
    return arm_store_new(max_bytes);
}

static struct cpu *new_cpu(const struct cpu_ops *ops, void *store, struct cpu_space *space)
{
    struct arm *cpu = calloc(1, sizeof(*cpu));
    if (!cpu)
        return NULL;
    cpu->state.cpsr = ARM_CPSR_USER;
    cpu_core_init(&cpu->core, ops, store, space, NO_END);
    return &cpu->core.base;
}

static void save(const struct cpu *cpu, void *out)
{
    memcpy(out, &of(cpu)->state, sizeof(struct arm_state));
}

static int load(struct cpu *cpu, const void *in)
{
    struct arm_state s;
    memcpy(&s, in, sizeof(s));
    bool thumb = s.cpsr & ARM_CPSR_T;
    bool watches =
        s.ex_bytes == 0 || s.ex_bytes == 1 || s.ex_bytes == 2 || s.ex_bytes == 4 || s.ex_bytes == 8;
    if ((s.cpsr & ~ARM_CPSR_VALID) || !(s.cpsr & ARM_CPSR_USER) || (s.fpscr & ~ARM_FPSCR_VALID) ||
        (s.reg[ARM_PC] & 1) || (!thumb && (s.cpsr & ARM_CPSR_IT)) || s.call_it > UINT8_MAX ||
        !watches)
        return -EINVAL;
    *arm_state(cpu) = s;
    return 0;
}

/* The lowest bit of an address says Thumb. */
static void set_pc(struct cpu *cpu, uint64_t value)
{
    struct arm_state *s = arm_state(cpu);
    s->reg[ARM_PC] = (uint32_t)value & ~1u;
    s->cpsr &= ~(ARM_CPSR_IT | ARM_CPSR_T);
    s->cpsr |= value & 1 ? ARM_CPSR_T : 0;
}

static void start(struct cpu *cpu, uint64_t pc, uint64_t sp)
{
    struct arm_state *s = arm_state(cpu);
    *s = (struct arm_state){.cpsr = ARM_CPSR_USER};
    s->reg[ARM_SP] = (uint32_t)sp;
    set_pc(cpu, pc);
}

static uint64_t pc(const struct cpu *cpu)
{
    return of(cpu)->state.reg[ARM_PC];
}

static uint64_t sp(const struct cpu *cpu)
{
    return of(cpu)->state.reg[ARM_SP];
}

static void set_sp(struct cpu *cpu, uint64_t value)
{
    arm_state(cpu)->reg[ARM_SP] = (uint32_t)value;
}

static uint64_t tls(const struct cpu *cpu)
{
    return of(cpu)->state.tls;
}

static void set_tls(struct cpu *cpu, uint64_t value)
{
    arm_state(cpu)->tls = (uint32_t)value;
}

static void call(const struct cpu *cpu, struct cpu_call *out)
{
    const uint32_t *reg = of(cpu)->state.reg;
    *out = (struct cpu_call){.number = reg[NUMBER_REG]};
    for (unsigned i = 0; i < CPU_CALL_ARGS; i++)
        out->arg[i] = reg[i];
}

static void set_result(struct cpu *cpu, int64_t result)
{
    arm_state(cpu)->reg[0] = (uint32_t)result;
}

static void call_again(struct cpu *cpu, uint64_t number)
{
    struct arm_state *s = arm_state(cpu);
    s->reg[ARM_PC] -= s->cpsr & ARM_CPSR_T ? 2 : 4;
    s->cpsr &= ~ARM_CPSR_IT;
    s->cpsr |= (s->call_it & 0xfc) << 8 | (s->call_it & 3) << 25;
    s->reg[NUMBER_REG] = (uint32_t)number;
}

const struct cpu_ops arm_ops = {
    .name_z = "arm",
    .family = CPU_FAMILY_ARM,
    .state_bytes = sizeof(struct arm_state),
    .store_new = store_new,
    .store_free = cpu_core_store_free,
    .new = new_cpu,
    .free = cpu_core_free,
    .set_space = cpu_core_set_space,
    .run = arm_run,
    .save = save,
    .load = load,
    .start = start,
    .pc = pc,
    .set_pc = set_pc,
    .sp = sp,
    .set_sp = set_sp,
    .tls = tls,
    .set_tls = set_tls,
    .call = call,
    .set_result = set_result,
    .call_again = call_again,
    .probe_add = cpu_core_probe_add,
    .probe_clear = cpu_core_probe_clear,
};
