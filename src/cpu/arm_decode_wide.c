/* Thumb instructions of 32 bits (A6.3): operands that are immediates or shifted, branches, memory.
 * The first halfword is the upper half of the word. */
#include "cpu/arm_decode.h"

static unsigned field(uint32_t word, unsigned low)
{
    return word >> low & 15;
}

static struct arm_operand imm_operand(uint32_t imm)
{
    return (struct arm_operand){.by = ARM_BY_IMM, .imm = imm};
}

/* Twelve bits in three places. */
static uint32_t split_imm(uint32_t word)
{
    return (word >> 15 & 0x800) | (word >> 4 & 0x700) | (word & 255);
}

static struct arm_operand expanded(uint32_t imm12)
{
    uint32_t byte = imm12 & 255;
    switch (imm12 >> 8) {
    case 0: return imm_operand(byte);
    case 1: return imm_operand(byte << 16 | byte);
    case 2: return imm_operand(byte << 24 | byte << 8);
    case 3: return imm_operand(byte * 0x01010101u);
    default: break;
    }
    struct arm_operand o = imm_operand(arm_rotate(0x80 | (imm12 & 127), imm12 >> 7));
    o.rotated = true;
    return o;
}

static struct arm_operand shifted(uint32_t word)
{
    return (struct arm_operand){.by = ARM_BY_SHIFT,
                                .type = (enum arm_shift)(word >> 4 & 3),
                                .rm = field(word, 0),
                                .count = (word >> 10 & 0x1c) | (word >> 6 & 3)};
}

/* By bits 24 to 21; rd 15 makes tests of some, rn 15 moves of others. */
static void decode_alu(struct arm_emit *e, uint32_t word, const struct arm_operand *o)
{
    enum { NONE = 255 };
    static const uint8_t rows[16] = {ARM_AND, ARM_BIC, ARM_ORR, ARM_ORN, ARM_EOR, NONE,
                                     NONE,    NONE,    ARM_ADD, NONE,    ARM_ADC, ARM_SBC,
                                     NONE,    ARM_SUB, ARM_RSB, NONE};
    unsigned op = field(word, 21), alu = rows[op], rn = field(word, 16), rd = field(word, 8);
    bool flags = word >> 20 & 1;
    if (rd == ARM_PC && flags && (op == 0 || op == 4 || op == 8 || op == 13))
        rd = ARM_R_TRASH;
    if (alu == NONE || rd == ARM_PC) {
        arm_put_illegal(e);
        return;
    }
    if (rn == ARM_PC && (op == 2 || op == 3))
        alu = op == 2 ? ARM_MOV : ARM_MVN;
    arm_put_alu(e, (enum arm_alu)alu, flags, rd, rn, o);
}

static void decode_shifted(struct arm_emit *e, uint32_t word)
{
    struct arm_operand o = shifted(word);
    if (field(word, 21) == 6 && !(word & 0x100010)) /* pkh */
        arm_put_pack(e, word >> 5 & 1, field(word, 8), field(word, 16), field(word, 0), o.count);
    else
        decode_alu(e, word, &o);
}

/* Immediates that are not turned; saturation and bit fields. */
static void decode_plain(struct arm_emit *e, uint32_t word)
{
    unsigned rd = field(word, 8), rn = field(word, 16), op = word >> 20 & 31;
    unsigned low = (word >> 10 & 0x1c) | (word >> 6 & 3), last = word & 31;
    uint32_t imm16 = field(word, 16) << 12 | split_imm(word);
    struct arm_operand o = imm_operand(split_imm(word));
    bool is_unsigned = op & 8;
    if (rd == ARM_PC)
        op = 31;
    switch (op) {
    case 0x00: arm_put_alu(e, ARM_ADD, false, rd, rn, &o); break;
    case 0x0a: arm_put_alu(e, ARM_SUB, false, rd, rn, &o); break;
    case 0x04:
        o.imm = imm16;
        arm_put_alu(e, ARM_MOV, false, rd, 0, &o);
        break;
    case 0x0c:
        arm_put(e, (struct arm_insn){.op = ARM_OP_MOVT, .rd = (uint8_t)rd, .imm = imm16 << 16});
        break;
    case 0x12:
    case 0x1a:
        if (low == 0) {
            arm_put_saturate(e, is_unsigned | 2u, rd, (word & 15) + !is_unsigned, rn, ARM_LSL, 0);
            break;
        }
        arm_put_saturate(e, is_unsigned, rd, last + !is_unsigned, rn, ARM_ASR, low);
        break;
    case 0x10:
    case 0x18: arm_put_saturate(e, is_unsigned, rd, last + !is_unsigned, rn, ARM_LSL, low); break;
    case 0x14:
    case 0x1c: arm_put_extract(e, !is_unsigned, rd, rn, low, last + 1); break;
    case 0x16: arm_put_insert(e, rd, rn, low, last); break;
    default: arm_put_illegal(e);
    }
}

/* --- branches and what stands beside them --- */

static void decode_jump(struct arm_emit *e, uint32_t word)
{
    uint32_t s = word >> 26 & 1, j1 = word >> 13 & 1, j2 = word >> 11 & 1;
    uint32_t low = word << 1 & 0xffe;
    uint32_t far = (s ^ j1 ^ 1) << 23 | (s ^ j2 ^ 1) << 22 | (word >> 4 & 0x3ff000) | low | s << 24;
    uint32_t near = s << 20 | j2 << 19 | j1 << 18 | (word >> 4 & 0x3f000) | low;
    switch (word >> 12 & 5) {
    case 0: arm_put_branch(e, word >> 22 & 15, (arm_pc(e) + arm_extend(near, 21)) | 1); break;
    case 1: arm_put_branch(e, 14, (arm_pc(e) + arm_extend(far, 25)) | 1); break;
    case 4:
        if (word & 1)
            arm_put_illegal(e);
        else
            arm_put_call(e, (arm_pc(e) & ~3u) + arm_extend(far, 25));
        break;
    default: arm_put_call(e, (arm_pc(e) + arm_extend(far, 25)) | 1);
    }
}

/* msr, mrs, hints, barriers; bits 26 to 20 from 0x38 on. */
static void decode_control(struct arm_emit *e, uint32_t word)
{
    unsigned op = word >> 20 & 127;
    uint32_t bits = (word >> 11 & 1 ? 0xf8000000u : 0) | (word >> 10 & 1 ? ARM_CPSR_GE : 0);
    if (op == 0x38 && !(word & 0x20))
        arm_put_handler(e, arm_do_set_flags,
                        (struct arm_insn){.rm = (uint8_t)field(word, 16), .imm = bits});
    else if (op == 0x3a)
        return; /* hints, cps: a program may not, and nothing happens */
    else if (op == 0x3b && field(word, 4) == 2)
        arm_put_four(e, arm_do_clrex, 0, 0, 0, 0, 0);
    else if (op == 0x3b && field(word, 4) >= 4 && field(word, 4) <= 6)
        return; /* barriers */
    else if (op == 0x3c)
        arm_put_bx(e, field(word, 16)); /* bxj: as bx without Jazelle */
    else if (op == 0x3e && !(word & 0x20))
        arm_put_handler(e, arm_do_get_flags, (struct arm_insn){.rd = (uint8_t)field(word, 8)});
    else
        arm_put_illegal(e);
}

static void decode_branch(struct arm_emit *e, uint32_t word)
{
    if ((word & 0x5000) == 0 && (word >> 23 & 7) == 7) {
        if (word >> 26 & 1)
            arm_put_illegal(e); /* smc, hvc, udf */
        else
            decode_control(e, word);
    } else {
        decode_jump(e, word);
    }
}

/* --- memory --- */

static void decode_multiple(struct arm_emit *e, uint32_t word)
{
    unsigned direction = word >> 23 & 3, rn = field(word, 16);
    bool load = word >> 20 & 1, keeps = word >> 21 & 1;
    uint32_t list = word & 0xffff & ~(1u << ARM_SP);
    if (direction == 0 || direction == 3 || (!load && list >> ARM_PC & 1)) {
        arm_put_illegal(e);
        return;
    }
    if (load && list >> rn & 1)
        keeps = false;
    arm_put_multiple(e, load, direction == 1, direction == 2, keeps, rn, list);
}

/* tbb, tbh: a distance from a table. */
static void decode_table(struct arm_emit *e, uint32_t word)
{
    bool half = word >> 4 & 1;
    arm_put(e, (struct arm_insn){.op = half ? ARM_OP_LDRH_X : ARM_OP_LDRB_X,
                                 .rd = ARM_R_TEMP,
                                 .rn = arm_source(e, field(word, 16)),
                                 .rm = (uint8_t)field(word, 0),
                                 .sa = half});
    arm_put(e, (struct arm_insn){.op = ARM_OP_ADDRESS, .rd = ARM_R_HERE, .imm = arm_pc(e) | 1});
    arm_put(e,
            (struct arm_insn){
                .op = ARM_OP_ADD_LSL, .rd = ARM_PC, .rn = ARM_R_HERE, .rm = ARM_R_TEMP, .sa = 1});
    arm_end_load(e, ARM_PC);
}

static void put_ldrex(struct arm_emit *e, uint32_t word, unsigned bytes, uint32_t offset)
{
    arm_put_four(e, arm_do_ldrex, field(word, 12), field(word, 16), 0, field(word, 8), bytes);
    e->block->insn[e->block->head.insns - 1].imm = offset;
}

static void put_strex(struct arm_emit *e, uint32_t word, unsigned rd, unsigned bytes,
                      uint32_t offset)
{
    arm_put_four(e, arm_do_strex, rd, field(word, 16), field(word, 12), field(word, 8), bytes);
    e->block->insn[e->block->head.insns - 1].imm = offset;
}

/* Two registers, exclusives, tables: bits 24 to 20. */
static void decode_pair(struct arm_emit *e, uint32_t word)
{
    static const uint8_t bytes[4] = {1, 2, 0, 8};
    bool load = word >> 20 & 1;
    unsigned how = field(word, 4);
    uint32_t offset = (word & 255) * 4;
    if ((word >> 21 & 1) || (word >> 24 & 1)) {
        const struct arm_access a = {.op = load ? ARM_OP_LDR : ARM_OP_STR,
                                     .pair = load ? arm_do_ldrd : arm_do_strd,
                                     .rt = field(word, 12),
                                     .rt2 = field(word, 8),
                                     .rn = field(word, 16),
                                     .before = word >> 24 & 1,
                                     .add = word >> 23 & 1,
                                     .keeps = word >> 21 & 1,
                                     .offset = imm_operand(offset)};
        if (a.rt == ARM_PC || a.rt2 == ARM_PC)
            arm_put_illegal(e);
        else
            arm_put_access(e, &a);
    } else if (!(word >> 23 & 1)) {
        if (load)
            put_ldrex(e, word, 4, offset);
        else
            put_strex(e, word, field(word, 8), 4, offset);
    } else if (load && (how & 14) == 0 && field(word, 0) != ARM_PC) {
        decode_table(e, word);
    } else if (how < 4 || how > 7 || how == 6) {
        arm_put_illegal(e);
    } else if (load) {
        put_ldrex(e, word, bytes[how & 3], 0);
    } else {
        put_strex(e, word, field(word, 0), bytes[how & 3], 0);
    }
}

/* The offset of a single access; false: none of them. */
static bool find_offset(uint32_t word, struct arm_access *a)
{
    a->before = a->add = true;
    a->offset = imm_operand(word & 0xfff);
    if (a->rn == ARM_PC) {
        a->add = word >> 23 & 1;
        return true;
    }
    if (word >> 23 & 1)
        return true;
    if ((word & 0xfc0) == 0) {
        a->offset =
            (struct arm_operand){.by = ARM_BY_SHIFT, .rm = field(word, 0), .count = word >> 4 & 3};
        return true;
    }
    a->offset = imm_operand(word & 255);
    a->before = word >> 10 & 1;
    a->add = word >> 9 & 1;
    a->keeps = word >> 8 & 1;
    return (word & 0x800) && (a->before || a->keeps);
}

static void decode_single(struct arm_emit *e, uint32_t word)
{
    static const uint16_t stores[4] = {ARM_OP_STRB, ARM_OP_STRH, ARM_OP_STR, 0};
    static const uint16_t loads[8] = {ARM_OP_LDRB,  ARM_OP_LDRH,  ARM_OP_LDR, 0,
                                      ARM_OP_LDRSB, ARM_OP_LDRSH, 0,          0};
    bool load = word >> 20 & 1, is_signed = word >> 24 & 1;
    unsigned size = word >> 21 & 3;
    struct arm_access a = {.rt = field(word, 12), .rn = field(word, 16)};
    a.op = (enum arm_op)(load ? loads[size | (is_signed ? 4u : 0u)] : stores[size]);
    if (!a.op || (!load && (is_signed || a.rn == ARM_PC)) || !find_offset(word, &a)) {
        arm_put_illegal(e);
        return;
    }
    if (a.rt == ARM_PC && (!load || size != 2)) {
        if (!load || a.keeps)
            arm_put_illegal(e);
        return; /* pld, pli: loads ahead */
    }
    arm_put_access(e, &a);
}

void arm_decode_wide(struct arm_emit *e, uint32_t word)
{
    struct arm_operand o;
    switch (word >> 25 & 15) {
    case 4: /* 0100 */
        if (word >> 22 & 1)
            decode_pair(e, word);
        else
            decode_multiple(e, word);
        break;
    case 5: decode_shifted(e, word); break;
    case 8:
    case 9:
    case 10:
    case 11:
        if (word & 0x8000) {
            decode_branch(e, word);
        } else if (word >> 25 & 1) {
            decode_plain(e, word);
        } else {
            o = expanded(split_imm(word));
            decode_alu(e, word, &o);
        }
        break;
    case 12: decode_single(e, word); break;
    case 13: arm_decode_wide_register(e, word); break;
    case 6:
    case 7:
        if (word >> 28 == 0xe && word >> 24 != 0xef)
            arm_decode_coprocessor(e, word);
        else
            arm_put_illegal(e);
        break;
    default: arm_put_illegal(e); /* coprocessors' second forms, NEON */
    }
}
