/* Multiplies that are not in the main loop, and divisions. */
#include "cpu/arm_decode.h"

static uint64_t get_long(const struct arm *cpu, const struct arm_insn *insn)
{
    return (uint64_t)cpu->r[insn->rd] << 32 | cpu->r[insn->ra];
}

static void set_long(struct arm *cpu, const struct arm_insn *insn, uint64_t value)
{
    cpu->r[insn->ra] = (uint32_t)value;
    cpu->r[insn->rd] = (uint32_t)(value >> 32);
}

static int64_t half(uint32_t value, bool high)
{
    return (int16_t)(high ? value >> 16 : value);
}

/* A sum that sets Q when it does not fit. */
static void set_sum(struct arm *cpu, const struct arm_insn *insn, int64_t value)
{
    if (value != (int32_t)value)
        cpu->state.cpsr |= ARM_CPSR_Q;
    cpu->r[insn->rd] = (uint32_t)value;
}

int arm_do_long_add(struct arm *cpu, const struct arm_insn *insn)
{
    uint32_t n = cpu->r[insn->rn], m = cpu->r[insn->rm];
    uint64_t product = (uint64_t)n * m;
    if (insn->sa == ARM_LONG_SMLAL)
        product = (uint64_t)((int64_t)(int32_t)n * (int32_t)m);
    if (insn->sa == ARM_LONG_UMAAL)
        set_long(cpu, insn, product + cpu->r[insn->rd] + cpu->r[insn->ra]);
    else
        set_long(cpu, insn, product + get_long(cpu, insn));
    return 0;
}

int arm_do_long_flags(struct arm *cpu, const struct arm_insn *insn)
{
    cpu->r[ARM_R_N] = cpu->r[insn->rd];
    cpu->r[ARM_R_Z] = cpu->r[insn->rd] | cpu->r[insn->ra];
    return 0;
}

int arm_do_half_multiply(struct arm *cpu, const struct arm_insn *insn)
{
    uint32_t n = cpu->r[insn->rn], m = cpu->r[insn->rm];
    int64_t product = half(m, insn->sa & ARM_HALF_M);
    if (insn->sa & ARM_HALF_WORD)
        product = (product * (int32_t)n) >> 16;
    else
        product *= half(n, insn->sa & ARM_HALF_N);
    if (insn->sa & ARM_HALF_LONG)
        set_long(cpu, insn, get_long(cpu, insn) + (uint64_t)product);
    else if (insn->sa & ARM_HALF_ADD)
        set_sum(cpu, insn, product + (int32_t)cpu->r[insn->ra]);
    else
        cpu->r[insn->rd] = (uint32_t)product;
    return 0;
}

int arm_do_dual_multiply(struct arm *cpu, const struct arm_insn *insn)
{
    uint32_t n = cpu->r[insn->rn], m = cpu->r[insn->rm];
    if (insn->sa & ARM_DUAL_SWAP)
        m = arm_rotate(m, 16);
    int64_t low = half(n, false) * half(m, false), high = half(n, true) * half(m, true);
    int64_t sum = insn->sa & ARM_DUAL_SUB ? low - high : low + high;
    if (insn->sa & ARM_DUAL_LONG)
        set_long(cpu, insn, get_long(cpu, insn) + (uint64_t)sum);
    else
        set_sum(cpu, insn, sum + (insn->ra == ARM_PC ? 0 : (int32_t)cpu->r[insn->ra]));
    return 0;
}

int arm_do_top_multiply(struct arm *cpu, const struct arm_insn *insn)
{
    int64_t product = (int64_t)(int32_t)cpu->r[insn->rn] * (int32_t)cpu->r[insn->rm];
    uint64_t sum = insn->ra == ARM_PC ? 0 : (uint64_t)cpu->r[insn->ra] << 32;
    sum = insn->sa & ARM_TOP_SUB ? sum - (uint64_t)product : sum + (uint64_t)product;
    if (insn->sa & ARM_TOP_ROUND)
        sum += 1u << 31;
    cpu->r[insn->rd] = (uint32_t)(sum >> 32);
    return 0;
}

/* By zero: 0. */
int arm_do_divide(struct arm *cpu, const struct arm_insn *insn)
{
    uint32_t n = cpu->r[insn->rn], m = cpu->r[insn->rm], quotient = 0;
    if (insn->sa && m != 0)
        quotient = n / m;
    else if (m != 0)
        quotient = (uint32_t)((int64_t)(int32_t)n / (int32_t)m);
    cpu->r[insn->rd] = quotient;
    return 0;
}

int arm_do_differences(struct arm *cpu, const struct arm_insn *insn)
{
    uint32_t n = cpu->r[insn->rn], m = cpu->r[insn->rm];
    uint32_t sum = insn->ra == ARM_PC ? 0 : cpu->r[insn->ra];
    for (unsigned at = 0; at < 32; at += 8) {
        uint32_t a = n >> at & 255, b = m >> at & 255;
        sum += a > b ? a - b : b - a;
    }
    cpu->r[insn->rd] = sum;
    return 0;
}
