/* The x86-64 processor behind cpu.h's tables, in both modes. */
#include "cpu/x86_flags.h"
#include "cpu/x86_sse_host.h"

#include <errno.h>

enum { SYSCALL_BYTES = 2 };

static const struct x86 *of(const struct cpu *cpu)
{
    return (const struct x86 *)cpu;
}

struct x86 *x86_from_cpu(struct cpu *cpu)
{
    return (struct x86 *)cpu;
}

static void *store_new(size_t max_bytes)
{
    return x86_store_new(max_bytes);
}

static void store_free(void *store)
{
    cpu_store_free(store);
}

static struct cpu *new_cpu(const struct cpu_ops *ops, void *store, struct cpu_space *space)
{
    struct x86 *x = x86_new(store, space);
    if (!x)
        return NULL;
    x->base.ops = ops;
    return &x->base;
}

static void free_cpu(struct cpu *cpu)
{
    x86_free(x86_from_cpu(cpu));
}

static void set_space(struct cpu *cpu, struct cpu_space *space)
{
    x86_set_space(x86_from_cpu(cpu), space);
}

static enum cpu_stop run(struct cpu *cpu, uint64_t budget, uint64_t *used, struct cpu_trap *trap)
{
    return x86_run(x86_from_cpu(cpu), budget, used, trap);
}

static void save(const struct cpu *cpu, void *out)
{
    memcpy(out, &of(cpu)->state, sizeof(struct x86_state));
}

static int load(struct cpu *cpu, const void *in)
{
    struct x86_state s;
    memcpy(&s, in, sizeof(s));
    if (s.mxcsr & ~X86_MXCSR_VALID)
        return -EINVAL;
    x86_from_cpu(cpu)->state = s;
    return 0;
}

static void start(struct cpu *cpu, uint64_t pc, uint64_t sp)
{
    struct x86_state *s = &x86_from_cpu(cpu)->state;
    memset(s, 0, sizeof(*s));
    x86_fpu_reset(s);
    s->rflags = X86_ALWAYS;
    s->rip = pc;
    s->reg[X86_RSP] = sp;
}

static uint64_t pc(const struct cpu *cpu)
{
    return of(cpu)->state.rip;
}

static void set_pc(struct cpu *cpu, uint64_t value)
{
    x86_from_cpu(cpu)->state.rip = value;
}

static uint64_t sp(const struct cpu *cpu)
{
    return of(cpu)->state.reg[X86_RSP];
}

static void set_sp(struct cpu *cpu, uint64_t value)
{
    x86_from_cpu(cpu)->state.reg[X86_RSP] = value;
}

static uint64_t tls(const struct cpu *cpu)
{
    return of(cpu)->state.fs_base;
}

static void set_tls(struct cpu *cpu, uint64_t value)
{
    x86_from_cpu(cpu)->state.fs_base = value;
}

static void call(const struct cpu *cpu, struct cpu_call *out)
{
    const uint64_t *reg = of(cpu)->state.reg;
    *out = (struct cpu_call){
        .number = reg[X86_RAX],
        .arg = {reg[X86_RDI], reg[X86_RSI], reg[X86_RDX], reg[X86_R10], reg[X86_R8], reg[X86_R9]}};
}

void x86_call_32(const struct x86_state *s, struct cpu_call *out)
{
    static const enum x86_register order[] = {X86_RBX, X86_RCX, X86_RDX, X86_RSI, X86_RDI, X86_RBP};
    *out = (struct cpu_call){.number = (uint32_t)s->reg[X86_RAX]};
    for (unsigned i = 0; i < ARRAY_LEN(order); i++)
        out->arg[i] = (uint32_t)s->reg[order[i]];
}

static void set_result(struct cpu *cpu, int64_t result)
{
    x86_from_cpu(cpu)->state.reg[X86_RAX] = (uint64_t)result;
}

static void call_again(struct cpu *cpu, uint64_t number)
{
    x86_from_cpu(cpu)->state.rip -= SYSCALL_BYTES;
    x86_from_cpu(cpu)->state.reg[X86_RAX] = number;
}

static int probe_add(struct cpu *cpu, uint64_t addr)
{
    return x86_probe_add(x86_from_cpu(cpu), addr);
}

static void probe_clear(struct cpu *cpu, uint64_t addr)
{
    x86_probe_clear(x86_from_cpu(cpu), addr);
}

/* ---- The 32-bit mode ---- */

static struct cpu *new_cpu32(const struct cpu_ops *ops, void *store, struct cpu_space *space)
{
    struct cpu *cpu = new_cpu(ops, store, space);
    if (cpu)
        x86_from_cpu(cpu)->mask = UINT32_MAX;
    return cpu;
}

static int load32(struct cpu *cpu, const void *in)
{
    struct x86_state s;
    uint64_t upper = 0;
    memcpy(&s, in, sizeof(s));
    for (unsigned i = 0; i < ARRAY_LEN(s.reg); i++)
        upper |= s.reg[i];
    upper |= s.rip | s.fs_base | s.gs_base;
    return upper > UINT32_MAX ? -EINVAL : load(cpu, in);
}

static void start32(struct cpu *cpu, uint64_t entry, uint64_t stack)
{
    struct x86_state *s = &x86_from_cpu(cpu)->state;
    start(cpu, entry, stack);
    s->selector[X86_CS] = X86_SELECTOR_CODE32;
    s->selector[X86_DS] = s->selector[X86_ES] = s->selector[X86_SS] = X86_SELECTOR_DATA;
}

static uint64_t tls32(const struct cpu *cpu)
{
    return of(cpu)->state.gs_base;
}

/* The descriptor that gs names takes the base with it. */
static void set_tls32(struct cpu *cpu, uint64_t value)
{
    struct x86_state *s = &x86_from_cpu(cpu)->state;
    unsigned entry = (s->selector[X86_GS] >> 3) - (unsigned)X86_TLS_FIRST;
    if (entry < X86_TLS_ENTRIES)
        s->tls_base[entry] = (uint32_t)value;
    s->gs_base = (uint32_t)value;
}

static void call32(const struct cpu *cpu, struct cpu_call *out)
{
    x86_call_32(&of(cpu)->state, out);
}

static void set_result32(struct cpu *cpu, int64_t result)
{
    x86_from_cpu(cpu)->state.reg[X86_RAX] = (uint32_t)result;
}

static void set_pc32(struct cpu *cpu, uint64_t value)
{
    x86_from_cpu(cpu)->state.rip = (uint32_t)value;
}

static void set_sp32(struct cpu *cpu, uint64_t value)
{
    x86_from_cpu(cpu)->state.reg[X86_RSP] = (uint32_t)value;
}

const struct cpu_ops x86_64_ops = {
    .name_z = "x86-64",
    .family = CPU_FAMILY_X86,
    .state_bytes = sizeof(struct x86_state),
    .store_new = store_new,
    .store_free = store_free,
    .new = new_cpu,
    .free = free_cpu,
    .set_space = set_space,
    .run = run,
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
    .probe_add = probe_add,
    .probe_clear = probe_clear,
};

const struct cpu_ops x86_32_ops = {
    .name_z = "i386",
    .family = CPU_FAMILY_X86,
    .state_bytes = sizeof(struct x86_state),
    .store_new = store_new,
    .store_free = store_free,
    .new = new_cpu32,
    .free = free_cpu,
    .set_space = set_space,
    .run = run,
    .save = save,
    .load = load32,
    .start = start32,
    .pc = pc,
    .set_pc = set_pc32,
    .sp = sp,
    .set_sp = set_sp32,
    .tls = tls32,
    .set_tls = set_tls32,
    .call = call32,
    .set_result = set_result32,
    .call_again = call_again,
    .probe_add = probe_add,
    .probe_clear = probe_clear,
};
