/* Thumb instructions of 32 bits whose operands are registers: shifts, media, multiplies. */
#include "cpu/arm_decode.h"

static unsigned field(uint32_t word, unsigned low)
{
    return word >> low & 15;
}

/* lsl, lsr, asr, ror by a register; extensions. */
static void decode_shift(struct arm_emit *e, uint32_t word)
{
    static const uint8_t extends[6] = {3, 7, 0, 4, 2, 6};
    unsigned op = word >> 20 & 7, rd = field(word, 8), rn = field(word, 16), rm = field(word, 0);
    if (word & 0x80) {
        if (op < 6)
            arm_put_extend(e, extends[op], rd, rn, rm, (word >> 4 & 3) * 8);
        else
            arm_put_illegal(e);
        return;
    }
    struct arm_operand o = {
        .by = ARM_BY_REG, .type = (enum arm_shift)(op >> 1), .rm = rn, .rs = rm};
    if (word & 0x70 || rd == ARM_PC)
        arm_put_illegal(e);
    else
        arm_put_alu(e, ARM_MOV, op & 1, rd, 0, &o);
}

static void decode_parallel(struct arm_emit *e, uint32_t word)
{
    static const uint8_t sums[8] = {ARM_SUM_ADD8, ARM_SUM_ADD, ARM_SUM_ASX, 255,
                                    ARM_SUM_SUB8, ARM_SUM_SUB, ARM_SUM_SAX, 255};
    unsigned sum = sums[word >> 20 & 7], how = word >> 4 & 7;
    if (sum == 255 || (how & 3) == 3) {
        arm_put_illegal(e);
        return;
    }
    arm_put_handler(e, arm_do_parallel,
                    (struct arm_insn){.rd = (uint8_t)field(word, 8),
                                      .rn = (uint8_t)field(word, 16),
                                      .rm = (uint8_t)field(word, 0),
                                      .sa = (uint8_t)sum,
                                      .imm = (how & 4) + (how & 3) + 1});
}

/* qadd and its kin, rev, sel, clz. */
static void decode_misc(struct arm_emit *e, uint32_t word)
{
    static const uint8_t saturating[4] = {0, 2, 1, 3};
    static const arm_handler reverses[4] = {NULL, arm_do_rev16, arm_do_rbit, arm_do_revsh};
    unsigned op1 = word >> 20 & 7, op2 = word >> 4 & 3;
    unsigned rd = field(word, 8), rn = field(word, 16), rm = field(word, 0);
    struct arm_insn insn = {.rd = (uint8_t)rd, .rm = (uint8_t)rm};
    if (op1 == 0)
        arm_put_four(e, arm_do_saturating, rd, rn, rm, 0, saturating[op2]);
    else if (op1 == 1 && op2 > 0)
        arm_put_four(e, reverses[op2], rd, 0, rm, 0, 0);
    else if (op1 == 2 && op2 == 0)
        arm_put_four(e, arm_do_select, rd, rn, rm, 0, 0);
    else if (op2 == 0 && (op1 == 1 || op1 == 3)) {
        insn.op = op1 == 1 ? ARM_OP_REV : ARM_OP_CLZ;
        arm_put(e, insn);
    } else {
        arm_put_illegal(e);
    }
}

static void decode_data(struct arm_emit *e, uint32_t word)
{
    if ((word & 0xf000) != 0xf000)
        arm_put_illegal(e);
    else if (!(word >> 23 & 1))
        decode_shift(e, word);
    else if (!(word & 0x80))
        decode_parallel(e, word);
    else if ((word & 0xc0) == 0x80 && (word >> 22 & 1) == 0)
        decode_misc(e, word);
    else
        arm_put_illegal(e);
}

static void put_multiply(struct arm_emit *e, enum arm_op op, uint32_t word)
{
    arm_put(e, (struct arm_insn){.op = (uint16_t)op,
                                 .rd = (uint8_t)field(word, 8),
                                 .rn = (uint8_t)field(word, 16),
                                 .rm = (uint8_t)field(word, 0),
                                 .ra = (uint8_t)field(word, 12)});
}

/* A product of 32 bits, or of halves. */
static void decode_multiply(struct arm_emit *e, uint32_t word)
{
    unsigned op1 = word >> 20 & 7, op2 = word >> 4 & 3;
    unsigned rd = field(word, 8), rn = field(word, 16), rm = field(word, 0), ra = field(word, 12);
    unsigned add = ra == ARM_PC ? 0 : ARM_HALF_ADD;
    unsigned halves = (op2 >> 1 & 1 ? ARM_HALF_N : 0u) | (op2 & 1 ? ARM_HALF_M : 0u);
    arm_handler handler = NULL;
    unsigned sa = op2 & 1;
    if (op1 == 1) {
        handler = arm_do_half_multiply;
        sa = halves | add;
    } else if (op1 == 3 && op2 < 2) {
        handler = arm_do_half_multiply;
        sa = halves | add | ARM_HALF_WORD;
    } else if ((op1 == 2 || op1 == 4) && op2 < 2) {
        handler = arm_do_dual_multiply;
        sa |= op1 == 4 ? ARM_DUAL_SUB : 0u;
    } else if ((op1 == 5 || op1 == 6) && op2 < 2) {
        handler = arm_do_top_multiply;
        sa |= op1 == 6 ? ARM_TOP_SUB : 0u;
    } else if (op1 == 7 && op2 == 0) {
        handler = arm_do_differences;
    }
    if (word & 0xc0)
        arm_put_illegal(e);
    else if (op1 == 0 && op2 < 2 && !(op2 == 1 && ra == ARM_PC))
        put_multiply(e, op2 ? ARM_OP_MLS : ra == ARM_PC ? ARM_OP_MUL : ARM_OP_MLA, word);
    else if (handler)
        arm_put_four(e, handler, rd, rn, rm, ra, sa);
    else
        arm_put_illegal(e);
}

/* A product of 64 bits; divisions. */
static void decode_long(struct arm_emit *e, uint32_t word)
{
    unsigned op1 = word >> 20 & 7, op2 = word >> 4 & 15;
    unsigned rd = field(word, 8), rn = field(word, 16), rm = field(word, 0), ra = field(word, 12);
    if (op2 == 0 && (op1 == 0 || op1 == 2))
        put_multiply(e, op1 ? ARM_OP_UMULL : ARM_OP_SMULL, word);
    else if (op2 == 0 && (op1 == 4 || op1 == 6))
        arm_put_four(e, arm_do_long_add, rd, rn, rm, ra,
                     op1 == 4 ? ARM_LONG_SMLAL : ARM_LONG_UMLAL);
    else if (op2 == 6 && op1 == 6)
        arm_put_four(e, arm_do_long_add, rd, rn, rm, ra, ARM_LONG_UMAAL);
    else if (op2 == 15 && (op1 == 1 || op1 == 3))
        arm_put_four(e, arm_do_divide, rd, rn, rm, ra, op1 == 3);
    else if (op1 == 4 && op2 >> 2 == 2)
        arm_put_four(e, arm_do_half_multiply, rd, rn, rm, ra,
                     (op2 & 2 ? ARM_HALF_N : 0u) | (op2 & 1 ? ARM_HALF_M : 0u) | ARM_HALF_LONG);
    else if ((op1 == 4 || op1 == 5) && op2 >> 1 == 6)
        arm_put_four(e, arm_do_dual_multiply, rd, rn, rm, ra,
                     (op2 & 1) | (op1 == 5 ? ARM_DUAL_SUB : 0u) | ARM_DUAL_LONG);
    else
        arm_put_illegal(e);
}

void arm_decode_wide_register(struct arm_emit *e, uint32_t word)
{
    if (!(word >> 24 & 1))
        decode_data(e, word);
    else if (!(word >> 23 & 1))
        decode_multiply(e, word);
    else
        decode_long(e, word);
}
