/* Packed integers of the xmm registers, shuffles, and the logic of the floating-point names. */
#include "cpu/x86_vector.h"

/* Two operands and an immediate. */
#define WITH_IMMEDIATE(name)                                                                 \
    static int name##_reg(struct x86 *cpu, const struct x86_insn *insn)                      \
    {                                                                                        \
        x86_vec_##name(x86_xmm(cpu, insn->reg), x86_xmm(cpu, insn->rm), (uint8_t)insn->imm); \
        return 0;                                                                            \
    }                                                                                        \
    static int name##_mem(struct x86 *cpu, const struct x86_insn *insn)                      \
    {                                                                                        \
        union x86_vec s;                                                                     \
        int stop = x86_load_aligned(cpu, insn, &s);                                          \
        if (!stop)                                                                           \
            x86_vec_##name(x86_xmm(cpu, insn->reg), &s, (uint8_t)insn->imm);                 \
        return stop;                                                                         \
    }

WITH_IMMEDIATE(pshufd)
WITH_IMMEDIATE(pshufhw)
WITH_IMMEDIATE(pshuflw)
WITH_IMMEDIATE(shufps)
WITH_IMMEDIATE(shufpd)

/* Shifts by an immediate: insn->imm is the count, and above it the opcode; the ModRM register field
 * says which. */
static int shift(struct x86 *cpu, const struct x86_insn *insn)
{
    uint8_t count = (uint8_t)insn->imm, opcode = (uint8_t)(insn->imm >> 8);
    x86_vec_shift(opcode, insn->reg)(x86_xmm(cpu, insn->rm), count);
    return 0;
}

static int pinsrw_reg(struct x86 *cpu, const struct x86_insn *insn)
{
    x86_xmm(cpu, insn->reg)->u16[insn->imm & 7] = (uint16_t)cpu->r[insn->rm];
    return 0;
}

static int pinsrw_mem(struct x86 *cpu, const struct x86_insn *insn)
{
    return x86_load16(cpu, x86_address(cpu, insn), &x86_xmm(cpu, insn->reg)->u16[insn->imm & 7]);
}

static int pextrw(struct x86 *cpu, const struct x86_insn *insn)
{
    cpu->r[insn->reg] = x86_xmm(cpu, insn->rm)->u16[insn->imm & 7];
    return 0;
}

static int pmovmskb(struct x86 *cpu, const struct x86_insn *insn)
{
    cpu->r[insn->reg] = x86_vec_pmovmskb(x86_xmm(cpu, insn->rm));
    return 0;
}

static int movmskps(struct x86 *cpu, const struct x86_insn *insn)
{
    cpu->r[insn->reg] = x86_vec_movmskps(x86_xmm(cpu, insn->rm));
    return 0;
}

static int movmskpd(struct x86 *cpu, const struct x86_insn *insn)
{
    cpu->r[insn->reg] = x86_vec_movmskpd(x86_xmm(cpu, insn->rm));
    return 0;
}

static const struct x86_vector_form forms[256][4] = {
    [0x50] = {{movmskps, NULL}, {movmskpd, NULL}},
    [0x70] = {[X86_PREFIX_66] = {pshufd_reg, pshufd_mem},
              [X86_PREFIX_F3] = {pshufhw_reg, pshufhw_mem},
              [X86_PREFIX_F2] = {pshuflw_reg, pshuflw_mem}},
    [0xc4] = {[X86_PREFIX_66] = {pinsrw_reg, pinsrw_mem}},
    [0xc5] = {[X86_PREFIX_66] = {pextrw, NULL}},
    [0xc6] = {{shufps_reg, shufps_mem}, {shufpd_reg, shufpd_mem}},
    [0xd7] = {[X86_PREFIX_66] = {pmovmskb, NULL}},
};

/* The logic and unpacking of the floating-point names are operations on integers: their opcode. */
static uint8_t integer_opcode(const struct x86_decoder *d)
{
    bool is_double = d->prefix == X86_PREFIX_66;
    switch (d->opcode) {
    case 0x14: return is_double ? 0x6c : 0x62;
    case 0x15: return is_double ? 0x6d : 0x6a;
    case 0x54: return 0xdb;
    case 0x55: return 0xdf;
    case 0x56: return 0xeb;
    case 0x57: return 0xef;
    default: return is_double ? d->opcode : 0;
    }
}

static bool decode_shift(const struct x86_decoder *d, struct x86_insn *insn)
{
    if (d->prefix != X86_PREFIX_66 || (insn->flags & X86_INSN_MEM))
        return false;
    insn->imm |= (uint64_t)d->opcode << 8;
    insn->handler = shift;
    return x86_vec_shift(d->opcode, insn->reg) != NULL;
}

bool x86_decode_vector_int(const struct x86_decoder *d, struct x86_insn *insn)
{
    if (d->opcode >= 0x71 && d->opcode <= 0x73)
        return decode_shift(d, insn);
    if (d->prefix <= X86_PREFIX_66 &&
        x86_vector_choose(&x86_vector_int_ops[integer_opcode(d)].form, insn))
        return true;
    return x86_vector_choose(&forms[d->opcode][d->prefix], insn);
}
