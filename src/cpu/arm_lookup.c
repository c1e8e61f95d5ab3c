/* The way to the next block. */
#include "cpu/arm_internal.h"

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
    int stop = cpu_core_code_page(&cpu->core, l->addr + 2, &next);
    if (stop)
        return stop;
    memcpy(bytes, l->page.host + CPU_PAGE_BYTES - 2, 2);
    memcpy(bytes + 2, next.host, 2);
    cpu_store_decode(cpu->core.store, bytes, sizeof(bytes), l->addr % CPU_PAGE_BYTES, 1, l->mode);
    return 0;
}

/* Decodes up to `limit` instructions for one pass. */
static int decode_scratch(struct arm *cpu, const struct lookup *l, unsigned limit)
{
    unsigned offset = l->addr % CPU_PAGE_BYTES;
    cpu->core.alone = limit == 1;
    if (cpu_store_decode(cpu->core.store, l->page.host + offset, CPU_PAGE_BYTES - offset, offset,
                         limit, l->mode) == 0)
        return 0;
    cpu->core.alone = true;
    return decode_crossing(cpu, l);
}

static int find_page(struct arm *cpu, uint32_t pc, struct lookup *l)
{
    bool thumb = pc & 1;
    *l = (struct lookup){.addr = pc & ~1u, .mode = thumb | cpu->r[ARM_R_IT] << ARM_MODE_IT_AT};
    if (!thumb && pc & 2)
        return cpu_core_misaligned(&cpu->core, pc, CPU_EXEC);
    return cpu_core_code_page(&cpu->core, l->addr, &l->page);
}

static int find_scratch(struct arm *cpu, const struct lookup *l, unsigned limit,
                        struct cpu_block **block)
{
    *block = cpu_store_scratch(cpu->core.store);
    int stop = decode_scratch(cpu, l, limit);
    if (stop == 0)
        cpu->r[ARM_R_IT] = 0; /* it is in the block now */
    return stop;
}

int arm_find_block(struct arm *cpu, uint32_t pc, unsigned limit, bool keep,
                   struct cpu_block **block)
{
    struct lookup l;
    cpu_core_code_has_changed(&cpu->core);
    cpu_store_sweep(cpu->core.store);
    int stop = find_page(cpu, pc, &l);
    if (stop)
        return stop;
    /* Also for a scratch block the kept one is wanted: with it, the page's changes are noticed. */
    struct cpu_block *kept = NULL;
    if (keep)
        kept =
            cpu_store_find(cpu->core.store, &l.page, l.addr % CPU_PAGE_BYTES, l.mode % CPU_MODES);
    if (!kept)
        limit = 1;
    if (cpu->core.store_epoch != cpu_store_epoch(cpu->core.store))
        cpu_core_forget_jumps(&cpu->core);
    /* In a page with a probe every instruction is looked up alone. */
    if (cpu_probes_in_page(&cpu->core.probes, l.addr)) {
        if (keep && cpu_core_stops_at_probe(&cpu->core, l.addr))
            return CPU_STOP_PROBE;
        return find_scratch(cpu, &l, 1, block);
    }
    if (!kept || kept->count > limit || l.mode >= CPU_MODES)
        return find_scratch(cpu, &l, limit, block);
    cpu_core_keep_jump(&cpu->core, pc, kept);
    *block = kept;
    return 0;
}
