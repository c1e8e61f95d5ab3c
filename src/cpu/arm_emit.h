/* What the decoders of ARM and Thumb share: writing entries. Both states have the same operations;
 * a decoder takes its instruction apart and says here what it is. */
#ifndef CPU_ARM_EMIT_H
#define CPU_ARM_EMIT_H

#include "cpu/arm_internal.h"
#include "cpu/arm_ops.h"

/* The instruction that is being decoded. */
struct arm_emit {
    struct arm_block *block;
    uint32_t at;  /* offset from the page */
    uint32_t end; /* of the next instruction */
    bool thumb;
    uint8_t it;   /* ITSTATE */
    bool has_set; /* Thumb: the instruction was IT; `it` is of the next one */
    bool ended;   /* nothing goes on behind the instruction */
};

enum {
    ARM_ENTRIES_MAX = 8, /* of one instruction */
    ARM_BLOCK_INSNS_MAX = ARM_ENTRIES_MAX * ARM_BLOCK_COUNT_MAX + 2,
};

void arm_put(struct arm_emit *e, struct arm_insn insn);
void arm_put_stop(struct arm_emit *e, enum cpu_stop stop);
static inline void arm_put_illegal(struct arm_emit *e)
{
    arm_put_stop(e, CPU_STOP_ILLEGAL);
}

/* The slot of a register as an operand. */
uint8_t arm_source(struct arm_emit *e, unsigned n);
/* The pc as an operand, from the page. */
uint32_t arm_pc(const struct arm_emit *e);

/* Around an instruction that is only executed when `cond` holds (14: always). */
unsigned arm_begin_condition(struct arm_emit *e, unsigned cond);
void arm_end_condition(struct arm_emit *e, unsigned mark);

/* Behind what has put a result in slot `n`: a jump when that is the pc. Loads change the state with
 * the lowest bit, and so does arithmetic of ARM; Thumb's does not. */
void arm_end_load(struct arm_emit *e, unsigned n);
void arm_end_result(struct arm_emit *e, unsigned n);

enum arm_shift { ARM_LSL, ARM_LSR, ARM_ASR, ARM_ROR };

struct arm_operand {
    enum { ARM_BY_IMM, ARM_BY_SHIFT, ARM_BY_REG } by;
    enum arm_shift type;
    unsigned rm, rs, count; /* count: as it stands in the instruction: 0 is 32, or rrx */
    uint32_t imm;
    bool rotated; /* imm: C becomes its highest bit when flags are set */
};

enum arm_alu {
    ARM_AND,
    ARM_EOR,
    ARM_SUB,
    ARM_RSB,
    ARM_ADD,
    ARM_ADC,
    ARM_SBC,
    ARM_RSC,
    ARM_ORR,
    ARM_MOV,
    ARM_BIC,
    ARM_MVN,
    ARM_ORN,
};

/* rd = rn op operand; `rd` may be ARM_R_TRASH, `rn` is of no meaning to mov and mvn. */
void arm_put_alu(struct arm_emit *e, enum arm_alu alu, bool flags, unsigned rd, unsigned rn,
                 const struct arm_operand *operand);

/* A load or store of one register; or of two, by a handler (rd, ra: the two; rn + imm). */
struct arm_access {
    enum arm_op op; /* ARM_OP_LDR and its kin; ARM_OP_LDR or ARM_OP_STR beside a handler */
    arm_handler pair;
    unsigned rt, rt2, rn;
    bool before, add, keeps;   /* the offset counts before the access; is added; rn keeps the sum */
    struct arm_operand offset; /* an immediate or a register, shifted or not */
};
void arm_put_access(struct arm_emit *e, const struct arm_access *a);

/* To a target from the page; the Thumb bit in it. */
void arm_put_branch(struct arm_emit *e, unsigned cond, uint32_t target);
void arm_put_call(struct arm_emit *e, uint32_t target);
void arm_put_bx(struct arm_emit *e, unsigned rm);
void arm_put_blx(struct arm_emit *e, unsigned rm);
void arm_put_syscall(struct arm_emit *e);

/* An entry for a handler; what matters of it is set by the caller. */
void arm_put_handler(struct arm_emit *e, arm_handler handler, struct arm_insn insn);

#endif
