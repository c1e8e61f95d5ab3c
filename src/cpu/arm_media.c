/* Arithmetic on parts of registers, saturation, and the registers of the program's status. */
#include "cpu/arm_decode.h"

enum { GE_AT = 16 };

static int64_t saturate(struct arm *cpu, int64_t value, int64_t least, int64_t most)
{
    if (value >= least && value <= most)
        return value;
    cpu->state.cpsr |= ARM_CPSR_Q;
    return value < least ? least : most;
}

int arm_do_saturating(struct arm *cpu, const struct arm_insn *insn)
{
    enum { SUB = 1, DOUBLED = 2 };
    int64_t m = (int32_t)cpu->r[insn->rm], n = (int32_t)cpu->r[insn->rn];
    if (insn->sa & DOUBLED)
        n = saturate(cpu, 2 * n, INT32_MIN, INT32_MAX);
    int64_t sum = insn->sa & SUB ? m - n : m + n;
    cpu->r[insn->rd] = (uint32_t)saturate(cpu, sum, INT32_MIN, INT32_MAX);
    return 0;
}

int arm_do_saturate(struct arm *cpu, const struct arm_insn *insn)
{
    enum { UNSIGNED = 1, HALVES = 2 };
    bool is_unsigned = insn->imm & UNSIGNED;
    int64_t most = (INT64_C(1) << (insn->sa - !is_unsigned)) - 1;
    int64_t least = is_unsigned ? 0 : -most - 1;
    uint32_t value = cpu->r[insn->rn], result;
    if (insn->imm & HALVES) {
        result = (uint16_t)saturate(cpu, (int16_t)value, least, most);
        result |= (uint32_t)saturate(cpu, (int16_t)(value >> 16), least, most) << 16;
    } else {
        result = (uint32_t)saturate(cpu, (int32_t)value, least, most);
    }
    cpu->r[insn->rd] = result;
    return 0;
}

/* --- parallel sums --- */

enum prefix { SIGNED = 1, SATURATED, HALVED, UNSIGNED = 5, UNSIGNED_SATURATED, UNSIGNED_HALVED };

/* Of one part of `bits`; *ge: what SIGNED and UNSIGNED set. */
static uint32_t sum_part(enum prefix prefix, int32_t a, int32_t b, bool subtract, unsigned bits,
                         bool *ge)
{
    bool is_unsigned = prefix >= UNSIGNED;
    int32_t most = (1 << (bits - !is_unsigned)) - 1, least = is_unsigned ? 0 : -most - 1;
    int32_t sum = subtract ? a - b : a + b;
    *ge = is_unsigned && !subtract ? sum > most : sum >= 0;
    if (prefix == HALVED || prefix == UNSIGNED_HALVED)
        sum >>= 1;
    else if (prefix == SATURATED || prefix == UNSIGNED_SATURATED)
        sum = sum < least ? least : sum > most ? most : sum;
    return (uint32_t)sum & ((1u << bits) - 1);
}

static int32_t part(uint32_t value, unsigned at, unsigned bits, bool is_unsigned)
{
    uint32_t p = value >> at & ((1u << bits) - 1);
    return (int32_t)(is_unsigned ? p : arm_extend(p, bits));
}

int arm_do_parallel(struct arm *cpu, const struct arm_insn *insn)
{
    enum prefix prefix = (enum prefix)insn->imm;
    enum arm_sum kind = (enum arm_sum)insn->sa;
    bool is_unsigned = prefix >= UNSIGNED;
    unsigned bits = kind >= ARM_SUM_ADD8 ? 8 : 16;
    uint32_t n = cpu->r[insn->rn], m = cpu->r[insn->rm], result = 0, ges = 0;
    if (kind == ARM_SUM_ASX || kind == ARM_SUM_SAX)
        m = arm_rotate(m, 16);
    for (unsigned at = 0; at < 32; at += bits) {
        bool subtract = kind == ARM_SUM_SUB || kind == ARM_SUM_SUB8 ||
                        (kind == ARM_SUM_ASX && at == 0) || (kind == ARM_SUM_SAX && at > 0),
             ge;
        result |= sum_part(prefix, part(n, at, bits, is_unsigned), part(m, at, bits, is_unsigned),
                           subtract, bits, &ge)
                  << at;
        ges |= (ge ? (bits == 8 ? 1u : 3u) : 0) << at / 8;
    }
    cpu->r[insn->rd] = result;
    if (prefix == SIGNED || prefix == UNSIGNED)
        cpu->state.cpsr = (cpu->state.cpsr & ~ARM_CPSR_GE) | ges << GE_AT;
    return 0;
}

int arm_do_select(struct arm *cpu, const struct arm_insn *insn)
{
    uint32_t mask = 0;
    for (unsigned i = 0; i < 4; i++)
        if (cpu->state.cpsr >> (GE_AT + i) & 1)
            mask |= 0xffu << 8 * i;
    cpu->r[insn->rd] = (cpu->r[insn->rn] & mask) | (cpu->r[insn->rm] & ~mask);
    return 0;
}

/* --- moving parts --- */

int arm_do_pack(struct arm *cpu, const struct arm_insn *insn)
{
    uint32_t n = cpu->r[insn->rn], m = cpu->r[insn->rm];
    uint32_t low = insn->sa ? m : n, high = insn->sa ? n : m;
    cpu->r[insn->rd] = (high & 0xffff0000u) | (low & 0xffff);
    return 0;
}

int arm_do_extend(struct arm *cpu, const struct arm_insn *insn)
{
    enum { OF_HALVES, OF_BYTE = 2, OF_HALF };
    uint32_t value = arm_rotate(cpu->r[insn->rm], insn->sa);
    uint32_t n = insn->rn == ARM_PC ? 0 : cpu->r[insn->rn];
    bool is_unsigned = insn->imm & 4;
    switch (insn->imm & 3) {
    case OF_BYTE: n += is_unsigned ? (uint8_t)value : (uint32_t)(int8_t)value; break;
    case OF_HALF: n += is_unsigned ? (uint16_t)value : (uint32_t)(int16_t)value; break;
    default: {
        uint32_t low = value & 255, high = value >> 16 & 255;
        if (!is_unsigned) {
            low = arm_extend(low, 8);
            high = arm_extend(high, 8);
        }
        n = ((n + low) & 0xffff) | ((n >> 16) + high) << 16;
    }
    }
    cpu->r[insn->rd] = n;
    return 0;
}

int arm_do_rev16(struct arm *cpu, const struct arm_insn *insn)
{
    uint32_t m = cpu->r[insn->rm];
    cpu->r[insn->rd] = (m & 0x00ff00ffu) << 8 | (m >> 8 & 0x00ff00ffu);
    return 0;
}

int arm_do_revsh(struct arm *cpu, const struct arm_insn *insn)
{
    cpu->r[insn->rd] = (uint32_t)(int16_t)__builtin_bswap16((uint16_t)cpu->r[insn->rm]);
    return 0;
}

int arm_do_rbit(struct arm *cpu, const struct arm_insn *insn)
{
    uint32_t m = cpu->r[insn->rm], result = 0;
    for (unsigned i = 0; i < 32; i++)
        result |= (m >> i & 1) << (31 - i);
    cpu->r[insn->rd] = result;
    return 0;
}

/* --- status --- */

int arm_do_get_flags(struct arm *cpu, const struct arm_insn *insn)
{
    const uint32_t *r = cpu->r;
    uint32_t flags = (cpu->state.cpsr & (ARM_CPSR_Q | ARM_CPSR_GE)) | ARM_CPSR_USER;
    flags |= (r[ARM_R_N] & ARM_CPSR_N) | (r[ARM_R_Z] ? 0 : ARM_CPSR_Z);
    flags |= (r[ARM_R_C] ? ARM_CPSR_C : 0) | (r[ARM_R_V] >> 31 ? ARM_CPSR_V : 0);
    cpu->r[insn->rd] = flags;
    return 0;
}

int arm_do_set_flags(struct arm *cpu, const struct arm_insn *insn)
{
    uint32_t value = cpu->r[insn->rm], bits = insn->imm & (ARM_CPSR_Q | ARM_CPSR_GE);
    cpu->state.cpsr = (cpu->state.cpsr & ~bits) | (value & bits);
    if (insn->imm & ARM_CPSR_N) {
        cpu->r[ARM_R_N] = value;
        cpu->r[ARM_R_Z] = ~value & ARM_CPSR_Z;
        cpu->r[ARM_R_C] = value >> 29 & 1;
        cpu->r[ARM_R_V] = value << 3;
    }
    return 0;
}

int arm_do_get_thread(struct arm *cpu, const struct arm_insn *insn)
{
    cpu->r[insn->rd] = insn->sa ? cpu->state.tls_rw : cpu->state.tls;
    return 0;
}

int arm_do_set_thread(struct arm *cpu, const struct arm_insn *insn)
{
    cpu->state.tls_rw = cpu->r[insn->rd];
    return 0;
}
