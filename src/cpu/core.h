/* What processors that run blocks of a cpu_store have in common: the way to memory, the jumps they
 * remember, probes. A kind's structure begins with a `struct cpu_core`. Addresses are of 32 bits.
 * For src/cpu alone. */
#ifndef CPU_CORE_H
#define CPU_CORE_H

#include "cpu/cpu.h"
#include "cpu/probes.h"
#include "cpu/store.h"

/* Beside the CPU_STOP_*: the store would have changed the code being executed, so nothing was
 * stored: to be done again with the instruction alone in its block. */
enum { CPU_RETRY = 64 };

struct cpu_core {
    struct cpu base;
    struct cpu_tlb *tlb;
    const struct cpu_block *block; /* being executed; NULL between runs */
    struct cpu_space *space;
    struct cpu_store *store;
    struct cpu_trap trap;
    uint64_t user_end; /* from here on an address is as one that is not aligned */
    bool alone;        /* the block holds one instruction (MIPS: step) alone, which was not kept */
    uint64_t stamp;    /* marks the jumps of this processor (cpu/store.h) */
    uint64_t store_epoch;
    uint64_t exec_epoch;
    struct cpu_probes probes;
};

/* Of a zeroed structure. */
void cpu_core_init(struct cpu_core *core, const struct cpu_ops *ops, struct cpu_store *store,
                   struct cpu_space *space, uint64_t user_end);

/* Rows of struct cpu_ops; the processor is its core's address. */
void cpu_core_free(struct cpu *cpu);
void cpu_core_store_free(void *store);
void cpu_core_set_space(struct cpu *cpu, struct cpu_space *space);
int cpu_core_probe_add(struct cpu *cpu, uint64_t addr);
void cpu_core_probe_clear(struct cpu *cpu, uint64_t addr);

/* Before a run, which begins at `pc`, and after it. */
void cpu_core_enter(struct cpu_core *core, uint32_t pc);
void cpu_core_leave(struct cpu_core *core, int stop);

/* Takes a new stamp: all jumps are looked up anew. */
void cpu_core_forget_jumps(struct cpu_core *core);
/* Takes a new stamp when code or mappings have changed. True when the block being executed is void. */
bool cpu_core_code_has_changed(struct cpu_core *core);
/* Remembers that `pc` leads to the block. */
void cpu_core_keep_jump(struct cpu_core *core, uint32_t pc, struct cpu_block *block);

/* Fills the trap; CPU_STOP_ALIGN. */
static inline int cpu_core_misaligned(struct cpu_core *core, uint32_t addr, enum cpu_access access)
{
    core->trap = (struct cpu_trap){addr, access, false};
    return CPU_STOP_ALIGN;
}
/* The page that code at `addr` comes from. 0 or CPU_STOP_*. */
int cpu_core_code_page(struct cpu_core *core, uint32_t addr, struct cpu_code_page *page);

/* Whether to stop here: not when the last run did. */
bool cpu_core_stops_at_probe(struct cpu_core *core, uint32_t addr);

/* The guest's memory, as bytes. 0, or the stop code to be returned at once. All or nothing, also
 * across pages; `n` is at most CPU_PAGE_BYTES. The slow ones are for what the translation cache
 * does not know. */
int cpu_core_load_slow(struct cpu_core *core, uint32_t addr, void *out, unsigned n);
int cpu_core_store_slow(struct cpu_core *core, uint32_t addr, const void *bytes, unsigned n);

static inline int cpu_core_load(struct cpu_core *core, uint32_t addr, void *out, unsigned n)
{
    const uint8_t *host = cpu_tlb_find(core->tlb->read, addr, n);
    if (!host)
        return cpu_core_load_slow(core, addr, out, n);
    memcpy(out, host, n);
    return 0;
}

static inline int cpu_core_store(struct cpu_core *core, uint32_t addr, const void *bytes,
                                 unsigned n)
{
    uint8_t *host = cpu_tlb_find(core->tlb->write, addr, n);
    if (!host)
        return cpu_core_store_slow(core, addr, bytes, n);
    memcpy(host, bytes, n);
    return 0;
}

#endif
