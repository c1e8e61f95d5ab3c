/* A space's page table: a hash of leaves, each the entries of 64 pages (256 KiB). Leaves are shared
 * between clones until one of them changes an entry. For src/cpu alone. */
#ifndef CPU_TABLE_H
#define CPU_TABLE_H

#include "cpu/pool.h"

enum {
    CPU_LEAF_PAGES = 64,
    CPU_MAPPED = 16,          /* in cpu_entry.access beside enum cpu_access: there is a page */
    CPU_TO_MAKE = 32,         /* its contents are still to be made of those at `host` */
    CPU_LENT = 64,            /* the bytes at `host` are the maker's: they may go when it goes */
    CPU_PACKED = 128,         /* its frame was packed: `host` is not known */
    CPU_TO_FETCH = 256,       /* of somebody else's object: the pager knows its frame */
    CPU_CLEAN = 512,          /* the same, fetched: the pager is asked before the first write */
    CPU_LEAVES_MAX = 1 << 15, /* 8 GiB of addresses */
};

struct cpu_entry {
    uint8_t *host;  /* the page's bytes; NULL when nothing is mapped */
    uint32_t frame; /* of the pool; 0: the zero page or backing bytes, never written */
    uint32_t access;
};

struct cpu_leaf {
    uint32_t refs; /* tables that name it */
    struct cpu_entry entry[CPU_LEAF_PAGES];
};

struct cpu_slot {
    uint64_t number;       /* of the leaf: address / (CPU_LEAF_PAGES * CPU_PAGE_BYTES) */
    struct cpu_leaf *leaf; /* NULL: empty */
};

struct cpu_table {
    struct cpu_pool *pool;
    struct cpu_slot *slots; /* open addressing; a power of two, at most half full */
    size_t cap;
    size_t used;
    size_t shrunk;         /* slots that cpu_table_shrink has emptied */
    struct cpu_runs *runs; /* owned; NULL: not at rest. Else all above is empty */
};

void cpu_table_init(struct cpu_table *t, struct cpu_pool *pool);
void cpu_table_fini(struct cpu_table *t);
/* A part of cpu_table_fini, which must follow: drops at most so many leaves, and says how many pages
 * went with them. `*done` says that none is left. */
size_t cpu_table_shrink(struct cpu_table *t, size_t leaves, bool *done);
/* Makes `to` (initialised, empty) name the same leaves. 0 or -ENOMEM. */
int cpu_table_clone(struct cpu_table *to, const struct cpu_table *from);

/* Nobody will use it for a while: keeps it in a few bytes, if there is memory for them. Before
 * anything else but cpu_table_fini, it is to be woken: 0 or -ENOMEM. */
void cpu_table_rest(struct cpu_table *t);
int cpu_table_wake(struct cpu_table *t);
void cpu_table_fini_at_rest(struct cpu_table *t);

/* The leaf to look at, or NULL. */
struct cpu_leaf *cpu_table_find(const struct cpu_table *t, uint64_t number);
/* The leaf to change, this table's alone: copied when it was shared; made when there was none and
 * `create`. NULL: none, or no memory. */
struct cpu_leaf *cpu_table_own(struct cpu_table *t, uint64_t number, bool create);
/* Makes room for `more` leaves. 0 or -ENOMEM. */
int cpu_table_reserve(struct cpu_table *t, size_t more);
/* Puts a leaf (one reference is taken) in place of what is there. Room must have been reserved. */
void cpu_table_put(struct cpu_table *t, uint64_t number, struct cpu_leaf *leaf);
void cpu_table_remove(struct cpu_table *t, uint64_t number);

/* A leaf of nothing, with one reference; NULL: no memory. */
struct cpu_leaf *cpu_leaf_new(struct cpu_pool *pool);
void cpu_leaf_unref(struct cpu_pool *pool, struct cpu_leaf *leaf);
/* Sets an entry of a leaf that is owned; gives the old entry's frame back. */
void cpu_leaf_set(struct cpu_pool *pool, struct cpu_leaf *leaf, unsigned index,
                  struct cpu_entry entry);

#endif
