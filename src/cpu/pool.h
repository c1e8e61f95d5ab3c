/* The frames behind a machine's pages: 4 KiB each, counted, with a maximum. Page tables are charged
 * to the same maximum, so that a guest cannot grow us by odd mappings. For src/cpu alone. */
#ifndef CPU_POOL_H
#define CPU_POOL_H

#include "cpu/space_tlb.h"

struct cpu_frame {
    uint8_t *data; /* NULL: packed, or free */
    union {
        struct cpu_code_hook *code; /* decoded code stands on these bytes; NULL: none */
        struct cpu_pack *pack;      /* without data: what they can be made of (pack.h); owned */
    };
    uint32_t refs; /* page table entries that name it; 0: free */
    uint32_t next_free;
};

struct cpu_pool {
    struct cpu_frame *frames; /* [0] is never used: frame number 0 means none */
    uint32_t count;           /* entries of `frames` ever used, [0] included */
    uint32_t cap;
    uint32_t first_free;
    size_t used;        /* live frames */
    size_t table_bytes; /* of page tables and directories */
    size_t max;         /* frames, tables included */
    struct cpu_space *spaces;
};

/* A frame with one reference and undefined contents. Its number, or 0 when the pool is used up. */
uint32_t cpu_pool_take(struct cpu_pool *pool);
void cpu_frame_ref(struct cpu_pool *pool, uint32_t frame);
/* Gives a reference back; the last one frees the frame and drops the code decoded from it. */
void cpu_frame_unref(struct cpu_pool *pool, uint32_t frame);

/* Charges bytes of tables to the pool. False: the maximum is reached, nothing is charged. */
bool cpu_pool_charge(struct cpu_pool *pool, size_t bytes);
void cpu_pool_uncharge(struct cpu_pool *pool, size_t bytes);

#endif
