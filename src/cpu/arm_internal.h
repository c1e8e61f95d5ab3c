/* What the files of the ARM interpreter share. Not for other folders. */
#ifndef CPU_ARM_INTERNAL_H
#define CPU_ARM_INTERNAL_H

#include "cpu/arm.h"
#include "cpu/store.h"

struct arm;
struct arm_insn;

/* Executes one instruction. 0 when it is done; or, with nothing changed, the CPU_STOP_* it ends with
 * (cpu->trap filled), or ARM_RETRY. */
typedef int (*arm_handler)(struct arm *cpu, const struct arm_insn *insn);

/* The store would have changed the code being executed, so nothing was stored: to be done again with
 * the instruction alone in its block. */
enum { ARM_RETRY = 64 };

/* Modes of the store. A block that begins within an IT block has ITSTATE above them, and is not
 * kept. */
enum { ARM_MODE_ARM, ARM_MODE_THUMB, ARM_MODE_IT_AT = 8 };

/* Slots of arm.r. Slot 15 is where results for the pc go; the entry behind jumps there. */
enum {
    ARM_R_HERE = 16, /* the pc as an operand */
    ARM_R_TEMP,      /* an operand or an address, for the instruction's next entry */
    ARM_R_TRASH,     /* results that only set flags */
    ARM_R_PAGE,      /* address of the page that the block stands in */
    /* The flags: N and V in the highest bit, C 0 or 1; Z is set when the slot is 0. */
    ARM_R_N,
    ARM_R_Z,
    ARM_R_C,
    ARM_R_V,
    ARM_R_IT, /* ITSTATE where the next block begins, else 0 */
    ARM_R_COUNT,
};

/* One entry of a block: an instruction, or a part of one. */
struct arm_insn {
    union {
        arm_handler handler;    /* op ARM_OP_HANDLER */
        struct cpu_block *link; /* jumps within the page: the block they lead to, when known */
    };
    uint32_t imm;  /* immediate; a target from the page, with the Thumb bit */
    uint32_t word; /* handlers: the instruction itself, or what else they want */
    uint16_t op;   /* index into the main loop's table */
    uint16_t at;   /* offset of the instruction from the page */
    uint8_t rd;    /* slots of arm.r */
    uint8_t rn;
    uint8_t rm;
    uint8_t ra;
    uint8_t sa;
    uint8_t pos;  /* instructions of the block before it */
    uint8_t rest; /* and behind it */
    uint8_t it;   /* ITSTATE of the instruction */
};

enum { ARM_BLOCK_COUNT_MAX = 64 };

struct arm_block {
    struct cpu_block head;
    struct arm_insn insn[];
};

/* Addresses of code have the Thumb bit in the lowest place. */
struct arm {
    struct cpu base;
    uint32_t r[ARM_R_COUNT]; /* the registers while running; `state` has them in between */
    struct cpu_tlb *tlb;
    const struct cpu_block *block; /* being executed; NULL between runs */
    struct cpu_space *space;
    struct cpu_store *store;
    struct cpu_trap trap;
    struct arm_state state; /* reg and the flags NZCV, T, IT: between runs; the rest always */
    bool alone;             /* the block holds one instruction alone, which was not kept */
    uint64_t stamp;         /* marks the jumps of this processor (cpu/store.h) */
    uint64_t store_epoch;
    uint64_t exec_epoch;
    uint64_t probe[CPU_PROBES_MAX];
    unsigned probes;
    uint32_t probe_passed; /* the last run stopped at this probe, when it is_passed */
    bool probe_is_passed;
};

struct cpu_store *arm_store_new(size_t max_bytes);

/* ITSTATE behind an instruction that has `it`. */
static inline uint8_t arm_it_next(uint8_t it)
{
    return it & 7 ? (uint8_t)((it & 0xe0) | (it << 1 & 0x1f)) : 0;
}

/* arm_memory.c */
int arm_load_slow(struct arm *cpu, uint32_t addr, void *out, unsigned n);
int arm_store_slow(struct arm *cpu, uint32_t addr, const void *bytes, unsigned n);
int arm_misaligned(struct arm *cpu, uint32_t addr, enum cpu_access access);

/* Takes a new stamp: all jumps are looked up anew. */
void arm_forget_jumps(struct arm *cpu);
/* The block at `pc` (with the Thumb bit), of at most `limit` instructions: a kept one, which is also
 * put into the table of jumps, or the scratch block when the limit, an IT block, a probe or the
 * page's end wants it, or not `keep`. Uses up r[ARM_R_IT]. 0 or CPU_STOP_*. No block may be in
 * execution. */
int arm_find_block(struct arm *cpu, uint32_t pc, unsigned limit, bool keep,
                   struct cpu_block **block);

/* The guest's memory, as bytes. 0, or the stop code to be returned at once. All or nothing, also
 * across pages; `n` is at most ARM_ACCESS_MAX. */
enum { ARM_ACCESS_MAX = 128 };

static inline int arm_load(struct arm *cpu, uint32_t addr, void *out, unsigned n)
{
    const uint8_t *host = cpu_tlb_find(cpu->tlb->read, addr, n);
    if (!host)
        return arm_load_slow(cpu, addr, out, n);
    memcpy(out, host, n);
    return 0;
}

static inline int arm_store(struct arm *cpu, uint32_t addr, const void *bytes, unsigned n)
{
    uint8_t *host = cpu_tlb_find(cpu->tlb->write, addr, n);
    if (!host)
        return arm_store_slow(cpu, addr, bytes, n);
    memcpy(host, bytes, n);
    return 0;
}

/* Between the guest's byte order and the host's. */
static inline uint32_t arm_le32(uint32_t value)
{
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? value : __builtin_bswap32(value);
}

static inline uint64_t arm_le64(uint64_t value)
{
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? value : __builtin_bswap64(value);
}

/* Bits `low` to `low` + `count` - 1. */
static inline uint32_t arm_bits(uint32_t word, unsigned low, unsigned count)
{
    return word >> low & ((1u << count) - 1);
}

static inline uint32_t arm_rotate(uint32_t value, unsigned count)
{
    return value >> (count & 31) | value << (-count & 31);
}

static inline uint32_t arm_extend(uint32_t value, unsigned bits)
{
    return (uint32_t)((int32_t)(value << (32 - bits)) >> (32 - bits));
}

#endif
