/* Words of ARM state, by bits 27 to 25 and then as the manual's tables go on (A5). */
#include "cpu/arm_decode.h"

static unsigned field(uint32_t word, unsigned low)
{
    return word >> low & 15;
}

static struct arm_operand imm_operand(uint32_t imm)
{
    return (struct arm_operand){.by = ARM_BY_IMM, .imm = imm};
}

/* Eight bits, turned to the right. */
static struct arm_operand turned(uint32_t word)
{
    unsigned count = 2 * field(word, 8);
    return (struct arm_operand){
        .by = ARM_BY_IMM, .imm = arm_rotate(word & 255, count), .rotated = count != 0};
}

static struct arm_operand shifted(uint32_t word)
{
    struct arm_operand o = {.by = ARM_BY_SHIFT,
                            .type = (enum arm_shift)(word >> 5 & 3),
                            .rm = field(word, 0),
                            .count = word >> 7 & 31};
    if (word & 0x10) {
        o.by = ARM_BY_REG;
        o.rs = field(word, 8);
    }
    return o;
}

static void decode_alu(struct arm_emit *e, uint32_t word, const struct arm_operand *o)
{
    static const struct {
        uint8_t alu;
        bool tests;
    } rows[16] = {{ARM_AND, false}, {ARM_EOR, false}, {ARM_SUB, false}, {ARM_RSB, false},
                  {ARM_ADD, false}, {ARM_ADC, false}, {ARM_SBC, false}, {ARM_RSC, false},
                  {ARM_AND, true},  {ARM_EOR, true},  {ARM_SUB, true},  {ARM_ADD, true},
                  {ARM_ORR, false}, {ARM_MOV, false}, {ARM_BIC, false}, {ARM_MVN, false}};
    unsigned opcode = field(word, 21), rd = field(word, 12);
    if (rows[opcode].tests)
        rd = ARM_R_TRASH;
    arm_put_alu(e, (enum arm_alu)rows[opcode].alu, word >> 20 & 1, rd, field(word, 16), o);
}

/* --- multiplies, swaps, halves and pairs: bits 7 and 4 set --- */

static void decode_multiply(struct arm_emit *e, uint32_t word)
{
    struct arm_insn insn = {.rd = (uint8_t)field(word, 16),
                            .ra = (uint8_t)field(word, 12),
                            .rm = (uint8_t)field(word, 8),
                            .rn = (uint8_t)field(word, 0)};
    bool flags = word >> 20 & 1;
    unsigned opcode = word >> 21 & 7;
    switch (opcode) {
    case 0: insn.op = ARM_OP_MUL; break;
    case 1: insn.op = ARM_OP_MLA; break;
    case 3: insn.op = ARM_OP_MLS; break;
    case 4: insn.op = ARM_OP_UMULL; break;
    case 6: insn.op = ARM_OP_SMULL; break;
    case 2: insn.sa = ARM_LONG_UMAAL; break;
    case 5: insn.sa = ARM_LONG_UMLAL; break;
    default: insn.sa = ARM_LONG_SMLAL; break;
    }
    if (flags && (opcode == 2 || opcode == 3)) {
        arm_put_illegal(e);
        return;
    }
    if (opcode == 2 || opcode == 5 || opcode == 7)
        arm_put_handler(e, arm_do_long_add, insn);
    else
        arm_put(e, insn);
    if (!flags)
        return;
    if (opcode < 4)
        arm_put(e, (struct arm_insn){.op = ARM_OP_NZ, .rd = insn.rd});
    else
        arm_put_handler(e, arm_do_long_flags, insn);
}

/* swp, ldrex, strex. */
static void decode_exclusive(struct arm_emit *e, uint32_t word)
{
    static const uint8_t bytes[4] = {4, 8, 1, 2};
    unsigned rn = field(word, 16), rt = field(word, 12), rm = field(word, 0);
    unsigned size = bytes[word >> 21 & 3];
    if (!(word >> 23 & 1)) {
        if (word >> 20 & 3)
            arm_put_illegal(e);
        else
            arm_put_four(e, arm_do_swp, rt, rn, rm, 0, word >> 22 & 1 ? 1 : 4);
    } else if ((word & 0xf00) != 0xf00 || rn == ARM_PC) {
        arm_put_illegal(e);
    } else if (word >> 20 & 1) {
        arm_put_four(e, arm_do_ldrex, rt, rn, 0, (rt + 1) & 15, size);
    } else {
        arm_put_four(e, arm_do_strex, rt, rn, rm, (rm + 1) & 15, size);
    }
}

static void decode_half_access(struct arm_emit *e, uint32_t word)
{
    unsigned kind = word >> 5 & 3;
    bool load = word >> 20 & 1;
    struct arm_access a = {.rt = field(word, 12),
                           .rn = field(word, 16),
                           .before = word >> 24 & 1,
                           .add = word >> 23 & 1,
                           .keeps = word >> 21 & 1};
    if (word >> 22 & 1)
        a.offset = imm_operand((word >> 4 & 0xf0) | (word & 15));
    else
        a.offset = (struct arm_operand){.by = ARM_BY_SHIFT, .rm = field(word, 0)};
    if (load || kind == 1) {
        static const uint16_t loads[4] = {0, ARM_OP_LDRH, ARM_OP_LDRSB, ARM_OP_LDRSH};
        a.op = load ? (enum arm_op)loads[kind] : ARM_OP_STRH;
    } else {
        a.op = kind == 2 ? ARM_OP_LDR : ARM_OP_STR;
        a.pair = kind == 2 ? arm_do_ldrd : arm_do_strd;
        a.rt2 = a.rt + 1;
        if (a.rt % 2 || a.rt == 14) {
            arm_put_illegal(e);
            return;
        }
    }
    arm_put_access(e, &a);
}

static void decode_multiply_or_access(struct arm_emit *e, uint32_t word)
{
    if (word & 0x60)
        decode_half_access(e, word);
    else if (word >> 24 & 1)
        decode_exclusive(e, word);
    else
        decode_multiply(e, word);
}

/* --- miscellaneous: data processing's tests without flags --- */

static void decode_half_multiply(struct arm_emit *e, uint32_t word)
{
    unsigned sa = (word >> 5 & 1 ? ARM_HALF_N : 0u) | (word >> 6 & 1 ? ARM_HALF_M : 0u);
    switch (word >> 21 & 3) {
    case 0: sa |= ARM_HALF_ADD; break;
    case 1: sa = (sa & ARM_HALF_M) | ARM_HALF_WORD | (word >> 5 & 1 ? 0u : ARM_HALF_ADD); break;
    case 2: sa |= ARM_HALF_LONG; break;
    default: break;
    }
    arm_put_four(e, arm_do_half_multiply, field(word, 16), field(word, 0), field(word, 8),
                 field(word, 12), sa);
}

/* mrs, msr. */
static void decode_status(struct arm_emit *e, uint32_t word)
{
    if (word >> 22 & 1) {
        arm_put_illegal(e); /* SPSR */
    } else if (word >> 21 & 1) {
        uint32_t bits = (word >> 19 & 1 ? 0xf8000000u : 0) | (word >> 18 & 1 ? ARM_CPSR_GE : 0);
        arm_put_handler(e, arm_do_set_flags,
                        (struct arm_insn){.rm = (uint8_t)field(word, 0), .imm = bits});
    } else {
        arm_put_handler(e, arm_do_get_flags, (struct arm_insn){.rd = (uint8_t)field(word, 12)});
    }
}

static void decode_misc(struct arm_emit *e, uint32_t word)
{
    unsigned op = word >> 21 & 3, rm = field(word, 0);
    if (word & 0x80) {
        decode_half_multiply(e, word);
        return;
    }
    switch (word >> 4 & 7) {
    case 0:
        if (word & 0x200)
            break; /* banked registers */
        decode_status(e, word);
        return;
    case 1:
        if (op == 1)
            arm_put_bx(e, rm);
        else if (op == 3)
            arm_put(e, (struct arm_insn){
                           .op = ARM_OP_CLZ, .rd = (uint8_t)field(word, 12), .rm = (uint8_t)rm});
        else
            break;
        return;
    case 2: /* bxj: as bx without Jazelle */
        if (op != 1)
            break;
        arm_put_bx(e, rm);
        return;
    case 3:
        if (op != 1)
            break;
        arm_put_blx(e, rm);
        return;
    case 5: arm_put_four(e, arm_do_saturating, field(word, 12), field(word, 16), rm, 0, op); return;
    case 7:
        if (op != 1)
            break;
        arm_put_stop(e, CPU_STOP_BREAK);
        return;
    default: break;
    }
    arm_put_illegal(e);
}

static void decode_register(struct arm_emit *e, uint32_t word)
{
    if ((word & 0x90) == 0x90) {
        decode_multiply_or_access(e, word);
    } else if ((word >> 20 & 0x19) == 0x10) {
        decode_misc(e, word);
    } else {
        struct arm_operand o = shifted(word);
        decode_alu(e, word, &o);
    }
}

static void decode_immediate(struct arm_emit *e, uint32_t word)
{
    uint32_t imm16 = (word >> 4 & 0xf000) | (word & 0xfff);
    struct arm_operand o = turned(word);
    switch (word >> 20 & 31) {
    case 0x10:
        o = imm_operand(imm16);
        arm_put_alu(e, ARM_MOV, false, field(word, 12), 0, &o);
        break;
    case 0x14:
        arm_put(e, (struct arm_insn){
                       .op = ARM_OP_MOVT, .rd = (uint8_t)field(word, 12), .imm = imm16 << 16});
        break;
    case 0x12:
        if (!(word & 0xf0000))
            break; /* hints: nop, yield, wfe ... */
        arm_put_alu(e, ARM_MOV, false, ARM_R_TEMP, 0, &o);
        decode_status(e, word);
        e->block->insn[e->block->head.insns - 1].rm = ARM_R_TEMP;
        break;
    case 0x16: arm_put_illegal(e); break;
    default: decode_alu(e, word, &o);
    }
}

/* ldr, ldrb, str, strb; also as if without privileges, which makes no difference. */
static void decode_access(struct arm_emit *e, uint32_t word, const struct arm_operand *offset)
{
    static const uint16_t ops[4] = {ARM_OP_STR, ARM_OP_LDR, ARM_OP_STRB, ARM_OP_LDRB};
    struct arm_access a = {.op = (enum arm_op)ops[(word >> 21 & 2) | (word >> 20 & 1)],
                           .rt = field(word, 12),
                           .rn = field(word, 16),
                           .before = word >> 24 & 1,
                           .add = word >> 23 & 1,
                           .keeps = word >> 21 & 1,
                           .offset = *offset};
    arm_put_access(e, &a);
}

/* --- media --- */

static void decode_parallel(struct arm_emit *e, uint32_t word)
{
    unsigned prefix = word >> 20 & 7, sum = word >> 5 & 7;
    if (prefix % 4 == 0 || sum == 5 || sum == 6) {
        arm_put_illegal(e);
        return;
    }
    arm_put_handler(e, arm_do_parallel,
                    (struct arm_insn){.rd = (uint8_t)field(word, 12),
                                      .rn = (uint8_t)field(word, 16),
                                      .rm = (uint8_t)field(word, 0),
                                      .sa = (uint8_t)sum,
                                      .imm = prefix});
}

/* rev, rev16, rbit, revsh. */
static void decode_reverse(struct arm_emit *e, uint32_t word)
{
    static const arm_handler handlers[4] = {NULL, arm_do_rev16, arm_do_rbit, arm_do_revsh};
    unsigned which = (word >> 21 & 2) | (word >> 7 & 1), rd = field(word, 12), rm = field(word, 0);
    if (which)
        arm_put_four(e, handlers[which], rd, 0, rm, 0, 0);
    else
        arm_put(e, (struct arm_insn){.op = ARM_OP_REV, .rd = (uint8_t)rd, .rm = (uint8_t)rm});
}

/* Packing, unpacking, saturation, reversal: bits 27 to 23 are 01101. */
static void decode_packing(struct arm_emit *e, uint32_t word)
{
    unsigned op1 = word >> 20 & 7, op2 = word >> 5 & 7;
    unsigned rd = field(word, 12), rn = field(word, 16), rm = field(word, 0);
    bool is_unsigned = op1 >> 2;
    if (op1 == 0 && !(op2 & 1))
        arm_put_pack(e, op2 >> 1 & 1, rd, rn, rm, word >> 7 & 31);
    else if (op2 == 3 && op1 % 4 != 1)
        arm_put_extend(e, (op1 & 3) | (is_unsigned ? 4 : 0), rd, rn, rm, (word >> 10 & 3) * 8);
    else if (op2 == 5 && op1 == 0)
        arm_put_four(e, arm_do_select, rd, rn, rm, 0, 0);
    else if ((op1 & 2) && !(op2 & 1))
        arm_put_saturate(e, is_unsigned, rd, (word >> 16 & 31) + !is_unsigned, rm,
                         word & 0x40 ? ARM_ASR : ARM_LSL, word >> 7 & 31);
    else if ((op1 & 3) == 2 && op2 == 1)
        arm_put_saturate(e, is_unsigned | 2u, rd, (word >> 16 & 15) + !is_unsigned, rm, ARM_LSL, 0);
    else if ((op1 & 3) == 3 && (op2 & 3) == 1)
        decode_reverse(e, word);
    else
        arm_put_illegal(e);
}

/* Signed multiplies, divisions: bits 27 to 23 are 01110. */
static void decode_signed_multiply(struct arm_emit *e, uint32_t word)
{
    unsigned op1 = word >> 20 & 7, op2 = word >> 5 & 7, swap = op2 & 1;
    arm_handler handler = NULL;
    unsigned sa = swap | (op2 & 2);
    if ((op1 == 0 || op1 == 4) && op2 < 4) {
        handler = arm_do_dual_multiply;
        sa |= op1 == 4 ? ARM_DUAL_LONG : 0u;
    } else if ((op1 == 1 || op1 == 3) && op2 == 0 && field(word, 12) == 15) {
        handler = arm_do_divide;
        sa = op1 == 3;
    } else if (op1 == 5 && (op2 < 2 || op2 > 5)) {
        handler = arm_do_top_multiply;
    }
    if (handler)
        arm_put_four(e, handler, field(word, 16), field(word, 0), field(word, 8), field(word, 12),
                     sa);
    else
        arm_put_illegal(e);
}

/* usad8 and bit fields: bits 27 to 23 are 01111. */
static void decode_fields(struct arm_emit *e, uint32_t word)
{
    unsigned op1 = word >> 20 & 7, op2 = word >> 5 & 7, low = word >> 7 & 31;
    unsigned high = word >> 16 & 31, rd = field(word, 12), rn = field(word, 0);
    if (op1 == 0 && op2 == 0)
        arm_put_four(e, arm_do_differences, field(word, 16), rn, field(word, 8), rd, 0);
    else if ((op1 == 2 || op1 == 3 || op1 >= 6) && (op2 & 3) == 2)
        arm_put_extract(e, op1 < 4, rd, rn, low, high + 1);
    else if ((op1 & 6) == 4 && (op2 & 3) == 0)
        arm_put_insert(e, rd, rn, low, high);
    else if ((word & 0x0fffffff) == 0x07f001f0) /* gdb's breakpoint, as Linux knows it */
        arm_put_stop(e, CPU_STOP_BREAK);
    else
        arm_put_illegal(e); /* udf */
}

static void decode_media(struct arm_emit *e, uint32_t word)
{
    switch (word >> 23 & 3) {
    case 0: decode_parallel(e, word); break;
    case 1: decode_packing(e, word); break;
    case 2: decode_signed_multiply(e, word); break;
    default: decode_fields(e, word);
    }
}

/* --- all --- */

static uint32_t distance(uint32_t word)
{
    return arm_extend(word & 0xffffff, 24) << 2;
}

static void decode_multiple(struct arm_emit *e, uint32_t word)
{
    if (word >> 22 & 1) /* of the user's bank, or a return from an exception */
        arm_put_illegal(e);
    else
        arm_put_multiple(e, word >> 20 & 1, word >> 23 & 1, word >> 24 & 1, word >> 21 & 1,
                         field(word, 16), word & 0xffff);
}

/* Without a condition. Loads ahead, barriers and what changes modes (a program may not, and nothing
 * happens) do nothing. */
static void decode_unconditional(struct arm_emit *e, uint32_t word)
{
    static const struct {
        uint32_t mask, value;
    } quiet[] = {
        {0xfd70f000, 0xf550f000},                           /* pld */
        {0xfd70f010, 0xf550f000}, {0xfd30f000, 0xf510f000}, /* pldw */
        {0xfd70f000, 0xf450f000},                           /* pli */
        {0xfff1fe20, 0xf1000000},                           /* cps */
        {0xfffffff0, 0xf57ff040}, {0xfffffff0, 0xf57ff050},
        {0xfffffff0, 0xf57ff060}, {0xffffffff, 0xf1010000}, /* setend le */
    };
    if (word >> 25 == 0x7d) { /* blx */
        arm_put_call(e, (arm_pc(e) + distance(word) + (word >> 23 & 2)) | 1);
        return;
    }
    if (word == 0xf57ff01f) {
        arm_put_four(e, arm_do_clrex, 0, 0, 0, 0, 0);
        return;
    }
    for (unsigned i = 0; i < ARRAY_LEN(quiet); i++)
        if ((word & quiet[i].mask) == quiet[i].value)
            return;
    arm_put_illegal(e);
}

static void decode_conditional(struct arm_emit *e, uint32_t word)
{
    struct arm_operand o;
    switch (word >> 25 & 7) {
    case 0: decode_register(e, word); break;
    case 1: decode_immediate(e, word); break;
    case 2:
        o = imm_operand(word & 0xfff);
        decode_access(e, word, &o);
        break;
    case 3:
        o = shifted(word & ~0x10u);
        if (word & 0x10)
            decode_media(e, word);
        else
            decode_access(e, word, &o);
        break;
    case 4: decode_multiple(e, word); break;
    case 5: arm_put_call(e, arm_pc(e) + distance(word)); break;
    case 6: arm_decode_coprocessor(e, word); break;
    default:
        if (word >> 24 & 1)
            arm_put_syscall(e);
        else
            arm_decode_coprocessor(e, word);
    }
}

void arm_decode_word(struct arm_emit *e, uint32_t word)
{
    unsigned cond = word >> 28;
    if (cond == 15) {
        decode_unconditional(e, word);
    } else if ((word >> 24 & 15) == 10) { /* b */
        arm_put_branch(e, cond, arm_pc(e) + distance(word));
    } else {
        unsigned mark = arm_begin_condition(e, cond);
        decode_conditional(e, word);
        arm_end_condition(e, mark);
    }
}
