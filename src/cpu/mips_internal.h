/* What the files of the MIPS interpreter share. Not for other folders. */
#ifndef CPU_MIPS_INTERNAL_H
#define CPU_MIPS_INTERNAL_H

#include "cpu/mips.h"
#include "cpu/store.h"

struct mips;
struct mips_insn;

/* Executes one instruction. 0 when it is done; or, with nothing changed, the CPU_STOP_* it ends with
 * (cpu->trap filled), or MIPS_RETRY. */
typedef int (*mips_handler)(struct mips *cpu, const struct mips_insn *insn);

/* The store would have changed the code being executed, so nothing was stored: to be done again with
 * the instruction alone in its block. */
enum { MIPS_RETRY = 64 };

/* Modes of the store. */
enum mips_order { MIPS_LITTLE, MIPS_BIG };

/* Slots of mips.r behind the registers. */
enum {
    MIPS_R_TRASH = 32, /* where results for $zero go */
    MIPS_R_HI,
    MIPS_R_LO,
    MIPS_R_TEMP,  /* of a branch whose delay slot changes what it looks at: the first operand */
    MIPS_R_TEMP2, /* the second */
    MIPS_R_PAGE,  /* address of the page that the block stands in */
    MIPS_R_COUNT,
};

/* One entry of a block: an instruction, or a part of one. A branch stands behind the instruction of
 * its delay slot, except a likely one. */
struct mips_insn {
    union {
        mips_handler handler;   /* op MIPS_OP_HANDLER */
        struct cpu_block *link; /* jumps within the page: the block they lead to, when known */
    };
    uint32_t imm;  /* immediate, extended as the instruction wants it; a target, from the page */
    uint32_t word; /* handlers: the instruction itself */
    uint16_t op;   /* index into the main loop's table */
    uint8_t rs;    /* slots of mips.r */
    uint8_t rt;
    uint8_t rd;
    uint8_t sa;
    uint8_t pos;   /* instructions of the block before it; of a branch and its slot: before both */
    uint8_t flags; /* MIPS_INSN_* */
};

enum {
    MIPS_INSN_LINKS =
        1,              /* a branch that stands behind its slot and sets rd to the return address */
    MIPS_INSN_SLOT = 2, /* stands in a delay slot, before its branch's entry or behind it */
};

enum { MIPS_BLOCK_COUNT_MAX = 64 };

struct mips_block {
    struct cpu_block head;
    struct mips_insn insn[];
};

struct mips {
    struct cpu base;
    uint32_t r[MIPS_R_COUNT]; /* the registers while running; `state` has them in between */
    struct cpu_tlb *tlb;
    const struct cpu_block *block; /* being executed; NULL between runs */
    struct cpu_space *space;
    struct cpu_store *store;
    struct cpu_trap trap;
    struct mips_state state; /* fpr, fcsr, link: always up to date; the rest between runs */
    enum mips_order order;
    bool alone;       /* the block holds one step alone, which was not kept */
    uint64_t retired; /* instructions of earlier runs */
    uint64_t stamp;   /* marks the jumps of this processor (cpu/store.h) */
    uint64_t store_epoch;
    uint64_t exec_epoch;
    uint64_t probe[CPU_PROBES_MAX];
    unsigned probes;
    uint32_t probe_passed; /* the last run stopped at this probe, when it is_passed */
    bool probe_is_passed;
};

struct cpu_store *mips_store_new(size_t max_bytes);

/* mips_memory.c. Addresses of the kernel's half are CPU_STOP_ALIGN, as Linux gives SIGBUS. */
int mips_load_slow(struct mips *cpu, uint32_t addr, void *out, unsigned n);
int mips_store_slow(struct mips *cpu, uint32_t addr, const void *bytes, unsigned n);
int mips_misaligned(struct mips *cpu, uint32_t addr, enum cpu_access access);

/* Takes a new stamp: all jumps are looked up anew. */
void mips_forget_jumps(struct mips *cpu);
/* The block at `pc`, of at most `limit` instructions (a branch and its slot alone may be one more):
 * a kept one, which is also put into the table of jumps, or the scratch block when the limit, a
 * probe or the page's end wants it, or not `keep`. 0 or CPU_STOP_*. No block may be in execution. */
int mips_find_block(struct mips *cpu, uint32_t pc, unsigned limit, bool keep,
                    struct cpu_block **block);

/* The guest's memory, as bytes. 0, or the stop code to be returned at once. All or nothing, also
 * across pages; `n` is at most 8. */
static inline int mips_load(struct mips *cpu, uint32_t addr, void *out, unsigned n)
{
    const uint8_t *host = cpu_tlb_find(cpu->tlb->read, addr, n);
    if (!host)
        return mips_load_slow(cpu, addr, out, n);
    memcpy(out, host, n);
    return 0;
}

static inline int mips_store(struct mips *cpu, uint32_t addr, const void *bytes, unsigned n)
{
    uint8_t *host = cpu_tlb_find(cpu->tlb->write, addr, n);
    if (!host)
        return mips_store_slow(cpu, addr, bytes, n);
    memcpy(host, bytes, n);
    return 0;
}

/* Between the guest's byte order and the host's. */
static inline uint32_t mips_swap32(const struct mips *cpu, uint32_t value)
{
    bool same = (cpu->order == MIPS_LITTLE) == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
    return same ? value : __builtin_bswap32(value);
}

static inline uint64_t mips_swap64(const struct mips *cpu, uint64_t value)
{
    bool same = (cpu->order == MIPS_LITTLE) == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
    return same ? value : __builtin_bswap64(value);
}

#endif
