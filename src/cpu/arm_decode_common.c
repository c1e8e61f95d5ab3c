/* Instructions whose fields lie elsewhere in ARM and in Thumb, and coprocessors, whose do not. */
#include "cpu/arm_decode.h"

void arm_put_four(struct arm_emit *e, arm_handler handler, unsigned rd, unsigned rn, unsigned rm,
                  unsigned ra, unsigned sa)
{
    if (rd == ARM_PC || rn == ARM_PC || rm == ARM_PC)
        arm_put_illegal(e);
    else
        arm_put_handler(e, handler,
                        (struct arm_insn){.rd = (uint8_t)rd,
                                          .rn = (uint8_t)rn,
                                          .rm = (uint8_t)rm,
                                          .ra = (uint8_t)ra,
                                          .sa = (uint8_t)sa});
}

/* The entry: the list and, in the upper half, by how much the base changes; imm: where the lowest
 * register lies. */
void arm_put_multiple(struct arm_emit *e, bool load, bool up, bool before, bool keeps, unsigned rn,
                      uint32_t list)
{
    uint32_t bytes = 4 * (uint32_t)__builtin_popcount(list);
    if (rn == ARM_PC || list == 0) {
        arm_put_illegal(e);
        return;
    }
    uint32_t start = up ? (before ? 4 : 0) : 0 - bytes + (before ? 0 : 4);
    uint32_t change = keeps ? (up ? bytes : 0 - bytes) : 0;
    if (!load && list >> ARM_PC & 1)
        arm_source(e, ARM_PC);
    arm_put_handler(
        e, load ? arm_do_ldm : arm_do_stm,
        (struct arm_insn){.rn = (uint8_t)rn, .imm = start, .word = change << 16 | list});
    if (load && list >> ARM_PC & 1)
        arm_end_load(e, ARM_PC);
}

void arm_put_insert(struct arm_emit *e, unsigned rd, unsigned rn, unsigned low, unsigned high)
{
    if (high < low || rd == ARM_PC) {
        arm_put_illegal(e);
        return;
    }
    uint32_t mask = ~0u >> (31 - (high - low)) << low;
    struct arm_operand clear = {.by = ARM_BY_IMM, .imm = mask};
    if (rn == ARM_PC)
        arm_put_alu(e, ARM_BIC, false, rd, rd, &clear);
    else
        arm_put(e, (struct arm_insn){.op = ARM_OP_BFI,
                                     .rd = (uint8_t)rd,
                                     .rn = (uint8_t)rn,
                                     .sa = (uint8_t)low,
                                     .imm = mask});
}

void arm_put_extract(struct arm_emit *e, bool is_signed, unsigned rd, unsigned rn, unsigned low,
                     unsigned width)
{
    if (low + width > 32 || rd == ARM_PC || rn == ARM_PC)
        arm_put_illegal(e);
    else
        arm_put(e, (struct arm_insn){.op = is_signed ? ARM_OP_SBFX : ARM_OP_UBFX,
                                     .rd = (uint8_t)rd,
                                     .rn = (uint8_t)rn,
                                     .sa = (uint8_t)(32 - low - width),
                                     .ra = (uint8_t)(32 - width)});
}

void arm_put_extend(struct arm_emit *e, unsigned kind, unsigned rd, unsigned rn, unsigned rm,
                    unsigned rotation)
{
    static const uint16_t plain[8] = {
        [2] = ARM_OP_SXTB, [3] = ARM_OP_SXTH, [6] = ARM_OP_UXTB, [7] = ARM_OP_UXTH};
    struct arm_insn insn = {.op = plain[kind],
                            .rd = (uint8_t)rd,
                            .rn = (uint8_t)rn,
                            .rm = (uint8_t)rm,
                            .sa = (uint8_t)rotation,
                            .imm = kind};
    if (rd == ARM_PC || rm == ARM_PC)
        arm_put_illegal(e);
    else if (insn.op && rn == ARM_PC && rotation == 0)
        arm_put(e, insn);
    else
        arm_put_handler(e, arm_do_extend, insn);
}

void arm_put_saturate(struct arm_emit *e, unsigned kind, unsigned rd, unsigned bits, unsigned rm,
                      enum arm_shift type, unsigned count)
{
    struct arm_operand o = {.by = ARM_BY_SHIFT, .type = type, .rm = rm, .count = count};
    if (rd == ARM_PC || rm == ARM_PC) {
        arm_put_illegal(e);
        return;
    }
    arm_put_alu(e, ARM_MOV, false, ARM_R_TEMP, 0, &o);
    arm_put_handler(
        e, arm_do_saturate,
        (struct arm_insn){.rd = (uint8_t)rd, .rn = ARM_R_TEMP, .sa = (uint8_t)bits, .imm = kind});
}

void arm_put_pack(struct arm_emit *e, bool tb, unsigned rd, unsigned rn, unsigned rm,
                  unsigned count)
{
    struct arm_operand o = {
        .by = ARM_BY_SHIFT, .type = tb ? ARM_ASR : ARM_LSL, .rm = rm, .count = count};
    if (rd == ARM_PC || rn == ARM_PC || rm == ARM_PC) {
        arm_put_illegal(e);
        return;
    }
    arm_put_alu(e, ARM_MOV, false, ARM_R_TEMP, 0, &o);
    arm_put_four(e, arm_do_pack, rd, rn, ARM_R_TEMP, 0, tb);
}

/* Of the system's registers a program has the two of its thread, and the barriers of ARMv6. */
static void decode_system(struct arm_emit *e, uint32_t word)
{
    enum { ISB = 0x070504, DSB = 0x070a04, DMB = 0x070a05, THREAD_RW = 0x0d0002, THREAD_RO };
    bool reads = word >> 20 & 1;
    uint32_t place = (word & 0x000f0000) | (word << 8 & 0x0f00) | (word >> 5 & 7);
    unsigned rt = word >> 12 & 15;
    if ((word & 0x0fe00f10) != 0x0e000f10 || rt == ARM_PC)
        arm_put_illegal(e);
    else if (!reads && (place == ISB || place == DSB || place == DMB))
        return;
    else if (reads && (place == THREAD_RO || place == THREAD_RW))
        arm_put_four(e, arm_do_get_thread, rt, 0, 0, 0, place == THREAD_RW);
    else if (!reads && place == THREAD_RW)
        arm_put_four(e, arm_do_set_thread, rt, 0, 0, 0, 0);
    else
        arm_put_illegal(e);
}

void arm_decode_coprocessor(struct arm_emit *e, uint32_t word)
{
    unsigned number = word >> 8 & 15;
    if (number == 10 || number == 11)
        arm_decode_vfp(e, word);
    else if (number == 15)
        decode_system(e, word);
    else
        arm_put_illegal(e);
}
