/* Registers and operands of 1 to 8 bytes as 64-bit values, for the instructions that are functions
 * and do not care for speed. */
#ifndef CPU_X86_OPERAND_H
#define CPU_X86_OPERAND_H

#include "cpu/x86_flags.h"

/* A register; of size 1, a byte register's place. Zero-extended. */
static inline uint64_t x86_reg_get(const struct x86 *cpu, unsigned reg, unsigned size)
{
    switch (size) {
    case 1: return ((const uint8_t *)cpu->r)[reg];
    case 2: return (uint16_t)cpu->r[reg];
    case 4: return (uint32_t)cpu->r[reg];
    default: return cpu->r[reg];
    }
}

/* As the processor does: 4 bytes clear the upper half, 1 and 2 leave the rest alone. */
static inline void x86_reg_set(struct x86 *cpu, unsigned reg, unsigned size, uint64_t value)
{
    switch (size) {
    case 1: ((uint8_t *)cpu->r)[reg] = (uint8_t)value; break;
    case 2: cpu->r[reg] = (cpu->r[reg] & ~UINT64_C(0xffff)) | (uint16_t)value; break;
    case 4: cpu->r[reg] = (uint32_t)value; break;
    default: cpu->r[reg] = value; break;
    }
}

/* The operand that ModRM's rm names. Stores answer 0 or a stop code, with nothing changed. */
static inline int x86_rm_get(struct x86 *cpu, const struct x86_insn *insn, uint64_t *value)
{
    if (!(insn->flags & X86_INSN_MEM)) {
        *value = x86_reg_get(cpu, insn->rm, insn->size);
        return 0;
    }
    *value = 0;
    return x86_load(cpu, x86_address(cpu, insn), value, insn->size);
}

/* The same, of an operand that will be written: faults as the write would. */
static inline int x86_rm_get_to_modify(struct x86 *cpu, const struct x86_insn *insn,
                                       uint64_t *value)
{
    if (!(insn->flags & X86_INSN_MEM))
        return x86_rm_get(cpu, insn, value);
    *value = 0;
    return x86_load_to_modify(cpu, x86_address(cpu, insn), value, insn->size);
}

static inline int x86_rm_set(struct x86 *cpu, const struct x86_insn *insn, uint64_t value)
{
    if (insn->flags & X86_INSN_MEM)
        return x86_store(cpu, x86_address(cpu, insn), &value, insn->size);
    x86_reg_set(cpu, insn->rm, insn->size, value);
    return 0;
}

static inline uint64_t x86_mask(unsigned size)
{
    return ~UINT64_C(0) >> (64 - 8 * size);
}

static inline uint64_t x86_sign_extend(uint64_t value, unsigned size)
{
    unsigned shift = 64 - 8 * size;
    return (uint64_t)((int64_t)(value << shift) >> shift);
}

static inline bool x86_sign(uint64_t value, unsigned size)
{
    return (value >> (8 * size - 1)) & 1;
}

static inline void x86_set_carry_of(struct x86 *cpu, bool cf, bool of)
{
    cpu->flag_carry = x86_carry_of(cf, of);
}

#endif
