#include "cpu/x86_flags.h"
#include "cpu/x86_lookup.h"

#include <errno.h>
#include <stdlib.h>

struct x86 *x86_new(struct cpu_store *store, struct cpu_space *space)
{
    struct x86 *cpu = calloc(1, sizeof(*cpu));
    if (!cpu)
        return NULL;
    cpu->store = store;
    cpu->base.ops = &x86_64_ops;
    cpu->mask = UINT64_MAX;
    cpu->state.rflags = X86_ALWAYS;
    x86_fpu_reset(&cpu->state);
    x86_set_space(cpu, space);
    return cpu;
}

void x86_free(struct x86 *cpu)
{
    free(cpu);
}

struct x86_state *x86_state(struct x86 *cpu)
{
    return &cpu->state;
}

void x86_set_space(struct x86 *cpu, struct cpu_space *space)
{
    cpu->space = space;
    x86_forget_jumps(cpu);
}

int x86_probe_add(struct x86 *cpu, uint64_t addr)
{
    int added = cpu_probes_add(&cpu->probes, addr);
    if (added > 0)
        x86_forget_jumps(cpu); /* its page is from now on executed with care */
    return added < 0 ? added : 0;
}

void x86_probe_clear(struct x86 *cpu, uint64_t addr)
{
    cpu_probes_clear(&cpu->probes, addr);
}
