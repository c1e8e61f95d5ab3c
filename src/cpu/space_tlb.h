/* The space's translation cache, for the interpreters alone: which host bytes stand behind a page
 * that may be read or written without asking. Direct-mapped, a table each for reads and writes.
 * The space fills it when asked for a translation and clears it when a mapping changes. */
#ifndef CPU_SPACE_TLB_H
#define CPU_SPACE_TLB_H

#include "cpu/space.h"

#include <string.h>

enum { CPU_TLB_ENTRIES = 256 };

struct cpu_tlb_entry {
    uint64_t page; /* the page's address; an address of another set when the entry is empty */
    uint8_t *host; /* its first byte */
};

struct cpu_tlb {
    struct cpu_tlb_entry read[CPU_TLB_ENTRIES];
    struct cpu_tlb_entry write[CPU_TLB_ENTRIES];
};

/* Lives as long as the space. */
struct cpu_tlb *cpu_space_tlb(struct cpu_space *space);

/* The host bytes of [addr, addr + n) when they lie in one page that the table knows, else NULL.
 * `n` is 1 to CPU_PAGE_BYTES. */
static inline uint8_t *cpu_tlb_find(const struct cpu_tlb_entry *table, uint64_t addr, unsigned n)
{
    const struct cpu_tlb_entry *e = &table[(addr / CPU_PAGE_BYTES) % CPU_TLB_ENTRIES];
    uint64_t offset = addr ^ e->page; /* below CPU_PAGE_BYTES only when the page is the same */
    return __builtin_expect(offset <= CPU_PAGE_BYTES - n, 1) ? e->host + offset : NULL;
}

#endif
