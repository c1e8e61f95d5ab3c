/* The way to memory when the translation cache does not know the page, and to the next block. */
#include "cpu/mips_internal.h"

#include <errno.h>

#define USER_END 0x80000000u /* the kernel's half begins */

/* Linux gives SIGBUS also for an address of the kernel's half: to the processor it is as one that is
 * not aligned. */
static int stop_of(struct mips *cpu, int rc, uint32_t addr, enum cpu_access access)
{
    if (rc == -ENOMEM)
        return CPU_STOP_NOMEM;
    if (addr >= USER_END)
        return mips_misaligned(cpu, addr, access);
    cpu->trap = (struct cpu_trap){addr, access, rc == -EACCES};
    return CPU_STOP_PAGE;
}

int mips_misaligned(struct mips *cpu, uint32_t addr, enum cpu_access access)
{
    cpu->trap = (struct cpu_trap){addr, access, false};
    return CPU_STOP_ALIGN;
}

static int translate(struct mips *cpu, uint32_t addr, unsigned n, enum cpu_access access,
                     uint8_t **host)
{
    int rc = -EFAULT;
    if (addr < USER_END)
        rc = cpu_space_translate(cpu->space, addr, n, access, host);
    return rc ? stop_of(cpu, rc, addr, access) : 0;
}

void mips_forget_jumps(struct mips *cpu)
{
    cpu->stamp = cpu_store_new_stamp(cpu->store);
    cpu->store_epoch = cpu_store_epoch(cpu->store);
    cpu->exec_epoch = cpu_space_exec_epoch(cpu->space);
}

/* Takes a new stamp when code or mappings have changed. True when the block being executed is void. */
static bool code_has_changed(struct mips *cpu)
{
    bool moved = cpu->exec_epoch != cpu_space_exec_epoch(cpu->space);
    if (!moved && cpu->store_epoch == cpu_store_epoch(cpu->store))
        return false;
    mips_forget_jumps(cpu);
    const struct cpu_block *block = cpu->block;
    /* One step alone, not kept, is looked up anew after itself: it may go on. */
    if (!block || (!block->page && cpu->alone))
        return false;
    return moved || !block->page || cpu_block_is_dead(block);
}

/* Where `n` bytes are: up to the page's end, and the rest. */
struct place {
    uint8_t *host, *rest;
    unsigned first;
};

static int open_place(struct mips *cpu, uint32_t addr, unsigned n, enum cpu_access access,
                      struct place *p)
{
    unsigned room = CPU_PAGE_BYTES - addr % CPU_PAGE_BYTES;
    *p = (struct place){.first = n < room ? n : room};
    int stop = translate(cpu, addr, p->first, access, &p->host);
    if (stop == 0 && p->first < n)
        stop = translate(cpu, addr + p->first, n - p->first, access, &p->rest);
    return stop;
}

int mips_load_slow(struct mips *cpu, uint32_t addr, void *out, unsigned n)
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

int mips_store_slow(struct mips *cpu, uint32_t addr, const void *bytes, unsigned n)
{
    struct place p;
    int stop = open_place(cpu, addr, n, CPU_WRITE, &p);
    if (stop == 0 && code_has_changed(cpu))
        stop = MIPS_RETRY;
    if (stop)
        return stop;
    memcpy(p.host, bytes, p.first);
    if (p.rest)
        memcpy(p.rest, (const uint8_t *)bytes + p.first, n - p.first);
    return 0;
}

/* A branch that ends its page: its slot is on the next one. Decoded each time, for the two pages may
 * change apart. */
static int decode_crossing(struct mips *cpu, uint32_t pc, const uint8_t *tail)
{
    uint8_t bytes[8];
    struct cpu_code_page page;
    int rc = pc + 4 < USER_END ? cpu_space_code_page(cpu->space, pc + 4, &page) : -EFAULT;
    if (rc)
        return stop_of(cpu, rc, pc + 4, CPU_EXEC);
    memcpy(bytes, tail, 4);
    memcpy(bytes + 4, page.host, 4);
    cpu_store_decode(cpu->store, bytes, sizeof(bytes), pc % CPU_PAGE_BYTES, 1, cpu->order);
    return 0;
}

/* Decodes up to `limit` instructions at `pc` for one pass. */
static int decode_scratch(struct mips *cpu, uint32_t pc, const struct cpu_code_page *page,
                          unsigned limit)
{
    unsigned offset = pc % CPU_PAGE_BYTES;
    const uint8_t *bytes = page->host + offset;
    cpu->alone = limit == 1;
    if (cpu_store_decode(cpu->store, bytes, CPU_PAGE_BYTES - offset, offset, limit, cpu->order) ==
        0)
        return 0;
    cpu->alone = true;
    return decode_crossing(cpu, pc, bytes);
}

static bool page_has_probe(const struct mips *cpu, uint32_t pc)
{
    for (unsigned i = 0; i < cpu->probes; i++)
        if (cpu->probe[i] / CPU_PAGE_BYTES == pc / CPU_PAGE_BYTES)
            return true;
    return false;
}

static bool is_probe(const struct mips *cpu, uint32_t pc)
{
    for (unsigned i = 0; i < cpu->probes; i++)
        if (cpu->probe[i] == pc)
            return true;
    return false;
}

/* Whether to stop here: not when the last run did. */
static bool stops_at_probe(struct mips *cpu, uint32_t pc)
{
    bool passes = cpu->probe_is_passed && cpu->probe_passed == pc && !cpu->block;
    cpu->probe_is_passed = is_probe(cpu, pc);
    cpu->probe_passed = pc;
    return cpu->probe_is_passed && !passes;
}

/* In a page with a probe every step is looked up alone. */
static int find_with_probes(struct mips *cpu, uint32_t pc, const struct cpu_code_page *page,
                            bool stop)
{
    if (stop && stops_at_probe(cpu, pc))
        return CPU_STOP_PROBE;
    return decode_scratch(cpu, pc, page, 1);
}

int mips_find_block(struct mips *cpu, uint32_t pc, unsigned limit, bool keep,
                    struct cpu_block **block)
{
    struct cpu_code_page page;
    code_has_changed(cpu);
    cpu_store_sweep(cpu->store);
    if (pc % 4)
        return mips_misaligned(cpu, pc, CPU_EXEC);
    int rc = pc < USER_END ? cpu_space_code_page(cpu->space, pc, &page) : -EFAULT;
    if (rc)
        return stop_of(cpu, rc, pc, CPU_EXEC);
    /* Also for a scratch block the kept one is wanted: with it, the page's changes are noticed. */
    struct cpu_block *kept = NULL;
    if (keep)
        kept = cpu_store_find(cpu->store, &page, pc % CPU_PAGE_BYTES, cpu->order);
    if (!kept)
        limit = 1;
    if (cpu->store_epoch != cpu_store_epoch(cpu->store))
        mips_forget_jumps(cpu);
    *block = cpu_store_scratch(cpu->store);
    if (page_has_probe(cpu, pc))
        return find_with_probes(cpu, pc, &page, keep);
    if (!kept || kept->count > limit)
        return decode_scratch(cpu, pc, &page, limit);
    cpu->alone = false;
    cpu_store_jumps(cpu->store)[cpu_jump_slot(pc)] = (struct cpu_jump){pc ^ cpu->stamp, kept};
    *block = kept;
    return 0;
}
