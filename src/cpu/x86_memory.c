/* The way to memory when the translation cache does not know the page, and to the next block. */
#include "cpu/x86_internal.h"
#include "cpu/x86_lookup.h"

#include <errno.h>

static bool is_canonical(uint64_t addr)
{
    int64_t high = (int64_t)addr >> 47;
    return high == 0 || high == -1;
}

static int stop_of(struct x86 *cpu, int rc, uint64_t addr, enum cpu_access access)
{
    if (rc == -ENOMEM)
        return CPU_STOP_NOMEM;
    if (!is_canonical(addr))
        return CPU_STOP_PROTECT;
    cpu->trap = (struct cpu_trap){addr, access, rc == -EACCES};
    return CPU_STOP_PAGE;
}

void x86_forget_jumps(struct x86 *cpu)
{
    cpu->stamp = cpu_store_new_stamp(cpu->store);
    cpu->store_epoch = cpu_store_epoch(cpu->store);
    cpu->exec_epoch = cpu_space_exec_epoch(cpu->space);
}

/* Takes a new stamp when code or mappings have changed. True when the block being executed is void. */
static bool code_has_changed(struct x86 *cpu)
{
    bool moved = cpu->exec_epoch != cpu_space_exec_epoch(cpu->space);
    if (!moved && cpu->store_epoch == cpu_store_epoch(cpu->store))
        return false;
    x86_forget_jumps(cpu);
    const struct cpu_block *block = cpu->block;
    /* One instruction alone, not kept, is looked up anew after itself: it may go on. */
    if (!block || (!block->page && block->count == 1))
        return false;
    return moved || !block->page || cpu_block_is_dead(block);
}

static enum x86_mode mode_of(const struct x86 *cpu)
{
    return x86_is_32(cpu) ? X86_MODE_32 : X86_MODE_64;
}

/* How many of `n` bytes at `addr` stand in its page. */
static unsigned in_page(uint64_t addr, unsigned n)
{
    unsigned room = CPU_PAGE_BYTES - (unsigned)(addr % CPU_PAGE_BYTES);
    return n < room ? n : room;
}

/* The segments of 32-bit code end with their last byte: nothing lies across it. */
static bool is_past_end(const struct x86 *cpu, uint64_t addr, unsigned n)
{
    return x86_is_32(cpu) && addr + n - 1 > UINT32_MAX;
}

int x86_load_slow(struct x86 *cpu, uint64_t addr, void *out, unsigned n)
{
    addr &= cpu->mask;
    const uint8_t *known = cpu_tlb_find(cpu->tlb->read, addr, n);
    if (known) { /* it had only to be wrapped */
        memcpy(out, known, n);
        return 0;
    }
    if (is_past_end(cpu, addr, n))
        return CPU_STOP_PROTECT;
    unsigned first = in_page(addr, n);
    uint64_t next = addr + first;
    uint8_t *host, *rest;
    int rc = cpu_space_translate(cpu->space, addr, first, CPU_READ, &host);
    if (rc)
        return stop_of(cpu, rc, addr, CPU_READ);
    if (first < n) {
        rc = cpu_space_translate(cpu->space, next, n - first, CPU_READ, &rest);
        if (rc)
            return stop_of(cpu, rc, next, CPU_READ);
        memcpy((uint8_t *)out + first, rest, n - first);
    }
    memcpy(out, host, first);
    return 0;
}

/* Where `n` bytes are to be written: up to the page's end, and the rest. */
struct target {
    uint8_t *host, *rest;
    unsigned first;
};

static int open_target(struct x86 *cpu, uint64_t addr, unsigned n, struct target *t)
{
    addr &= cpu->mask;
    *t = (struct target){.first = in_page(addr, n), .host = cpu_tlb_find(cpu->tlb->write, addr, n)};
    if (t->host) { /* it had only to be wrapped; so it lies in one page */
        t->first = n;
        return 0;
    }
    if (is_past_end(cpu, addr, n))
        return CPU_STOP_PROTECT;
    int rc = cpu_space_translate(cpu->space, addr, t->first, CPU_WRITE, &t->host);
    if (rc)
        return stop_of(cpu, rc, addr, CPU_WRITE);
    uint64_t next = addr + t->first;
    if (t->first < n) {
        rc = cpu_space_translate(cpu->space, next, n - t->first, CPU_WRITE, &t->rest);
        if (rc)
            return stop_of(cpu, rc, next, CPU_WRITE);
    }
    return code_has_changed(cpu) ? X86_RETRY : 0;
}

int x86_store_slow(struct x86 *cpu, uint64_t addr, const void *bytes, unsigned n)
{
    struct target t;
    int rc = open_target(cpu, addr, n, &t);
    if (rc)
        return rc;
    memcpy(t.host, bytes, t.first);
    if (t.rest)
        memcpy(t.rest, (const uint8_t *)bytes + t.first, n - t.first);
    return 0;
}

int x86_load_to_modify_slow(struct x86 *cpu, uint64_t addr, void *out, unsigned n)
{
    struct target t;
    int rc = open_target(cpu, addr, n, &t);
    if (rc)
        return rc;
    memcpy(out, t.host, t.first);
    if (t.rest)
        memcpy((uint8_t *)out + t.first, t.rest, n - t.first);
    return 0;
}

/* The one instruction at `rip`, which goes over the end of its page: gathered and decoded each time,
 * for the two pages may change apart. */
static int decode_crossing(struct x86 *cpu, uint64_t rip, const uint8_t *tail)
{
    uint8_t bytes[2 * X86_INSN_BYTES_MAX];
    unsigned offset = (unsigned)(rip % CPU_PAGE_BYTES), first = CPU_PAGE_BYTES - offset;
    uint64_t next = (rip - offset + CPU_PAGE_BYTES) & cpu->mask;
    struct cpu_code_page page;
    memcpy(bytes, tail, first);
    int rc = cpu_space_code_page(cpu->space, next, &page);
    if (rc)
        return stop_of(cpu, rc, next, CPU_EXEC);
    memcpy(bytes + first, page.host, X86_INSN_BYTES_MAX);
    cpu_store_decode(cpu->store, bytes, first + X86_INSN_BYTES_MAX, offset, 1, mode_of(cpu));
    return 0;
}

/* Decodes up to `limit` instructions at `rip` for one pass. */
static int decode_scratch(struct x86 *cpu, uint64_t rip, const struct cpu_code_page *page,
                          unsigned limit)
{
    unsigned offset = (unsigned)(rip % CPU_PAGE_BYTES);
    const uint8_t *bytes = page->host + offset;
    if (cpu_store_decode(cpu->store, bytes, CPU_PAGE_BYTES - offset, offset, limit, mode_of(cpu)) ==
        0)
        return 0;
    return decode_crossing(cpu, rip, bytes);
}

/* How many instructions of the scratch block come before the next probe. */
static unsigned count_to_probe(const struct x86 *cpu, uint64_t page)
{
    const struct cpu_block *block = cpu_store_scratch(cpu->store);
    unsigned count = 0;
    for (unsigned i = 0; i < block->insns; i++) {
        const struct x86_insn *insn = &((const struct x86_block *)block)->insn[i];
        if (count > 0 && cpu_probes_have(&cpu->probes, page + insn->offset))
            return count;
        count += x86_insn_count(insn);
    }
    return block->count;
}

static int find_with_probes(struct x86 *cpu, uint64_t rip, const struct cpu_code_page *page,
                            unsigned limit, bool stop)
{
    if (stop && cpu_probes_stop(&cpu->probes, rip, cpu->block == NULL))
        return CPU_STOP_PROBE;
    int rc = decode_scratch(cpu, rip, page, limit);
    if (rc)
        return rc;
    unsigned count = count_to_probe(cpu, rip - rip % CPU_PAGE_BYTES);
    return count < cpu_store_scratch(cpu->store)->count ? decode_scratch(cpu, rip, page, count) : 0;
}

int x86_find_block(struct x86 *cpu, uint64_t rip, unsigned limit, bool keep,
                   struct cpu_block **block)
{
    struct cpu_code_page page;
    code_has_changed(cpu);
    cpu_store_sweep(cpu->store);
    int rc = is_canonical(rip) ? cpu_space_code_page(cpu->space, rip, &page) : -EFAULT;
    if (rc)
        return stop_of(cpu, rc, rip, CPU_EXEC);
    /* Also for a scratch block the kept one is wanted: with it, the page's changes are noticed. */
    struct cpu_block *kept = NULL;
    if (keep)
        kept = cpu_store_find(cpu->store, &page, (unsigned)(rip % CPU_PAGE_BYTES), mode_of(cpu));
    if (!kept)
        limit = 1;
    if (cpu->store_epoch != cpu_store_epoch(cpu->store))
        x86_forget_jumps(cpu);
    *block = cpu_store_scratch(cpu->store);
    if (cpu_probes_in_page(&cpu->probes, rip))
        return find_with_probes(cpu, rip, &page, limit, keep);
    if (!kept || kept->count > limit)
        return decode_scratch(cpu, rip, &page, limit);
    cpu_store_jumps(cpu->store)[cpu_jump_slot(rip)] = (struct cpu_jump){rip ^ cpu->stamp, kept};
    *block = kept;
    return 0;
}
