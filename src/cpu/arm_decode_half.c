/* Thumb instructions of 16 bits (A6.2). Outside of an IT block most set flags, within none does. */
#include "cpu/arm_decode.h"

static unsigned low(uint32_t half, unsigned at)
{
    return half >> at & 7;
}

static bool sets_flags(const struct arm_emit *e)
{
    return (e->it & 15) == 0;
}

static struct arm_operand imm_operand(uint32_t imm)
{
    return (struct arm_operand){.by = ARM_BY_IMM, .imm = imm};
}

static struct arm_operand reg_operand(unsigned rm)
{
    return (struct arm_operand){.by = ARM_BY_SHIFT, .rm = rm};
}

/* lsl, lsr, asr by a number; add and sub of a register or three bits. */
static void decode_shift_add(struct arm_emit *e, uint32_t half)
{
    unsigned rd = low(half, 0), rn = low(half, 3), op = half >> 11 & 3;
    struct arm_operand o;
    if (op < 3) {
        o = (struct arm_operand){
            .by = ARM_BY_SHIFT, .type = (enum arm_shift)op, .rm = rn, .count = half >> 6 & 31};
        arm_put_alu(e, ARM_MOV, sets_flags(e), rd, 0, &o);
        return;
    }
    o = half >> 10 & 1 ? imm_operand(low(half, 6)) : reg_operand(low(half, 6));
    arm_put_alu(e, half >> 9 & 1 ? ARM_SUB : ARM_ADD, sets_flags(e), rd, rn, &o);
}

/* mov, cmp, add, sub of eight bits. */
static void decode_byte(struct arm_emit *e, uint32_t half)
{
    static const uint8_t alus[4] = {ARM_MOV, ARM_SUB, ARM_ADD, ARM_SUB};
    unsigned op = half >> 11 & 3, rn = low(half, 8);
    struct arm_operand o = imm_operand(half & 255);
    bool compares = op == 1;
    arm_put_alu(e, (enum arm_alu)alus[op], compares || sets_flags(e), compares ? ARM_R_TRASH : rn,
                rn, &o);
}

static void decode_alu(struct arm_emit *e, uint32_t half)
{
    enum { SHIFT = 16, TEST = 32 };
    static const uint8_t rows[16] = {ARM_AND,         ARM_EOR, SHIFT | ARM_LSL, SHIFT | ARM_LSR,
                                     SHIFT | ARM_ASR, ARM_ADC, ARM_SBC,         SHIFT | ARM_ROR,
                                     TEST | ARM_AND,  ARM_RSB, TEST | ARM_SUB,  TEST | ARM_ADD,
                                     ARM_ORR,         0,       ARM_BIC,         ARM_MVN};
    unsigned op = half >> 6 & 15, rd = low(half, 0), rm = low(half, 3), row = rows[op];
    struct arm_operand o = reg_operand(rm);
    if (op == 13) { /* mul */
        arm_put(e, (struct arm_insn){
                       .op = ARM_OP_MUL, .rd = (uint8_t)rd, .rn = (uint8_t)rd, .rm = (uint8_t)rm});
        if (sets_flags(e))
            arm_put(e, (struct arm_insn){.op = ARM_OP_NZ, .rd = (uint8_t)rd});
    } else if (row & SHIFT) {
        o = (struct arm_operand){
            .by = ARM_BY_REG, .type = (enum arm_shift)(row & 3), .rm = rd, .rs = rm};
        arm_put_alu(e, ARM_MOV, sets_flags(e), rd, 0, &o);
    } else if (op == 9) { /* rsb of 0 */
        o = imm_operand(0);
        arm_put_alu(e, ARM_RSB, sets_flags(e), rd, rm, &o);
    } else {
        bool tests = row & TEST;
        arm_put_alu(e, (enum arm_alu)(row & 15), tests || sets_flags(e), tests ? ARM_R_TRASH : rd,
                    rd, &o);
    }
}

/* add, cmp, mov of any register; bx, blx. */
static void decode_high(struct arm_emit *e, uint32_t half)
{
    unsigned rd = (half >> 4 & 8) | low(half, 0), rm = half >> 3 & 15;
    struct arm_operand o = reg_operand(rm);
    switch (half >> 8 & 3) {
    case 0: arm_put_alu(e, ARM_ADD, false, rd, rd, &o); break;
    case 1: arm_put_alu(e, ARM_SUB, true, ARM_R_TRASH, rd, &o); break;
    case 2: arm_put_alu(e, ARM_MOV, false, rd, 0, &o); break;
    default:
        if (half & 0x80)
            arm_put_blx(e, rm);
        else
            arm_put_bx(e, rm);
    }
}

static void put_access(struct arm_emit *e, enum arm_op op, unsigned rt, unsigned rn,
                       struct arm_operand offset)
{
    const struct arm_access a = {
        .op = op, .rt = rt, .rn = rn, .before = true, .add = true, .offset = offset};
    arm_put_access(e, &a);
}

static void decode_access_by_register(struct arm_emit *e, uint32_t half)
{
    static const uint16_t ops[8] = {ARM_OP_STR, ARM_OP_STRH, ARM_OP_STRB, ARM_OP_LDRSB,
                                    ARM_OP_LDR, ARM_OP_LDRH, ARM_OP_LDRB, ARM_OP_LDRSH};
    put_access(e, (enum arm_op)ops[half >> 9 & 7], low(half, 0), low(half, 3),
               reg_operand(low(half, 6)));
}

static void decode_access(struct arm_emit *e, uint32_t half)
{
    static const uint16_t ops[6] = {ARM_OP_STR,  ARM_OP_LDR,  ARM_OP_STRB,
                                    ARM_OP_LDRB, ARM_OP_STRH, ARM_OP_LDRH};
    static const uint8_t scales[6] = {4, 4, 1, 1, 2, 2};
    unsigned which = (half >> 11) - 12;
    put_access(e, (enum arm_op)ops[which], low(half, 0), low(half, 3),
               imm_operand((half >> 6 & 31) * scales[which]));
}

/* Of the stack and the pc. */
static void decode_relative(struct arm_emit *e, uint32_t half)
{
    struct arm_operand o = imm_operand((half & 255) * 4);
    unsigned rd = low(half, 8);
    switch (half >> 11) {
    case 0x09: put_access(e, ARM_OP_LDR, rd, ARM_PC, o); break;
    case 0x12: put_access(e, ARM_OP_STR, rd, ARM_SP, o); break;
    case 0x13: put_access(e, ARM_OP_LDR, rd, ARM_SP, o); break;
    case 0x14: arm_put_alu(e, ARM_ADD, false, rd, ARM_PC, &o); break;
    default: arm_put_alu(e, ARM_ADD, false, rd, ARM_SP, &o);
    }
}

/* --- miscellaneous --- */

static void decode_compare_branch(struct arm_emit *e, uint32_t half)
{
    uint32_t distance = (half >> 3 & 0x40) + (half >> 2 & 0x3e);
    if (!sets_flags(e)) {
        arm_put_illegal(e);
        return;
    }
    arm_put(e, (struct arm_insn){.op = half >> 11 & 1 ? ARM_OP_CBNZ : ARM_OP_CBZ,
                                 .rn = (uint8_t)low(half, 0),
                                 .imm = (arm_pc(e) + distance) | 1});
}

static void decode_reverse(struct arm_emit *e, uint32_t half)
{
    static const arm_handler handlers[4] = {NULL, arm_do_rev16, NULL, arm_do_revsh};
    unsigned which = half >> 6 & 3, rd = low(half, 0), rm = low(half, 3);
    if (which == 0)
        arm_put(e, (struct arm_insn){.op = ARM_OP_REV, .rd = (uint8_t)rd, .rm = (uint8_t)rm});
    else if (handlers[which])
        arm_put_four(e, handlers[which], rd, 0, rm, 0, 0);
    else
        arm_put_illegal(e);
}

/* it; nop and its like. */
static void decode_it(struct arm_emit *e, uint32_t half)
{
    if ((half & 15) == 0)
        return; /* hints */
    if (!sets_flags(e)) {
        arm_put_illegal(e);
        return;
    }
    e->it = (uint8_t)half;
    e->has_set = true;
}

static void decode_misc(struct arm_emit *e, uint32_t half)
{
    static const uint8_t extends[4] = {3, 2, 7, 6};
    struct arm_operand o = imm_operand((half & 127) * 4);
    switch (half >> 8 & 15) {
    case 0x0: arm_put_alu(e, half & 0x80 ? ARM_SUB : ARM_ADD, false, ARM_SP, ARM_SP, &o); break;
    case 0x1:
    case 0x3:
    case 0x9:
    case 0xb: decode_compare_branch(e, half); break;
    case 0x2:
        arm_put_extend(e, extends[half >> 6 & 3], low(half, 0), ARM_PC, low(half, 3), 0);
        break;
    case 0x4:
    case 0x5:
        arm_put_multiple(e, false, false, true, true, ARM_SP, (half & 255) | (half << 6 & 0x4000));
        break;
    case 0x6: /* setend le, cps */
        if ((half & 0xff) != 0x50 && (half & 0xe8) != 0x60)
            arm_put_illegal(e);
        break;
    case 0xa: decode_reverse(e, half); break;
    case 0xc:
    case 0xd:
        arm_put_multiple(e, true, true, false, true, ARM_SP, (half & 255) | (half << 7 & 0x8000));
        break;
    case 0xe: arm_put_stop(e, CPU_STOP_BREAK); break;
    case 0xf: decode_it(e, half); break;
    default: arm_put_illegal(e);
    }
}

static void decode_multiple(struct arm_emit *e, uint32_t half)
{
    unsigned rn = low(half, 8);
    bool load = half >> 11 & 1, loads_base = load && (half >> rn & 1);
    arm_put_multiple(e, load, true, false, !loads_base, rn, half & 255);
}

static void decode_branch(struct arm_emit *e, uint32_t half)
{
    unsigned cond = half >> 8 & 15;
    if (cond == 15)
        arm_put_syscall(e);
    else if (half == 0xde01) /* gdb's breakpoint, as Linux knows it */
        arm_put_stop(e, CPU_STOP_BREAK);
    else if (cond == 14)
        arm_put_illegal(e); /* udf */
    else
        arm_put_branch(e, cond, (arm_pc(e) + arm_extend(half << 1 & 0x1ff, 9)) | 1);
}

void arm_decode_half(struct arm_emit *e, uint32_t half)
{
    switch (half >> 12) {
    case 0x0:
    case 0x1: decode_shift_add(e, half); break;
    case 0x2:
    case 0x3: decode_byte(e, half); break;
    case 0x4:
        if (half & 0x800)
            decode_relative(e, half);
        else if (half & 0x400)
            decode_high(e, half);
        else
            decode_alu(e, half);
        break;
    case 0x5: decode_access_by_register(e, half); break;
    case 0x6:
    case 0x7:
    case 0x8: decode_access(e, half); break;
    case 0x9:
    case 0xa: decode_relative(e, half); break;
    case 0xb: decode_misc(e, half); break;
    case 0xc: decode_multiple(e, half); break;
    case 0xd: decode_branch(e, half); break;
    default: arm_put_branch(e, 14, (arm_pc(e) + arm_extend(half << 1 & 0xfff, 12)) | 1);
    }
}
