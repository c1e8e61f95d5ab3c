/* Floating point of the xmm registers: arithmetic, comparisons, conversions.
 *
 * With all exceptions masked, as programs have it, an operation is one call. Else it runs with
 * clean flags into a copy, and counts only when none of its flags is unmasked. */
#include "cpu/x86_vector.h"

/* Invalid, denormal and divide by zero are found before the result is computed: when one of them
 * is unmasked, the others never come up. */
#define X86_MXCSR_BEFORE         0x0007u
#define X86_MXCSR_MASK_UNDERFLOW 0x0800u
#define X86_MXCSR_FLUSH          0x8000u

void x86_float_begin_checked(struct x86 *cpu)
{
    uint32_t mode = (cpu->state.mxcsr |= x86_float_flags()) & ~X86_MXCSR_FLAGS;
    /* Unmasked, underflow means any tiny result, also an exact one. With flushing to zero the host
     * raises it for just these; and when there is none, flushing changes nothing. (Beside such an
     * underflow, inexact is always set here; the processor leaves it clear for an exact one.) */
    if (!(mode & X86_MXCSR_MASK_UNDERFLOW))
        mode |= X86_MXCSR_FLUSH;
    x86_float_enter(mode);
}

int x86_float_end_checked(struct x86 *cpu)
{
    uint32_t raised = x86_float_flags();
    uint32_t wanted = ~(cpu->state.mxcsr >> 7) & X86_MXCSR_FLAGS;
    if (raised & wanted & X86_MXCSR_BEFORE)
        raised &= X86_MXCSR_BEFORE;
    cpu->state.mxcsr |= raised;
    x86_float_enter(cpu->state.mxcsr);
    return raised & wanted ? CPU_STOP_FLOAT : 0;
}

static int apply(struct x86 *cpu, const struct x86_insn *insn, const union x86_vec *s)
{
    union x86_vec *d = x86_xmm(cpu, insn->reg);
    x86_vec_fn fn = x86_imm_to_fn(insn->imm);
    if (X86_MXCSR_ALL_MASKED(cpu->state.mxcsr)) {
        fn(d, s);
        return 0;
    }
    union x86_vec result = *d;
    x86_float_begin_checked(cpu);
    fn(&result, s);
    int stop = x86_float_end_checked(cpu);
    if (!stop)
        *d = result;
    return stop;
}

static int apply_reg(struct x86 *cpu, const struct x86_insn *insn)
{
    return apply(cpu, insn, x86_xmm(cpu, insn->rm));
}

static int apply_mem16(struct x86 *cpu, const struct x86_insn *insn)
{
    union x86_vec s;
    int stop = x86_load_aligned(cpu, insn, &s);
    return stop ? stop : apply(cpu, insn, &s);
}

static int apply_mem8(struct x86 *cpu, const struct x86_insn *insn)
{
    union x86_vec s;
    int stop = x86_load64(cpu, x86_address(cpu, insn), &s.u64[0]);
    s.u64[1] = 0;
    return stop ? stop : apply(cpu, insn, &s);
}

static int apply_mem4(struct x86 *cpu, const struct x86_insn *insn)
{
    union x86_vec s;
    int stop = x86_load32(cpu, x86_address(cpu, insn), &s.u32[0]);
    return stop ? stop : apply(cpu, insn, &s);
}

/* A scalar operand: insn->size says how wide. */
static int scalar(struct x86 *cpu, const struct x86_insn *insn, bool is_double, union x86_vec *out)
{
    if (!(insn->flags & X86_INSN_MEM)) {
        *out = *x86_xmm(cpu, insn->rm);
        return 0;
    }
    out->u64[0] = 0;
    out->u64[1] = 0;
    return is_double ? x86_load64(cpu, x86_address(cpu, insn), &out->u64[0])
                     : x86_load32(cpu, x86_address(cpu, insn), &out->u32[0]);
}

/* ucomiss, ucomisd, comiss, comisd: insn->imm is the function. */
static int compare_scalar(struct x86 *cpu, const struct x86_insn *insn, bool is_double)
{
    union x86_vec s;
    int stop = scalar(cpu, insn, is_double, &s);
    if (stop)
        return stop;
    x86_float_begin(cpu);
    uint32_t flags = x86_float_compare[insn->imm & 1][is_double](x86_xmm(cpu, insn->reg), &s);
    stop = x86_float_end(cpu);
    if (!stop)
        x86_flags_set_compare(cpu, flags >> 6 & 1, flags >> 2 & 1, flags & 1);
    return stop;
}

static int compare_single(struct x86 *cpu, const struct x86_insn *insn)
{
    return compare_scalar(cpu, insn, false);
}

static int compare_double(struct x86 *cpu, const struct x86_insn *insn)
{
    return compare_scalar(cpu, insn, true);
}

/* cvtsi2ss, cvtsi2sd. */
static int from_int(struct x86 *cpu, const struct x86_insn *insn, bool is_double)
{
    bool wide = insn->size == 8;
    uint64_t value = cpu->r[insn->rm];
    int stop = 0;
    if (insn->flags & X86_INSN_MEM)
        stop = x86_load(cpu, x86_address(cpu, insn), &value, wide ? 8 : 4);
    if (stop)
        return stop;
    union x86_vec *d = x86_xmm(cpu, insn->reg), result = *d;
    x86_float_begin(cpu);
    x86_float_from_int[is_double][wide](&result, value);
    stop = x86_float_end(cpu);
    if (!stop)
        *d = result;
    return stop;
}

static int single_from_int(struct x86 *cpu, const struct x86_insn *insn)
{
    return from_int(cpu, insn, false);
}

static int double_from_int(struct x86 *cpu, const struct x86_insn *insn)
{
    return from_int(cpu, insn, true);
}

/* cvtss2si, cvtsd2si, and with insn->imm 1 the truncating forms. */
static int to_int(struct x86 *cpu, const struct x86_insn *insn, bool is_double)
{
    union x86_vec s;
    int stop = scalar(cpu, insn, is_double, &s);
    if (stop)
        return stop;
    x86_float_begin(cpu);
    uint64_t value = x86_float_to_int[insn->imm & 1][is_double][insn->size == 8](&s);
    stop = x86_float_end(cpu);
    if (!stop)
        cpu->r[insn->reg] = value;
    return stop;
}

static int single_to_int(struct x86 *cpu, const struct x86_insn *insn)
{
    return to_int(cpu, insn, false);
}

static int double_to_int(struct x86 *cpu, const struct x86_insn *insn)
{
    return to_int(cpu, insn, true);
}

/* By opcode and prefix. The handlers of 2A, 2C, 2D, 2E, 2F serve both forms. */
static const struct x86_vector_form scalars[6][4] = {
    [0x2a - 0x2a] = {[X86_PREFIX_F3] = {single_from_int, single_from_int},
                     [X86_PREFIX_F2] = {double_from_int, double_from_int}},
    [0x2c - 0x2a] = {[X86_PREFIX_F3] = {single_to_int, single_to_int},
                     [X86_PREFIX_F2] = {double_to_int, double_to_int}},
    [0x2d - 0x2a] = {[X86_PREFIX_F3] = {single_to_int, single_to_int},
                     [X86_PREFIX_F2] = {double_to_int, double_to_int}},
    [0x2e - 0x2a] = {{compare_single, compare_single}, {compare_double, compare_double}},
    [0x2f - 0x2a] = {{compare_single, compare_single}, {compare_double, compare_double}},
};

static bool decode_scalar(const struct x86_decoder *d, struct x86_insn *insn)
{
    insn->imm = d->opcode == 0x2c || d->opcode == 0x2f; /* truncating, signalling */
    return x86_vector_choose(&scalars[d->opcode - 0x2a][d->prefix], insn);
}

/* How the memory operand of a two-operand form is read: cvtps2pd and cvtdq2pd take half of it. */
static x86_handler memory_form(const struct x86_decoder *d)
{
    if (d->prefix == X86_PREFIX_F2 && d->opcode != 0xe6)
        return apply_mem8;
    if (d->prefix == X86_PREFIX_F3)
        return d->opcode == 0xe6 ? apply_mem8 : d->opcode == 0x5b ? apply_mem16 : apply_mem4;
    return d->opcode == 0x5a && d->prefix == X86_PREFIX_NONE ? apply_mem8 : apply_mem16;
}

bool x86_decode_vector_float(const struct x86_decoder *d, struct x86_insn *insn)
{
    if (d->opcode >= 0x2a && d->opcode <= 0x2f)
        return decode_scalar(d, insn);
    x86_vec_fn fn = d->opcode == 0xc2 ? x86_float_cmp[d->prefix][insn->imm & 7]
                                      : x86_float_ops[d->opcode][d->prefix];
    if (!fn)
        return false;
    insn->imm = x86_fn_to_imm(fn);
    insn->handler = insn->flags & X86_INSN_MEM ? memory_form(d) : apply_reg;
    return true;
}
