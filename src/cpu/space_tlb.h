/* The space as the interpreters see it: translations, and the code decoded from its pages.
 * For src/cpu alone.
 *
 * The translation cache says which host bytes stand behind a page that may be read or written
 * without asking. Direct-mapped, a table each for reads and writes; the space fills it when asked
 * for a translation and clears it when a mapping changes. A page that code was decoded from is
 * never in the write table: so every write to it comes by cpu_space_translate. */
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

/* Good until the space rests (cpu_space_rest); NULL: out of memory. */
struct cpu_tlb *cpu_space_tlb(struct cpu_space *space);

/* The host bytes of [addr, addr + n) when they lie in one page that the table knows, else NULL.
 * `n` is 1 to CPU_PAGE_BYTES. */
static inline uint8_t *cpu_tlb_find(const struct cpu_tlb_entry *table, uint64_t addr, unsigned n)
{
    const struct cpu_tlb_entry *e = &table[(addr / CPU_PAGE_BYTES) % CPU_TLB_ENTRIES];
    uint64_t offset = addr ^ e->page; /* below CPU_PAGE_BYTES only when the page is the same */
    return __builtin_expect(offset <= CPU_PAGE_BYTES - n, 1) ? e->host + offset : NULL;
}

/* The host byte of `addr`, good for `n` bytes up to the end of its page at most, for the one kind
 * of access. 0; -EFAULT (not mapped); -EACCES (the protection forbids it); -ENOMEM (a copy was
 * wanted and the pool is used up). A write drops code decoded from the bytes. */
int cpu_space_translate(struct cpu_space *space, uint64_t addr, unsigned n, unsigned access,
                        uint8_t **host);

/* Decoded code that stands on a frame; the code cache's record begins with one. */
struct cpu_code_hook {
    void (*drop)(struct cpu_code_hook *hook); /* the bytes change or go: forget the code */
    uint64_t granules;                        /* a bit for each 64 bytes that code came from */
};

/* A place to keep a hook while code is decoded from the page of `addr`. */
struct cpu_code_page {
    const uint8_t *host;        /* the page's first byte */
    struct cpu_pool *pool;      /* whose frame it is, or NULL: bytes that never change */
    uint32_t frame;             /* number in the pool */
    struct cpu_code_hook *hook; /* the frame's hook so far */
};

/* The page that the instructions at `addr` come from. 0, -EFAULT, -EACCES. */
int cpu_space_code_page(struct cpu_space *space, uint64_t addr, struct cpu_code_page *out);
/* Sets the frame's hook (NULL: none any more). With a hook, all writes are slow from now on. How many
 * translation caches had to be looked through for that. */
unsigned cpu_pool_set_code(struct cpu_pool *pool, uint32_t frame, struct cpu_code_hook *hook);

/* Grows when a page that may be executed is changed for another, so that what was found by an
 * address of the guest must be found again. */
uint64_t cpu_space_exec_epoch(const struct cpu_space *space);

#endif
