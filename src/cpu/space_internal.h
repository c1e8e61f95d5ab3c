/* What the files of the space share: its members, and the parts of an address. */
#ifndef CPU_SPACE_INTERNAL_H
#define CPU_SPACE_INTERNAL_H

#include "cpu/table.h"

#define CPU_LEAF_BYTES ((uint64_t)CPU_LEAF_PAGES * CPU_PAGE_BYTES)

enum { CPU_ANY_ACCESS = CPU_READ | CPU_WRITE | CPU_EXEC };

struct cpu_space {
    struct cpu_tlb *tlb; /* owned; NULL: empty, nobody has run here of late */
    struct cpu_table table;
    struct cpu_pool *pool;
    uint64_t exec_epoch;
    struct cpu_maker *maker;  /* of entries with CPU_TO_MAKE; held; NULL: there are none */
    cpu_space_fetch_fn fetch; /* of entries with CPU_TO_FETCH or CPU_CLEAN; NULL: there are none */
    void *pager;
    bool has_shared;               /* something was mapped CPU_SHARED */
    struct cpu_space *next, *prev; /* in the pool's list */
};

/* Before its table is used. 0 or -ENOMEM. */
static inline int cpu_space_wake(struct cpu_space *space)
{
    return space->table.runs ? cpu_table_wake(&space->table) : 0;
}

static inline uint64_t cpu_leaf_number(uint64_t addr)
{
    return addr / CPU_LEAF_BYTES;
}

static inline unsigned cpu_leaf_index(uint64_t addr)
{
    return (unsigned)(addr / CPU_PAGE_BYTES % CPU_LEAF_PAGES);
}

/* space_access.c */
void cpu_tlb_clear(struct cpu_tlb_entry *table);
/* Of one page, in both of the space's tables. */
void cpu_space_forget_page(struct cpu_space *space, uint64_t page);
/* Gives the entry a frame of its own with the same bytes. The leaf must be owned. 0, -ENOMEM. */
int cpu_space_give_frame(struct cpu_space *space, struct cpu_leaf *leaf, unsigned index);

#endif
