/* What the files of the MIPS interpreter share. Not for other folders. */
#ifndef CPU_MIPS_INTERNAL_H
#define CPU_MIPS_INTERNAL_H

#include "cpu/core.h"
#include "cpu/mips.h"

struct mips;
struct mips_insn;

/* Executes one instruction. 0 when it is done; or, with nothing changed, the CPU_STOP_* it ends with
 * (cpu->core.trap filled), or CPU_RETRY. */
typedef int (*mips_handler)(struct mips *cpu, const struct mips_insn *insn);

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
    struct cpu_core core;
    uint32_t r[MIPS_R_COUNT]; /* the registers while running; `state` has them in between */
    struct mips_state state;  /* fpr, fcsr, link: always up to date; the rest between runs */
    enum mips_order order;
    uint64_t retired; /* instructions of earlier runs */
};

struct cpu_store *mips_store_new(size_t max_bytes);

/* mips_lookup.c */

/* The block at `pc`, of at most `limit` instructions (a branch and its slot alone may be one more):
 * a kept one, which is also put into the table of jumps, or the scratch block when the limit, a
 * probe or the page's end wants it, or not `keep`. 0 or CPU_STOP_*. No block may be in execution. */
int mips_find_block(struct mips *cpu, uint32_t pc, unsigned limit, bool keep,
                    struct cpu_block **block);

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
