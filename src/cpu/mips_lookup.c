/* The way to the next block. */
#include "cpu/mips_internal.h"

/* A branch that ends its page: its slot is on the next one. Decoded each time, for the two pages may
 * change apart. */
static int decode_crossing(struct mips *cpu, uint32_t pc, const uint8_t *tail)
{
    uint8_t bytes[8];
    struct cpu_code_page page;
    int stop = cpu_core_code_page(&cpu->core, pc + 4, &page);
    if (stop)
        return stop;
    memcpy(bytes, tail, 4);
    memcpy(bytes + 4, page.host, 4);
    cpu_store_decode(cpu->core.store, bytes, sizeof(bytes), pc % CPU_PAGE_BYTES, 1, cpu->order);
    return 0;
}

/* Decodes up to `limit` instructions at `pc` for one pass. */
static int decode_scratch(struct mips *cpu, uint32_t pc, const struct cpu_code_page *page,
                          unsigned limit)
{
    unsigned offset = pc % CPU_PAGE_BYTES;
    const uint8_t *bytes = page->host + offset;
    cpu->core.alone = limit == 1;
    if (cpu_store_decode(cpu->core.store, bytes, CPU_PAGE_BYTES - offset, offset, limit,
                         cpu->order) == 0)
        return 0;
    cpu->core.alone = true;
    return decode_crossing(cpu, pc, bytes);
}

/* In a page with a probe every step is looked up alone. */
static int find_with_probes(struct mips *cpu, uint32_t pc, const struct cpu_code_page *page,
                            bool stop)
{
    if (stop && cpu_core_stops_at_probe(&cpu->core, pc))
        return CPU_STOP_PROBE;
    return decode_scratch(cpu, pc, page, 1);
}

int mips_find_block(struct mips *cpu, uint32_t pc, unsigned limit, bool keep,
                    struct cpu_block **block)
{
    struct cpu_code_page page;
    cpu_core_code_has_changed(&cpu->core);
    cpu_store_sweep(cpu->core.store);
    if (pc % 4)
        return cpu_core_misaligned(&cpu->core, pc, CPU_EXEC);
    int stop = cpu_core_code_page(&cpu->core, pc, &page);
    if (stop)
        return stop;
    /* Also for a scratch block the kept one is wanted: with it, the page's changes are noticed. */
    struct cpu_block *kept = NULL;
    if (keep)
        kept = cpu_store_find(cpu->core.store, &page, pc % CPU_PAGE_BYTES, cpu->order);
    if (!kept)
        limit = 1;
    if (cpu->core.store_epoch != cpu_store_epoch(cpu->core.store))
        cpu_core_forget_jumps(&cpu->core);
    *block = cpu_store_scratch(cpu->core.store);
    if (cpu_probes_in_page(&cpu->core.probes, pc))
        return find_with_probes(cpu, pc, &page, keep);
    if (!kept || kept->count > limit)
        return decode_scratch(cpu, pc, &page, limit);
    cpu_core_keep_jump(&cpu->core, pc, kept);
    *block = kept;
    return 0;
}
