#include "cpu/core.h"

#include <errno.h>
#include <stdlib.h>

static struct cpu_core *of(struct cpu *cpu)
{
    return (struct cpu_core *)cpu;
}

void cpu_core_init(struct cpu_core *core, const struct cpu_ops *ops, struct cpu_store *store,
                   struct cpu_space *space, uint64_t user_end)
{
    core->base.ops = ops;
    core->store = store;
    core->user_end = user_end;
    cpu_core_set_space(&core->base, space);
}

void cpu_core_free(struct cpu *cpu)
{
    free(cpu);
}

void cpu_core_store_free(void *store)
{
    cpu_store_free(store);
}

void cpu_core_set_space(struct cpu *cpu, struct cpu_space *space)
{
    struct cpu_core *core = of(cpu);
    core->space = space;
    cpu_core_forget_jumps(core);
}

/* ---- Runs ---- */

void cpu_core_enter(struct cpu_core *core, uint32_t pc)
{
    core->block = NULL;
    if (pc != core->probes.passed)
        core->probes.is_passed = false;
    if (core->store_epoch != cpu_store_epoch(core->store) ||
        core->exec_epoch != cpu_space_exec_epoch(core->space))
        cpu_core_forget_jumps(core);
}

void cpu_core_leave(struct cpu_core *core, int stop)
{
    core->block = NULL;
    /* Not done is an instruction that faulted. */
    if (stop == CPU_STOP_BUDGET || stop == CPU_STOP_SYSCALL)
        core->probes.is_passed = false;
}

/* ---- Jumps ---- */

void cpu_core_forget_jumps(struct cpu_core *core)
{
    core->stamp = cpu_store_new_stamp(core->store);
    core->store_epoch = cpu_store_epoch(core->store);
    core->exec_epoch = cpu_space_exec_epoch(core->space);
}

bool cpu_core_code_has_changed(struct cpu_core *core)
{
    bool moved = core->exec_epoch != cpu_space_exec_epoch(core->space);
    if (!moved && core->store_epoch == cpu_store_epoch(core->store))
        return false;
    cpu_core_forget_jumps(core);
    const struct cpu_block *block = core->block;
    /* One instruction alone, not kept, is looked up anew after itself: it may go on. */
    if (!block || (!block->page && core->alone))
        return false;
    return moved || !block->page || cpu_block_is_dead(block);
}

void cpu_core_keep_jump(struct cpu_core *core, uint32_t pc, struct cpu_block *block)
{
    core->alone = false;
    cpu_store_jumps(core->store)[cpu_jump_slot(pc)] = (struct cpu_jump){pc ^ core->stamp, block};
}

/* ---- Memory ---- */

static int stop_of(struct cpu_core *core, int rc, uint32_t addr, enum cpu_access access)
{
    if (rc == -ENOMEM)
        return CPU_STOP_NOMEM;
    core->trap = (struct cpu_trap){addr, access, rc == -EACCES};
    return CPU_STOP_PAGE;
}

int cpu_core_code_page(struct cpu_core *core, uint32_t addr, struct cpu_code_page *page)
{
    if (addr >= core->user_end)
        return cpu_core_misaligned(core, addr, CPU_EXEC);
    int rc = cpu_space_code_page(core->space, addr, page);
    return rc ? stop_of(core, rc, addr, CPU_EXEC) : 0;
}

static int translate(struct cpu_core *core, uint32_t addr, unsigned n, enum cpu_access access,
                     uint8_t **host)
{
    if (addr >= core->user_end)
        return cpu_core_misaligned(core, addr, access);
    int rc = cpu_space_translate(core->space, addr, n, access, host);
    return rc ? stop_of(core, rc, addr, access) : 0;
}

/* Where `n` bytes are: up to the page's end, and the rest. */
struct place {
    uint8_t *host, *rest;
    unsigned first;
};

static int open_place(struct cpu_core *core, uint32_t addr, unsigned n, enum cpu_access access,
                      struct place *p)
{
    unsigned room = CPU_PAGE_BYTES - addr % CPU_PAGE_BYTES;
    *p = (struct place){.first = n < room ? n : room};
    int stop = translate(core, addr, p->first, access, &p->host);
    if (stop == 0 && p->first < n)
        stop = translate(core, addr + p->first, n - p->first, access, &p->rest);
    return stop;
}

int cpu_core_load_slow(struct cpu_core *core, uint32_t addr, void *out, unsigned n)
{
    struct place p;
    int stop = open_place(core, addr, n, CPU_READ, &p);
    if (stop)
        return stop;
    memcpy(out, p.host, p.first);
    if (p.rest)
        memcpy((uint8_t *)out + p.first, p.rest, n - p.first);
    return 0;
}

int cpu_core_store_slow(struct cpu_core *core, uint32_t addr, const void *bytes, unsigned n)
{
    struct place p;
    int stop = open_place(core, addr, n, CPU_WRITE, &p);
    if (stop == 0 && cpu_core_code_has_changed(core))
        stop = CPU_RETRY;
    if (stop)
        return stop;
    memcpy(p.host, bytes, p.first);
    if (p.rest)
        memcpy(p.rest, (const uint8_t *)bytes + p.first, n - p.first);
    return 0;
}

/* ---- Probes ---- */

int cpu_core_probe_add(struct cpu *cpu, uint64_t addr)
{
    struct cpu_core *core = of(cpu);
    int added = cpu_probes_add(&core->probes, addr);
    if (added > 0)
        cpu_core_forget_jumps(core); /* its page is from now on executed with care */
    return added < 0 ? added : 0;
}

void cpu_core_probe_clear(struct cpu *cpu, uint64_t addr)
{
    cpu_probes_clear(&of(cpu)->probes, addr);
}

bool cpu_core_stops_at_probe(struct cpu_core *core, uint32_t addr)
{
    return cpu_probes_stop(&core->probes, addr, core->block == NULL);
}
