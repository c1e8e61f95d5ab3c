/* The VFP's instructions (A7.5 to A7.9). */
#include "cpu/arm_vfp.h"

/* A register's number: four bits at `low` and one at `bit`, which is the lowest of a single's and
 * the highest of a double's. */
static uint8_t number(uint32_t word, bool wide, unsigned low, unsigned bit)
{
    unsigned four = word >> low & 15, one = word >> bit & 1;
    return (uint8_t)(wide ? one << 4 | four : four << 1 | one);
}

static uint8_t vd(uint32_t word, bool wide)
{
    return number(word, wide, 12, 22);
}

static uint8_t vn(uint32_t word, bool wide)
{
    return number(word, wide, 16, 7);
}

static uint8_t vm(uint32_t word, bool wide)
{
    return number(word, wide, 0, 5);
}

static bool is_wide(uint32_t word)
{
    return word >> 8 & 1;
}

static void put_binary(struct arm_emit *e, uint32_t word, enum arm_vfp_binary op)
{
    bool wide = is_wide(word);
    arm_put_handler(e, arm_do_vfp_binary,
                    (struct arm_insn){.rd = vd(word, wide),
                                      .rn = vn(word, wide),
                                      .rm = vm(word, wide),
                                      .ra = wide,
                                      .sa = (uint8_t)op});
}

static void put_unary(struct arm_emit *e, uint32_t word, enum arm_vfp_unary op)
{
    bool wide = is_wide(word);
    arm_put_handler(e, arm_do_vfp_unary,
                    (struct arm_insn){
                        .rd = vd(word, wide), .rm = vm(word, wide), .ra = wide, .sa = (uint8_t)op});
}

static void put_compare(struct arm_emit *e, uint32_t word)
{
    bool wide = is_wide(word);
    unsigned how =
        (word >> 7 & 1 ? ARM_COMPARE_SIGNALS : 0u) | (word >> 16 & 1 ? ARM_COMPARE_ZERO : 0u);
    arm_put_handler(
        e, arm_do_vfp_compare,
        (struct arm_insn){
            .rd = vd(word, wide), .rm = vm(word, wide), .ra = wide, .sa = (uint8_t)how});
}

static void put_constant(struct arm_emit *e, uint32_t word)
{
    bool wide = is_wide(word);
    if (word & 0xa0)
        arm_put_illegal(e);
    else
        arm_put_handler(e, arm_do_vfp_constant,
                        (struct arm_insn){.rd = vd(word, wide),
                                          .ra = wide,
                                          .imm = (word >> 12 & 0xf0) | (word & 15)});
}

static void put_integer(struct arm_emit *e, uint32_t word)
{
    bool wide = is_wide(word), to_int = word >> 18 & 1;
    unsigned how =
        to_int ? (word >> 16 & 1 ? ARM_INTEGER_SIGNED : 0u) | (word >> 7 & 1 ? ARM_INTEGER_CUT : 0u)
               : (word >> 7 & 1 ? ARM_INTEGER_SIGNED : 0u);
    arm_put_handler(e, to_int ? arm_do_vfp_to_int : arm_do_vfp_from_int,
                    (struct arm_insn){.rd = vd(word, wide && !to_int),
                                      .rm = vm(word, wide && to_int),
                                      .ra = wide,
                                      .sa = (uint8_t)how});
}

static void put_fixed(struct arm_emit *e, uint32_t word)
{
    bool wide = is_wide(word), word_sized = word >> 7 & 1;
    unsigned bits = word_sized ? 32 : 16, whole = (word & 15) << 1 | (word >> 5 & 1);
    unsigned how =
        (word >> 16 & 1 ? 0u : ARM_INTEGER_SIGNED) | (word_sized ? 0u : ARM_INTEGER_HALF);
    if (whole > bits)
        arm_put_illegal(e);
    else
        arm_put_handler(
            e, word >> 18 & 1 ? arm_do_vfp_to_fixed : arm_do_vfp_from_fixed,
            (struct arm_insn){
                .rd = vd(word, wide), .ra = wide, .imm = bits - whole, .sa = (uint8_t)how});
}

/* One operand: by bits 19 to 16, 7 and 6. */
static void decode_other(struct arm_emit *e, uint32_t word)
{
    bool wide = is_wide(word), high = word >> 7 & 1;
    if (!(word >> 6 & 1)) {
        put_constant(e, word);
        return;
    }
    switch (word >> 16 & 15) {
    case 0x0: put_unary(e, word, high ? ARM_VABS : ARM_VMOV); break;
    case 0x1: put_unary(e, word, high ? ARM_VSQRT : ARM_VNEG); break;
    case 0x4:
    case 0x5: put_compare(e, word); break;
    case 0x7:
        if (high) {
            arm_put_handler(
                e, arm_do_vfp_widen,
                (struct arm_insn){.rd = vd(word, !wide), .rm = vm(word, wide), .ra = wide});
            break;
        }
        arm_put_illegal(e);
        break;
    case 0x8:
    case 0xc:
    case 0xd: put_integer(e, word); break;
    case 0xa:
    case 0xb:
    case 0xe:
    case 0xf: put_fixed(e, word); break;
    default: arm_put_illegal(e); /* half precision, later architectures */
    }
}

static void decode_data(struct arm_emit *e, uint32_t word)
{
    static const uint8_t rows[8] = {ARM_VMLA, ARM_VMLS,  ARM_VNMLS, ARM_VNMLA,
                                    ARM_VMUL, ARM_VNMUL, ARM_VADD,  ARM_VSUB};
    unsigned op = (word >> 21 & 4) | (word >> 20 & 3), bit6 = word >> 6 & 1;
    if (op < 4)
        put_binary(e, word, (enum arm_vfp_binary)rows[2 * op + bit6]);
    else if (op == 4 && !bit6)
        put_binary(e, word, ARM_VDIV);
    else if (op == 7)
        decode_other(e, word);
    else
        arm_put_illegal(e); /* fused multiplies */
}

/* --- moves --- */

/* Between a general register and a word. */
static void decode_transfer(struct arm_emit *e, uint32_t word)
{
    enum { FPSCR = 1 };
    bool gets = word >> 20 & 1, wide = is_wide(word);
    unsigned rt = word >> 12 & 15, op = word >> 21 & 7;
    struct arm_insn insn = {.rd = (uint8_t)rt, .sa = vn(word, wide)};
    if (!wide && op == 7) {
        if ((word >> 16 & 15) != FPSCR || (!gets && rt == ARM_PC))
            arm_put_illegal(e);
        else
            arm_put_handler(e, gets ? arm_do_vfp_get_status : arm_do_vfp_set_status, insn);
        return;
    }
    if (wide) {
        insn.sa = (uint8_t)(2 * insn.sa + (op & 1));
        op &= ~1u;
    }
    if (op != 0 || (wide && word & 0x60) || rt == ARM_PC)
        arm_put_illegal(e);
    else
        arm_put_handler(e, gets ? arm_do_vfp_get_word : arm_do_vfp_set_word, insn);
}

/* Between two general registers and two words. */
static void decode_pair(struct arm_emit *e, uint32_t word)
{
    bool wide = is_wide(word);
    unsigned m = vm(word, wide), rt = word >> 12 & 15, rt2 = word >> 16 & 15;
    struct arm_insn insn = {
        .rd = (uint8_t)rt, .ra = (uint8_t)rt2, .sa = (uint8_t)(wide ? 2 * m : m)};
    if ((word & 0xd0) != 0x10 || rt == ARM_PC || rt2 == ARM_PC || (!wide && m == 31))
        arm_put_illegal(e);
    else
        arm_put_handler(e, word >> 20 & 1 ? arm_do_vfp_get_pair : arm_do_vfp_set_pair, insn);
}

/* The entry: imm and rn: where the first word lies. */
static void put_memory(struct arm_emit *e, uint32_t word, unsigned count, uint32_t offset)
{
    bool wide = is_wide(word);
    unsigned first = vd(word, wide) * (wide ? 2u : 1u), rn = word >> 16 & 15;
    struct arm_insn insn = {
        .rn = (uint8_t)rn, .ra = (uint8_t)count, .sa = (uint8_t)first, .imm = offset};
    if (rn == ARM_PC) {
        insn.rn = ARM_R_PAGE;
        insn.imm += arm_pc(e) & ~3u;
    }
    arm_put_handler(e, word >> 20 & 1 ? arm_do_vfp_load : arm_do_vfp_store, insn);
}

static void decode_multiple(struct arm_emit *e, uint32_t word)
{
    bool wide = is_wide(word), up = word >> 23 & 1, keeps = word >> 21 & 1;
    unsigned rn = word >> 16 & 15, count = word & 255, used = wide ? count & ~1u : count;
    unsigned first = vd(word, wide) * (wide ? 2u : 1u);
    if (used == 0 || used > 32 || first + used > (wide ? 64u : 32u) || (rn == ARM_PC && keeps)) {
        arm_put_illegal(e);
        return;
    }
    put_memory(e, word, used, up ? 0 : 0 - 4 * count);
    if (keeps)
        arm_put(e, (struct arm_insn){.op = up ? ARM_OP_ADD_IMM : ARM_OP_SUB_IMM,
                                     .rd = (uint8_t)rn,
                                     .rn = (uint8_t)rn,
                                     .imm = 4 * count});
}

/* By P, U and W. */
static void decode_memory(struct arm_emit *e, uint32_t word)
{
    uint32_t offset = (word & 255) * 4;
    bool before = word >> 24 & 1, up = word >> 23 & 1, keeps = word >> 21 & 1;
    if (before && !keeps)
        put_memory(e, word, is_wide(word) ? 2 : 1, up ? offset : 0 - offset);
    else if (before != up)
        decode_multiple(e, word);
    else if (!before && !keeps && word >> 22 & 1)
        decode_pair(e, word);
    else
        arm_put_illegal(e);
}

void arm_decode_vfp(struct arm_emit *e, uint32_t word)
{
    if (!(word >> 25 & 1))
        decode_memory(e, word);
    else if (word & 0x10)
        decode_transfer(e, word);
    else
        decode_data(e, word);
}
