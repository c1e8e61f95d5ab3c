/* MMX: the mm registers are the significands of the x87 registers R0 to R7. The integer operations
 * are those of the xmm registers on the low half. */
#include "cpu/x86_vector.h"

/* The source operand: mm register or 8 bytes of memory (4 where `n` says so); after the check that
 * no x87 exception is pending. */
static int source(struct x86 *cpu, const struct x86_insn *insn, union x86_vec *out, unsigned n)
{
    int stop = x86_fpu_wait(cpu);
    out->u64[0] = 0;
    out->u64[1] = 0;
    if (stop)
        return stop;
    if (insn->flags & X86_INSN_MEM)
        return x86_load(cpu, x86_address(cpu, insn), out, n);
    out->u64[0] = x86_mm(cpu, insn->rm);
    return 0;
}

static int apply_bytes(struct x86 *cpu, const struct x86_insn *insn, unsigned n)
{
    union x86_vec d = {.u64 = {x86_mm(cpu, insn->reg), 0}}, s;
    int stop = source(cpu, insn, &s, n);
    if (stop)
        return stop;
    x86_imm_to_fn(insn->imm)(&d, &s);
    x86_set_mm(cpu, insn->reg, d.u64[0]);
    return 0;
}

static int apply(struct x86 *cpu, const struct x86_insn *insn)
{
    return apply_bytes(cpu, insn, 8);
}

/* punpckl*: only the low half of the memory operand is read. */
static int apply4(struct x86 *cpu, const struct x86_insn *insn)
{
    return apply_bytes(cpu, insn, 4);
}

static int move_load(struct x86 *cpu, const struct x86_insn *insn)
{
    union x86_vec s;
    int stop = source(cpu, insn, &s, 8);
    if (!stop)
        x86_set_mm(cpu, insn->reg, s.u64[0]);
    return stop;
}

static int move_back(struct x86 *cpu, const struct x86_insn *insn)
{
    int stop = x86_fpu_wait(cpu);
    if (!stop)
        x86_set_mm(cpu, insn->rm, x86_mm(cpu, insn->reg));
    return stop;
}

/* Stores of 4 or 8 bytes (insn->size). */
static int store_bytes(struct x86 *cpu, const struct x86_insn *insn, unsigned n)
{
    uint64_t value = x86_mm(cpu, insn->reg);
    int stop = x86_fpu_wait(cpu);
    if (!stop)
        stop = x86_store(cpu, x86_address(cpu, insn), &value, n);
    if (!stop)
        x86_mmx_touch(cpu);
    return stop;
}

static int move_store(struct x86 *cpu, const struct x86_insn *insn)
{
    return store_bytes(cpu, insn, 8);
}

static int movd_store(struct x86 *cpu, const struct x86_insn *insn)
{
    return store_bytes(cpu, insn, insn->size == 8 ? 8 : 4);
}

static int movd_load(struct x86 *cpu, const struct x86_insn *insn)
{
    union x86_vec s;
    int stop = source(cpu, insn, &s, insn->size == 8 ? 8 : 4);
    if (!stop)
        x86_set_mm(cpu, insn->reg, s.u64[0]);
    return stop;
}

/* movd, movq between mm and the general registers. */
static int from_general(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t value = cpu->r[insn->rm];
    int stop = x86_fpu_wait(cpu);
    if (!stop)
        x86_set_mm(cpu, insn->reg, insn->size == 8 ? value : (uint32_t)value);
    return stop;
}

static int to_general(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t value = x86_mm(cpu, insn->reg);
    int stop = x86_fpu_wait(cpu);
    if (stop)
        return stop;
    cpu->r[insn->rm] = insn->size == 8 ? value : (uint32_t)value;
    x86_mmx_touch(cpu);
    return 0;
}

static int pshufw(struct x86 *cpu, const struct x86_insn *insn)
{
    union x86_vec d, s;
    int stop = source(cpu, insn, &s, 8);
    if (stop)
        return stop;
    x86_vec_pshuflw(&d, &s, (uint8_t)insn->imm);
    x86_set_mm(cpu, insn->reg, d.u64[0]);
    return 0;
}

/* As in x86_sse_packed.c: the opcode stands above the count. */
static int shift(struct x86 *cpu, const struct x86_insn *insn)
{
    union x86_vec d = {.u64 = {x86_mm(cpu, insn->rm), 0}};
    int stop = x86_fpu_wait(cpu);
    if (stop)
        return stop;
    x86_vec_shift((uint8_t)(insn->imm >> 8), insn->reg)(&d, (uint8_t)insn->imm);
    x86_set_mm(cpu, insn->rm, d.u64[0]);
    return 0;
}

static int pinsrw(struct x86 *cpu, const struct x86_insn *insn)
{
    union x86_vec d = {.u64 = {x86_mm(cpu, insn->reg), 0}};
    uint16_t value = (uint16_t)cpu->r[insn->rm];
    int stop = x86_fpu_wait(cpu);
    if (!stop && (insn->flags & X86_INSN_MEM))
        stop = x86_load16(cpu, x86_address(cpu, insn), &value);
    if (stop)
        return stop;
    d.u16[insn->imm & 3] = value;
    x86_set_mm(cpu, insn->reg, d.u64[0]);
    return 0;
}

static int pextrw(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t value = x86_mm(cpu, insn->rm);
    int stop = x86_fpu_wait(cpu);
    if (stop)
        return stop;
    cpu->r[insn->reg] = (uint16_t)(value >> 16 * (insn->imm & 3));
    x86_mmx_touch(cpu);
    return 0;
}

static int pmovmskb(struct x86 *cpu, const struct x86_insn *insn)
{
    union x86_vec s = {.u64 = {x86_mm(cpu, insn->rm), 0}};
    int stop = x86_fpu_wait(cpu);
    if (stop)
        return stop;
    cpu->r[insn->reg] = x86_vec_pmovmskb(&s);
    x86_mmx_touch(cpu);
    return 0;
}

static int maskmovq(struct x86 *cpu, const struct x86_insn *insn)
{
    union x86_vec value = {.u64 = {x86_mm(cpu, insn->reg), 0}};
    union x86_vec mask = {.u64 = {x86_mm(cpu, insn->rm), 0}};
    int stop = x86_fpu_wait(cpu);
    if (!stop)
        stop = x86_store_masked(cpu, &value, &mask, 8);
    if (!stop)
        x86_mmx_touch(cpu);
    return stop;
}

static int emms(struct x86 *cpu, const struct x86_insn *insn)
{
    (void)insn;
    int stop = x86_fpu_wait(cpu);
    if (stop)
        return stop;
    x86_mmx_touch(cpu);
    cpu->state.fpu_tag = 0;
    return 0;
}

/* movdq2q, movq2dq. */
static int from_xmm(struct x86 *cpu, const struct x86_insn *insn)
{
    int stop = x86_fpu_wait(cpu);
    if (!stop)
        x86_set_mm(cpu, insn->reg, x86_xmm(cpu, insn->rm)->u64[0]);
    return stop;
}

static int to_xmm(struct x86 *cpu, const struct x86_insn *insn)
{
    union x86_vec *d = x86_xmm(cpu, insn->reg);
    int stop = x86_fpu_wait(cpu);
    if (stop)
        return stop;
    d->u64[0] = x86_mm(cpu, insn->rm);
    d->u64[1] = 0;
    x86_mmx_touch(cpu);
    return 0;
}

/* cvtpi2ps, cvtpi2pd: two integers to floats. Here `imm` is the function on whole registers: the
 * upper half of its operand is zero, and what it makes of that is dropped. */
static int floats_from_mm(struct x86 *cpu, const struct x86_insn *insn, bool is_double)
{
    union x86_vec *d = x86_xmm(cpu, insn->reg), s, result;
    int stop = source(cpu, insn, &s, 8);
    if (stop)
        return stop;
    x86_float_begin(cpu);
    x86_imm_to_fn(insn->imm)(&result, &s);
    stop = x86_float_end(cpu);
    if (!(insn->flags & X86_INSN_MEM))
        x86_mmx_touch(cpu); /* also with an exception; from memory, the x87 is left alone */
    if (stop)
        return stop;
    d->u64[0] = result.u64[0];
    if (is_double)
        d->u64[1] = result.u64[1];
    return 0;
}

static int singles_from_mm(struct x86 *cpu, const struct x86_insn *insn)
{
    return floats_from_mm(cpu, insn, false);
}

static int doubles_from_mm(struct x86 *cpu, const struct x86_insn *insn)
{
    return floats_from_mm(cpu, insn, true);
}

/* cvtps2pi, cvtpd2pi and the truncating forms. */
static int floats_to_mm(struct x86 *cpu, const struct x86_insn *insn, bool is_double)
{
    union x86_vec s = *x86_xmm(cpu, insn->rm), result;
    int stop = x86_fpu_wait(cpu);
    if (!stop && (insn->flags & X86_INSN_MEM))
        stop = is_double ? x86_load_aligned(cpu, insn, &s)
                         : x86_load64(cpu, x86_address(cpu, insn), &s.u64[0]);
    if (stop)
        return stop;
    if (!is_double)
        s.u64[1] = 0;
    x86_float_begin(cpu);
    x86_imm_to_fn(insn->imm)(&result, &s);
    stop = x86_float_end(cpu);
    x86_mmx_touch(cpu); /* also with an exception */
    if (!stop)
        x86_set_mm(cpu, insn->reg, result.u64[0]);
    return stop;
}

static int singles_to_mm(struct x86 *cpu, const struct x86_insn *insn)
{
    return floats_to_mm(cpu, insn, false);
}

static int doubles_to_mm(struct x86 *cpu, const struct x86_insn *insn)
{
    return floats_to_mm(cpu, insn, true);
}

static const struct x86_vector_form forms[256][4] = {
    [0x6e] = {{from_general, movd_load}},
    [0x6f] = {{move_load, move_load}},
    [0x70] = {{pshufw, pshufw}},
    [0x77] = {{emms, emms}},
    [0x7e] = {{to_general, movd_store}},
    [0x7f] = {{move_back, move_store}},
    [0xc4] = {{pinsrw, pinsrw}},
    [0xc5] = {{pextrw, NULL}},
    [0xd6] = {[X86_PREFIX_F3] = {to_xmm, NULL}, [X86_PREFIX_F2] = {from_xmm, NULL}},
    [0xd7] = {{pmovmskb, NULL}},
    [0xe7] = {{NULL, move_store}},
    [0xf7] = {{maskmovq, NULL}},
};

/* The conversions: the handler by prefix, and the function on whole registers that it uses. */
static bool decode_convert(const struct x86_decoder *d, struct x86_insn *insn)
{
    static const x86_handler handlers[2][2] = {{singles_from_mm, doubles_from_mm},
                                               {singles_to_mm, doubles_to_mm}};
    /* cvtdq2ps, cvtdq2pd; cvttps2dq, cvttpd2dq; cvtps2dq, cvtpd2dq */
    static const uint8_t whole[3][2][2] = {{{0x5b, X86_PREFIX_NONE}, {0xe6, X86_PREFIX_F3}},
                                           {{0x5b, X86_PREFIX_F3}, {0xe6, X86_PREFIX_66}},
                                           {{0x5b, X86_PREFIX_66}, {0xe6, X86_PREFIX_F2}}};
    if (d->prefix > X86_PREFIX_66)
        return false;
    const uint8_t *op = whole[d->opcode == 0x2a ? 0 : d->opcode - 0x2b][d->prefix];
    insn->imm = x86_fn_to_imm(x86_float_ops[op[0]][op[1]]);
    insn->handler = handlers[d->opcode != 0x2a][d->prefix];
    return true;
}

static bool decode_shift(const struct x86_decoder *d, struct x86_insn *insn)
{
    unsigned reg = insn->reg & 7;
    if (d->prefix != X86_PREFIX_NONE || (insn->flags & X86_INSN_MEM))
        return false;
    if (d->opcode == 0x73 && (reg == 3 || reg == 7)) /* shifts by bytes: xmm only */
        return false;
    insn->imm |= (uint64_t)d->opcode << 8;
    insn->handler = shift;
    return x86_vec_shift(d->opcode, reg) != NULL;
}

bool x86_decode_mmx(const struct x86_decoder *d, struct x86_insn *insn)
{
    if (d->opcode == 0x2a || d->opcode == 0x2c || d->opcode == 0x2d)
        return decode_convert(d, insn);
    if (d->opcode >= 0x71 && d->opcode <= 0x73)
        return decode_shift(d, insn);
    x86_vec_fn fn = d->prefix == X86_PREFIX_NONE ? x86_vector_int_ops[d->opcode].mmx : NULL;
    if (!fn)
        return x86_vector_choose(&forms[d->opcode][d->prefix], insn);
    insn->imm = x86_fn_to_imm(fn);
    insn->handler = d->opcode >= 0x60 && d->opcode <= 0x62 ? apply4 : apply;
    return true;
}
