/* What the files of the ARM interpreter share. Not for other folders. */
#ifndef CPU_ARM_INTERNAL_H
#define CPU_ARM_INTERNAL_H

#include "cpu/arm.h"
#include "cpu/core.h"

struct arm;
struct arm_insn;

/* Executes one instruction. 0 when it is done; or, with nothing changed, the CPU_STOP_* it ends with
 * (cpu->core.trap filled), or CPU_RETRY. */
typedef int (*arm_handler)(struct arm *cpu, const struct arm_insn *insn);

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
    struct cpu_core core;
    uint32_t r[ARM_R_COUNT]; /* the registers while running; `state` has them in between */
    struct arm_state state;  /* reg and the flags NZCV, T, IT: between runs; the rest always */
};

struct cpu_store *arm_store_new(size_t max_bytes);

/* ITSTATE behind an instruction that has `it`. */
static inline uint8_t arm_it_next(uint8_t it)
{
    return it & 7 ? (uint8_t)((it & 0xe0) | (it << 1 & 0x1f)) : 0;
}

/* arm_lookup.c */

/* The block at `pc` (with the Thumb bit), of at most `limit` instructions: a kept one, which is also
 * put into the table of jumps, or the scratch block when the limit, an IT block, a probe or the
 * page's end wants it, or not `keep`. Uses up r[ARM_R_IT]. 0 or CPU_STOP_*. No block may be in
 * execution. */
int arm_find_block(struct arm *cpu, uint32_t pc, unsigned limit, bool keep,
                   struct cpu_block **block);

/* Bytes of one access, at most. */
enum { ARM_ACCESS_MAX = 128 };

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
