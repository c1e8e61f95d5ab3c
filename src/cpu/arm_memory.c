/* The way to memory when the translation cache does not know the page, and to the next block. */
#include "cpu/arm_internal.h"

#include <errno.h>

static int stop_of(struct arm *cpu, int rc, uint32_t addr, enum cpu_access access)
{
    if (rc == -ENOMEM)
        return CPU_STOP_NOMEM;
    cpu->trap = (struct cpu_trap){addr, access, rc == -EACCES};
    return CPU_STOP_PAGE;
}

int arm_misaligned(struct arm *cpu, uint32_t addr, enum cpu_access access)
{
    cpu->trap = (struct cpu_trap){addr, access, false};
    return CPU_STOP_ALIGN;
}

static int translate(struct arm *cpu, uint32_t addr, unsigned n, enum cpu_access access,
                     uint8_t **host)
{
    int rc = cpu_space_translate(cpu->space, addr, n, access, host);
    return rc ? stop_of(cpu, rc, addr, access) : 0;
}

void arm_forget_jumps(struct arm *cpu)
{
    cpu->stamp = cpu_store_new_stamp(cpu->store);
    cpu->store_epoch = cpu_store_epoch(cpu->store);
    cpu->exec_epoch = cpu_space_exec_epoch(cpu->space);
}

/* Takes a new stamp when code or mappings have changed. True when the block being executed is void. */
static bool code_has_changed(struct arm *cpu)
{
    bool moved = cpu->exec_epoch != cpu_space_exec_epoch(cpu->space);
    if (!moved && cpu->store_epoch == cpu_store_epoch(cpu->store))
        return false;
    arm_forget_jumps(cpu);
    const struct cpu_block *block = cpu->block;
    /* One instruction alone, not kept, is looked up anew after itself: it may go on. */
    if (!block || (!block->page && cpu->alone))
        return false;
    return moved || !block->page || cpu_block_is_dead(block);
}

/* Where `n` bytes are: up to the page's end, and the rest. */
struct place {
    uint8_t *host, *rest;
    unsigned first;
};

static int open_place(struct arm *cpu, uint32_t addr, unsigned n, enum cpu_access access,
                      struct place *p)
{
    unsigned room = CPU_PAGE_BYTES - addr % CPU_PAGE_BYTES;
    *p = (struct place){.first = n < room ? n : room};
    int stop = translate(cpu, addr, p->first, access, &p->host);
    if (stop == 0 && p->first < n)
        stop = translate(cpu, addr + p->first, n - p->first, access, &p->rest);
    return stop;
}

int arm_load_slow(struct arm *cpu, uint32_t addr, void *out, unsigned n)
{
    struct place p;
    int stop = open_place(cpu, addr, n, CPU_READ, &p);
    if (stop)
        return stop;
    memcpy(out, p.host, p.first);
    if (p.rest)
        memcpy((uint8_t *)out + p.first, p.rest, n - p.first);
    return 0;
}

int arm_store_slow(struct arm *cpu, uint32_t addr, const void *bytes, unsigned n)
{
    struct place p;
    int stop = open_place(cpu, addr, n, CPU_WRITE, &p);
    if (stop == 0 && code_has_changed(cpu))
        stop = ARM_RETRY;
    if (stop)
        return stop;
    memcpy(p.host, bytes, p.first);
    if (p.rest)
        memcpy(p.rest, (const uint8_t *)bytes + p.first, n - p.first);
    return 0;
}

/* --- blocks --- */

struct lookup {
    uint32_t addr; /* without the Thumb bit */
    unsigned mode; /* of the store, with ITSTATE */
    struct cpu_code_page page;
};

/* An instruction of Thumb on two pages. Decoded each time, for the two may change apart. */
static int decode_crossing(struct arm *cpu, const struct lookup *l)
{
    uint8_t bytes[4];
    struct cpu_code_page next;
    int rc = cpu_space_code_page(cpu->space, (uint32_t)(l->addr + 2), &next);
    if (rc)
        return stop_of(cpu, rc, l->addr + 2, CPU_EXEC);
    memcpy(bytes, l->page.host + CPU_PAGE_BYTES - 2, 2);
    memcpy(bytes + 2, next.host, 2);
    cpu_store_decode(cpu->store, bytes, sizeof(bytes), l->addr % CPU_PAGE_BYTES, 1, l->mode);
    return 0;
}

/* Decodes up to `limit` instructions for one pass. */
static int decode_scratch(struct arm *cpu, const struct lookup *l, unsigned limit)
{
    unsigned offset = l->addr % CPU_PAGE_BYTES;
    cpu->alone = limit == 1;
    if (cpu_store_decode(cpu->store, l->page.host + offset, CPU_PAGE_BYTES - offset, offset, limit,
                         l->mode) == 0)
        return 0;
    cpu->alone = true;
    return decode_crossing(cpu, l);
}

static bool page_has_probe(const struct arm *cpu, uint32_t addr)
{
    for (unsigned i = 0; i < cpu->probes; i++)
        if (cpu->probe[i] / CPU_PAGE_BYTES == addr / CPU_PAGE_BYTES)
            return true;
    return false;
}

static bool is_probe(const struct arm *cpu, uint32_t addr)
{
    for (unsigned i = 0; i < cpu->probes; i++)
        if (cpu->probe[i] == addr)
            return true;
    return false;
}

/* Whether to stop here: not when the last run did. */
static bool stops_at_probe(struct arm *cpu, uint32_t addr)
{
    bool passes = cpu->probe_is_passed && cpu->probe_passed == addr && !cpu->block;
    cpu->probe_is_passed = is_probe(cpu, addr);
    cpu->probe_passed = addr;
    return cpu->probe_is_passed && !passes;
}

static int find_page(struct arm *cpu, uint32_t pc, struct lookup *l)
{
    bool thumb = pc & 1;
    *l = (struct lookup){.addr = pc & ~1u, .mode = thumb | cpu->r[ARM_R_IT] << ARM_MODE_IT_AT};
    if (!thumb && pc & 2)
        return arm_misaligned(cpu, pc, CPU_EXEC);
    int rc = cpu_space_code_page(cpu->space, l->addr, &l->page);
    return rc ? stop_of(cpu, rc, l->addr, CPU_EXEC) : 0;
}

static int find_scratch(struct arm *cpu, const struct lookup *l, unsigned limit,
                        struct cpu_block **block)
{
    *block = cpu_store_scratch(cpu->store);
    int stop = decode_scratch(cpu, l, limit);
    if (stop == 0)
        cpu->r[ARM_R_IT] = 0; /* it is in the block now */
    return stop;
}

int arm_find_block(struct arm *cpu, uint32_t pc, unsigned limit, bool keep,
                   struct cpu_block **block)
{
    struct lookup l;
    code_has_changed(cpu);
    cpu_store_sweep(cpu->store);
    int stop = find_page(cpu, pc, &l);
    if (stop)
        return stop;
    /* Also for a scratch block the kept one is wanted: with it, the page's changes are noticed. */
    struct cpu_block *kept = NULL;
    if (keep)
        kept = cpu_store_find(cpu->store, &l.page, l.addr % CPU_PAGE_BYTES, l.mode % CPU_MODES);
    if (!kept)
        limit = 1;
    if (cpu->store_epoch != cpu_store_epoch(cpu->store))
        arm_forget_jumps(cpu);
    if (page_has_probe(cpu, l.addr)) { /* there every instruction is looked up alone */
        if (keep && stops_at_probe(cpu, l.addr))
            return CPU_STOP_PROBE;
        return find_scratch(cpu, &l, 1, block);
    }
    if (!kept || kept->count > limit || l.mode >= CPU_MODES)
        return find_scratch(cpu, &l, limit, block);
    cpu->alone = false;
    cpu_store_jumps(cpu->store)[cpu_jump_slot(pc)] = (struct cpu_jump){pc ^ cpu->stamp, kept};
    *block = kept;
    return 0;
}
