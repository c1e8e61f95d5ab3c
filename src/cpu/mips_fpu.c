/* Arithmetic of the floating-point unit. An operation computes with clean flags; what it raised
 * becomes FCSR's causes, and either traps or is added to the flags. */
#include "cpu/mips_fpu.h"

enum { FMT_S = 16, FMT_D = 17, FMT_W = 20, FMT_L = 21 };

#define FLAGS_MASK 31u

static struct cpu_float begin(const struct mips *cpu)
{
    uint32_t fcsr = cpu->state.fcsr;
    return (struct cpu_float){.rounding = (enum cpu_float_rounding)(fcsr & 3),
                              .flush = fcsr >> MIPS_FCSR_FLUSH_AT & 1};
}

/* 0, or the stop when the program wants to hear of it: then the result does not count. */
static int end(struct mips *cpu, const struct cpu_float *env)
{
    uint32_t *fcsr = &cpu->state.fcsr;
    *fcsr &= ~((FLAGS_MASK | 32u) << MIPS_FCSR_CAUSES_AT);
    *fcsr |= env->flags << MIPS_FCSR_CAUSES_AT;
    if (env->flags & *fcsr >> MIPS_FCSR_ENABLES_AT)
        return CPU_STOP_FLOAT;
    *fcsr |= env->flags << MIPS_FCSR_FLAGS_AT;
    return 0;
}

/* Single and double registers alike. */
struct format {
    const struct cpu_float_format *fmt;
    bool wide; /* 64 bits */
};

static struct format format_of(unsigned fmt)
{
    bool wide = fmt == FMT_D || fmt == FMT_L;
    return (struct format){wide ? &cpu_float_double : &cpu_float_single, wide};
}

static struct format format(const struct mips_insn *insn)
{
    return format_of(mips_rs(insn->word));
}

static bool has(const struct mips *cpu, struct format f, unsigned n)
{
    return !f.wide || mips_is_double(cpu, n);
}

static uint64_t get(const struct mips *cpu, struct format f, unsigned n)
{
    return f.wide ? mips_get_double(cpu, n) : (uint32_t)cpu->state.fpr[n];
}

static void set(struct mips *cpu, struct format f, unsigned n, uint64_t value)
{
    if (f.wide)
        mips_set_double(cpu, n, value);
    else
        mips_set_single(cpu, n, (uint32_t)value);
}

/* fd, fs and ft are where sa, rd and rt are elsewhere. */
static unsigned fd(const struct mips_insn *insn)
{
    return mips_sa(insn->word);
}

static unsigned fs(const struct mips_insn *insn)
{
    return mips_rd(insn->word);
}

static unsigned ft(const struct mips_insn *insn)
{
    return mips_rt(insn->word);
}

int mips_do_fp_binary(struct mips *cpu, const struct mips_insn *insn)
{
    typedef uint64_t (*operation)(struct cpu_float *, const struct cpu_float_format *, uint64_t,
                                  uint64_t);
    static const operation operations[4] = {cpu_float_add, cpu_float_sub, cpu_float_mul,
                                            cpu_float_div};
    struct format f = format(insn);
    if (!has(cpu, f, fd(insn) | fs(insn) | ft(insn)))
        return CPU_STOP_ILLEGAL;
    struct cpu_float env = begin(cpu);
    uint64_t result = operations[mips_function(insn->word)](&env, f.fmt, get(cpu, f, fs(insn)),
                                                            get(cpu, f, ft(insn)));
    int stop = end(cpu, &env);
    if (!stop)
        set(cpu, f, fd(insn), result);
    return stop;
}

int mips_do_fp_root(struct mips *cpu, const struct mips_insn *insn)
{
    enum { SQRT = 0x04, RECIP = 0x15 };
    struct format f = format(insn);
    unsigned function = mips_function(insn->word);
    if (!has(cpu, f, fd(insn) | fs(insn)))
        return CPU_STOP_ILLEGAL;
    struct cpu_float env = begin(cpu);
    uint64_t value = get(cpu, f, fs(insn));
    if (function != RECIP)
        value = cpu_float_sqrt(&env, f.fmt, value);
    if (function != SQRT)
        value = cpu_float_div(&env, f.fmt, cpu_float_one(f.fmt), value);
    int stop = end(cpu, &env);
    if (!stop)
        set(cpu, f, fd(insn), value);
    return stop;
}

int mips_do_fp_sign(struct mips *cpu, const struct mips_insn *insn)
{
    enum { ABS = 0x05, MOV = 0x06 };
    struct format f = format(insn);
    unsigned function = mips_function(insn->word);
    if (!has(cpu, f, fd(insn) | fs(insn)))
        return CPU_STOP_ILLEGAL;
    uint64_t sign = f.wide ? UINT64_C(1) << 63 : UINT64_C(1) << 31, value = get(cpu, f, fs(insn));
    if (function != MOV)
        value = function == ABS ? value & ~sign : value ^ sign;
    set(cpu, f, fd(insn), value);
    return 0;
}

static bool moves(const struct mips *cpu, const struct mips_insn *insn)
{
    enum { MOVCF = 0x11, MOVZ = 0x12 };
    uint32_t word = insn->word;
    if (mips_function(word) == MOVCF)
        return (cpu->state.fcsr >> mips_condition_bit(word >> 18 & 7) & 1) == (word >> 16 & 1);
    return (cpu->r[insn->rt] == 0) == (mips_function(word) == MOVZ);
}

int mips_do_fp_move_if(struct mips *cpu, const struct mips_insn *insn)
{
    struct format f = format(insn);
    if (!has(cpu, f, fd(insn) | fs(insn)))
        return CPU_STOP_ILLEGAL;
    if (moves(cpu, insn))
        set(cpu, f, fd(insn), get(cpu, f, fs(insn)));
    return 0;
}

/* round, trunc, ceil, floor to L (8 to b) and W (c to f) have their rounding in them; cvt not. */
int mips_do_fp_to_int(struct mips *cpu, const struct mips_insn *insn)
{
    enum { CVT_W = 0x24, CVT_L = 0x25 };
    struct format from = format(insn), to = format_of(FMT_W);
    unsigned function = mips_function(insn->word);
    if (function == CVT_L || function < 0x0c)
        to = format_of(FMT_L);
    if (!has(cpu, from, fs(insn)) || (to.wide && !cpu->state.fr))
        return CPU_STOP_ILLEGAL;
    struct cpu_float env = begin(cpu);
    if (function < CVT_W)
        env.rounding = (enum cpu_float_rounding)(function & 3);
    int64_t value = cpu_float_to_int(&env, from.fmt, get(cpu, from, fs(insn)), to.wide ? 64 : 32);
    int stop = end(cpu, &env);
    if (!stop)
        set(cpu, to, fd(insn), (uint64_t)value);
    return stop;
}

static uint64_t converted(struct cpu_float *env, unsigned from, struct format to, uint64_t value)
{
    switch (from) {
    case FMT_W: return cpu_float_from_int(env, to.fmt, (int32_t)value);
    case FMT_L: return cpu_float_from_int(env, to.fmt, (int64_t)value);
    default: return cpu_float_convert(env, format_of(from).fmt, to.fmt, value);
    }
}

int mips_do_fp_convert(struct mips *cpu, const struct mips_insn *insn)
{
    unsigned fmt = mips_rs(insn->word);
    struct format from = format_of(fmt);
    struct format to = format_of(mips_function(insn->word) == 0x20 ? FMT_S : FMT_D);
    bool exists = fmt != FMT_L || cpu->state.fr;
    if (!exists || !has(cpu, from, fs(insn)) || !has(cpu, to, fd(insn)))
        return CPU_STOP_ILLEGAL;
    struct cpu_float env = begin(cpu);
    uint64_t value = converted(&env, fmt, to, get(cpu, from, fs(insn)));
    int stop = end(cpu, &env);
    if (!stop)
        set(cpu, to, fd(insn), value);
    return stop;
}

int mips_do_fp_compare(struct mips *cpu, const struct mips_insn *insn)
{
    enum { UNORDERED = 1, EQUAL = 2, LESS = 4, SIGNALS = 8 };
    static const unsigned bits[] = {[CPU_FLOAT_LESS] = LESS,
                                    [CPU_FLOAT_EQUAL] = EQUAL,
                                    [CPU_FLOAT_GREATER] = 0,
                                    [CPU_FLOAT_UNORDERED] = UNORDERED};
    struct format f = format(insn);
    unsigned wanted = mips_function(insn->word) & 15;
    uint32_t bit = 1u << mips_condition_bit(insn->word >> 8 & 7);
    if (!has(cpu, f, fs(insn) | ft(insn)))
        return CPU_STOP_ILLEGAL;
    struct cpu_float env = begin(cpu);
    enum cpu_float_order order = cpu_float_compare(&env, f.fmt, get(cpu, f, fs(insn)),
                                                   get(cpu, f, ft(insn)), wanted & SIGNALS);
    int stop = end(cpu, &env);
    if (stop)
        return stop;
    cpu->state.fcsr &= ~bit;
    if (bits[order] & wanted)
        cpu->state.fcsr |= bit;
    return 0;
}

/* madd, msub, nmadd, nmsub: rounded twice, as release 2 has it. */
int mips_do_fp_multiply_add(struct mips *cpu, const struct mips_insn *insn)
{
    enum { SUBTRACTS = 0x08, NEGATES = 0x10 };
    unsigned function = mips_function(insn->word), fr = mips_rs(insn->word);
    struct format f = format_of(function & 1 ? FMT_D : FMT_S);
    if (!has(cpu, f, fd(insn) | fs(insn) | ft(insn) | fr))
        return CPU_STOP_ILLEGAL;
    struct cpu_float env = begin(cpu);
    uint64_t addend = get(cpu, f, fr);
    uint64_t value = cpu_float_mul(&env, f.fmt, get(cpu, f, fs(insn)), get(cpu, f, ft(insn)));
    value = function & SUBTRACTS ? cpu_float_sub(&env, f.fmt, value, addend)
                                 : cpu_float_add(&env, f.fmt, value, addend);
    if (function & NEGATES)
        value ^= f.wide ? UINT64_C(1) << 63 : UINT64_C(1) << 31;
    int stop = end(cpu, &env);
    if (!stop)
        set(cpu, f, fd(insn), value);
    return stop;
}
