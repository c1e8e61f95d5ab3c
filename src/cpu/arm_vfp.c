/* Arithmetic of the VFP. What an operation raised is added to FPSCR; nothing traps. */
#include "cpu/arm_vfp.h"

enum { ROUNDING_AT = 22, FLUSH_AT = 24, DEFAULT_NAN_AT = 25, DENORMAL_AT = 7 };

static struct cpu_float begin(const struct arm *cpu)
{
    static const enum cpu_float_rounding roundings[4] = {CPU_FLOAT_NEAREST, CPU_FLOAT_UP,
                                                         CPU_FLOAT_DOWN, CPU_FLOAT_TO_ZERO};
    uint32_t fpscr = cpu->state.fpscr;
    return (struct cpu_float){.rules = CPU_FLOAT_ARM,
                              .rounding = roundings[fpscr >> ROUNDING_AT & 3],
                              .flush = fpscr >> FLUSH_AT & 1,
                              .default_nan = fpscr >> DEFAULT_NAN_AT & 1};
}

static void end(struct arm *cpu, const struct cpu_float *env)
{
    static const struct {
        uint8_t flag, bit;
    } bits[] = {{CPU_FLOAT_INVALID, 0},  {CPU_FLOAT_DIVIDE, 1},
                {CPU_FLOAT_OVERFLOW, 2}, {CPU_FLOAT_UNDERFLOW, 3},
                {CPU_FLOAT_INEXACT, 4},  {CPU_FLOAT_DENORMAL, DENORMAL_AT}};
    for (unsigned i = 0; i < ARRAY_LEN(bits); i++)
        if (env->flags & bits[i].flag)
            cpu->state.fpscr |= 1u << bits[i].bit;
}

static const struct cpu_float_format *format(bool wide)
{
    return wide ? &cpu_float_double : &cpu_float_single;
}

static uint64_t sign_of(bool wide)
{
    return wide ? UINT64_C(1) << 63 : UINT64_C(1) << 31;
}

static uint64_t compute(struct cpu_float *env, enum arm_vfp_binary op, bool wide, uint64_t d,
                        uint64_t n, uint64_t m)
{
    const struct cpu_float_format *fmt = format(wide);
    uint64_t sign = sign_of(wide);
    switch (op) {
    case ARM_VADD: return cpu_float_add(env, fmt, n, m);
    case ARM_VSUB: return cpu_float_sub(env, fmt, n, m);
    case ARM_VDIV: return cpu_float_div(env, fmt, n, m);
    default: break;
    }
    uint64_t product = cpu_float_mul(env, fmt, n, m);
    switch (op) {
    case ARM_VMLA: return cpu_float_add(env, fmt, d, product);
    case ARM_VMLS: return cpu_float_add(env, fmt, d, product ^ sign);
    case ARM_VNMLS: return cpu_float_add(env, fmt, d ^ sign, product);
    case ARM_VNMLA: return cpu_float_add(env, fmt, d ^ sign, product ^ sign);
    case ARM_VNMUL: return product ^ sign;
    default: return product;
    }
}

int arm_do_vfp_binary(struct arm *cpu, const struct arm_insn *insn)
{
    bool wide = insn->ra;
    struct cpu_float env = begin(cpu);
    uint64_t result =
        compute(&env, (enum arm_vfp_binary)insn->sa, wide, arm_vfp_get(cpu, wide, insn->rd),
                arm_vfp_get(cpu, wide, insn->rn), arm_vfp_get(cpu, wide, insn->rm));
    end(cpu, &env);
    arm_vfp_set(cpu, wide, insn->rd, result);
    return 0;
}

int arm_do_vfp_unary(struct arm *cpu, const struct arm_insn *insn)
{
    bool wide = insn->ra;
    uint64_t value = arm_vfp_get(cpu, wide, insn->rm);
    struct cpu_float env = begin(cpu);
    switch ((enum arm_vfp_unary)insn->sa) {
    case ARM_VMOV: break;
    case ARM_VABS: value &= ~sign_of(wide); break;
    case ARM_VNEG: value ^= sign_of(wide); break;
    case ARM_VSQRT: value = cpu_float_sqrt(&env, format(wide), value); break;
    }
    end(cpu, &env);
    arm_vfp_set(cpu, wide, insn->rd, value);
    return 0;
}

int arm_do_vfp_compare(struct arm *cpu, const struct arm_insn *insn)
{
    /* N, Z, C, V by enum cpu_float_order. */
    static const uint8_t flags[4] = {8, 6, 2, 3};
    bool wide = insn->ra;
    struct cpu_float env = begin(cpu);
    uint64_t other = insn->sa & ARM_COMPARE_ZERO ? 0 : arm_vfp_get(cpu, wide, insn->rm);
    enum cpu_float_order order =
        cpu_float_compare(&env, format(wide), arm_vfp_get(cpu, wide, insn->rd), other,
                          insn->sa & ARM_COMPARE_SIGNALS);
    end(cpu, &env);
    cpu->state.fpscr = (cpu->state.fpscr & ~0xf0000000u) | (uint32_t)flags[order] << 28;
    return 0;
}

/* abcdefgh: sign a, exponent b inverted, b repeated, cd, fraction efgh. */
int arm_do_vfp_constant(struct arm *cpu, const struct arm_insn *insn)
{
    bool wide = insn->ra;
    uint64_t imm = insn->imm, sign = imm >> 7, b = imm >> 6 & 1;
    unsigned fraction = wide ? 52 : 23, repeats = wide ? 8 : 5;
    uint64_t exp =
        (b ^ 1) << (repeats + 2) | (b ? (UINT64_C(1) << repeats) - 1 : 0) << 2 | (imm >> 4 & 3);
    uint64_t value = exp << fraction | (imm & 15) << (fraction - 4);
    arm_vfp_set(cpu, wide, insn->rd, sign ? value | sign_of(wide) : value);
    return 0;
}

int arm_do_vfp_widen(struct arm *cpu, const struct arm_insn *insn)
{
    bool wide = insn->ra;
    struct cpu_float env = begin(cpu);
    uint64_t result =
        cpu_float_convert(&env, format(wide), format(!wide), arm_vfp_get(cpu, wide, insn->rm));
    end(cpu, &env);
    arm_vfp_set(cpu, !wide, insn->rd, result);
    return 0;
}

/* --- integers and fixed-point numbers --- */

int arm_do_vfp_to_int(struct arm *cpu, const struct arm_insn *insn)
{
    bool wide = insn->ra;
    struct cpu_float env = begin(cpu);
    if (insn->sa & ARM_INTEGER_CUT)
        env.rounding = CPU_FLOAT_TO_ZERO;
    int64_t value = cpu_float_to_fixed(&env, format(wide), arm_vfp_get(cpu, wide, insn->rm), 32,
                                       insn->sa & ARM_INTEGER_SIGNED, 0);
    end(cpu, &env);
    arm_vfp_set_word(cpu, insn->rd, (uint32_t)value);
    return 0;
}

static int64_t integer_of(const struct arm_insn *insn, uint32_t value)
{
    bool is_signed = insn->sa & ARM_INTEGER_SIGNED;
    if (insn->sa & ARM_INTEGER_HALF)
        return is_signed ? (int16_t)value : (uint16_t)value;
    return is_signed ? (int64_t)(int32_t)value : (int64_t)value;
}

int arm_do_vfp_from_int(struct arm *cpu, const struct arm_insn *insn)
{
    bool wide = insn->ra;
    struct cpu_float env = begin(cpu);
    uint64_t result =
        cpu_float_from_int(&env, format(wide), integer_of(insn, arm_vfp_word(cpu, insn->rm)));
    end(cpu, &env);
    arm_vfp_set(cpu, wide, insn->rd, result);
    return 0;
}

int arm_do_vfp_to_fixed(struct arm *cpu, const struct arm_insn *insn)
{
    bool wide = insn->ra;
    struct cpu_float env = begin(cpu);
    env.rounding = CPU_FLOAT_TO_ZERO;
    int64_t value = cpu_float_to_fixed(&env, format(wide), arm_vfp_get(cpu, wide, insn->rd),
                                       insn->sa & ARM_INTEGER_HALF ? 16 : 32,
                                       insn->sa & ARM_INTEGER_SIGNED, insn->imm);
    end(cpu, &env);
    arm_vfp_set(cpu, wide, insn->rd, (uint64_t)value);
    return 0;
}

int arm_do_vfp_from_fixed(struct arm *cpu, const struct arm_insn *insn)
{
    bool wide = insn->ra;
    struct cpu_float env = begin(cpu);
    env.rounding = CPU_FLOAT_NEAREST;
    int64_t value = integer_of(insn, (uint32_t)arm_vfp_get(cpu, wide, insn->rd));
    uint64_t result = cpu_float_from_fixed(&env, format(wide), value, insn->imm);
    end(cpu, &env);
    arm_vfp_set(cpu, wide, insn->rd, result);
    return 0;
}
