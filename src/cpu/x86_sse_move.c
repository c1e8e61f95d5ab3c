/* Moves between xmm registers, memory and the general registers. */
#include "cpu/x86_vector.h"

static int move_reg(struct x86 *cpu, const struct x86_insn *insn)
{
    *x86_xmm(cpu, insn->reg) = *x86_xmm(cpu, insn->rm);
    return 0;
}

static int move_reg_back(struct x86 *cpu, const struct x86_insn *insn)
{
    *x86_xmm(cpu, insn->rm) = *x86_xmm(cpu, insn->reg);
    return 0;
}

static int load_any(struct x86 *cpu, const struct x86_insn *insn)
{
    return x86_load(cpu, x86_address(cpu, insn), x86_xmm(cpu, insn->reg), 16);
}

static int store_any(struct x86 *cpu, const struct x86_insn *insn)
{
    return x86_store(cpu, x86_address(cpu, insn), x86_xmm(cpu, insn->reg), 16);
}

static int load_aligned(struct x86 *cpu, const struct x86_insn *insn)
{
    return x86_load_aligned(cpu, insn, x86_xmm(cpu, insn->reg));
}

static int store_aligned(struct x86 *cpu, const struct x86_insn *insn)
{
    return x86_store_aligned(cpu, insn, x86_xmm(cpu, insn->reg));
}

/* Scalars: from memory the rest becomes zero, from a register it stays. */
static int move_low4(struct x86 *cpu, const struct x86_insn *insn)
{
    x86_xmm(cpu, insn->reg)->u32[0] = x86_xmm(cpu, insn->rm)->u32[0];
    return 0;
}

static int move_low4_back(struct x86 *cpu, const struct x86_insn *insn)
{
    x86_xmm(cpu, insn->rm)->u32[0] = x86_xmm(cpu, insn->reg)->u32[0];
    return 0;
}

static int move_low8(struct x86 *cpu, const struct x86_insn *insn)
{
    x86_xmm(cpu, insn->reg)->u64[0] = x86_xmm(cpu, insn->rm)->u64[0];
    return 0;
}

static int move_low8_back(struct x86 *cpu, const struct x86_insn *insn)
{
    x86_xmm(cpu, insn->rm)->u64[0] = x86_xmm(cpu, insn->reg)->u64[0];
    return 0;
}

static void set_low(struct x86 *cpu, unsigned i, uint64_t low)
{
    union x86_vec *d = x86_xmm(cpu, i);
    d->u64[0] = low;
    d->u64[1] = 0;
}

static int load4_zero(struct x86 *cpu, const struct x86_insn *insn)
{
    uint32_t value;
    int stop = x86_load32(cpu, x86_address(cpu, insn), &value);
    if (!stop)
        set_low(cpu, insn->reg, value);
    return stop;
}

static int load8_zero(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t value;
    int stop = x86_load64(cpu, x86_address(cpu, insn), &value);
    if (!stop)
        set_low(cpu, insn->reg, value);
    return stop;
}

static int move_low8_zero(struct x86 *cpu, const struct x86_insn *insn)
{
    set_low(cpu, insn->reg, x86_xmm(cpu, insn->rm)->u64[0]);
    return 0;
}

static int move_low8_zero_back(struct x86 *cpu, const struct x86_insn *insn)
{
    set_low(cpu, insn->rm, x86_xmm(cpu, insn->reg)->u64[0]);
    return 0;
}

static int store4(struct x86 *cpu, const struct x86_insn *insn)
{
    return x86_store32(cpu, x86_address(cpu, insn), x86_xmm(cpu, insn->reg)->u32[0]);
}

/* Halves. */
static int load_low8(struct x86 *cpu, const struct x86_insn *insn)
{
    return x86_load64(cpu, x86_address(cpu, insn), &x86_xmm(cpu, insn->reg)->u64[0]);
}

static int load_high8(struct x86 *cpu, const struct x86_insn *insn)
{
    return x86_load64(cpu, x86_address(cpu, insn), &x86_xmm(cpu, insn->reg)->u64[1]);
}

static int store_low8(struct x86 *cpu, const struct x86_insn *insn)
{
    return x86_store64(cpu, x86_address(cpu, insn), x86_xmm(cpu, insn->reg)->u64[0]);
}

static int store_high8(struct x86 *cpu, const struct x86_insn *insn)
{
    return x86_store64(cpu, x86_address(cpu, insn), x86_xmm(cpu, insn->reg)->u64[1]);
}

static int high_to_low(struct x86 *cpu, const struct x86_insn *insn)
{
    x86_xmm(cpu, insn->reg)->u64[0] = x86_xmm(cpu, insn->rm)->u64[1];
    return 0;
}

static int low_to_high(struct x86 *cpu, const struct x86_insn *insn)
{
    x86_xmm(cpu, insn->reg)->u64[1] = x86_xmm(cpu, insn->rm)->u64[0];
    return 0;
}

/* movd and movq with the general registers. */
static int from_general4(struct x86 *cpu, const struct x86_insn *insn)
{
    set_low(cpu, insn->reg, (uint32_t)cpu->r[insn->rm]);
    return 0;
}

static int from_general8(struct x86 *cpu, const struct x86_insn *insn)
{
    set_low(cpu, insn->reg, cpu->r[insn->rm]);
    return 0;
}

static int to_general4(struct x86 *cpu, const struct x86_insn *insn)
{
    cpu->r[insn->rm] = x86_xmm(cpu, insn->reg)->u32[0];
    return 0;
}

static int to_general8(struct x86 *cpu, const struct x86_insn *insn)
{
    cpu->r[insn->rm] = x86_xmm(cpu, insn->reg)->u64[0];
    return 0;
}

int x86_store_masked(struct x86 *cpu, const union x86_vec *value, const union x86_vec *mask,
                     unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (!(mask->u8[i] & 0x80))
            continue;
        int stop = x86_store8(cpu, cpu->r[X86_RDI] + i, value->u8[i]);
        if (stop)
            return stop;
    }
    return 0;
}

static int maskmovdqu(struct x86 *cpu, const struct x86_insn *insn)
{
    return x86_store_masked(cpu, x86_xmm(cpu, insn->reg), x86_xmm(cpu, insn->rm), 16);
}

static const struct x86_vector_form forms[256][4] = {
    [0x10] = {{move_reg, load_any},
              {move_reg, load_any},
              {move_low4, load4_zero},
              {move_low8, load8_zero}},
    [0x11] = {{move_reg_back, store_any},
              {move_reg_back, store_any},
              {move_low4_back, store4},
              {move_low8_back, store_low8}},
    [0x12] = {{high_to_low, load_low8}, {NULL, load_low8}},
    [0x13] = {{NULL, store_low8}, {NULL, store_low8}},
    [0x16] = {{low_to_high, load_high8}, {NULL, load_high8}},
    [0x17] = {{NULL, store_high8}, {NULL, store_high8}},
    [0x28] = {{move_reg, load_aligned}, {move_reg, load_aligned}},
    [0x29] = {{move_reg_back, store_aligned}, {move_reg_back, store_aligned}},
    [0x2b] = {{NULL, store_aligned}, {NULL, store_aligned}},
    [0x6e] = {[X86_PREFIX_66] = {from_general4, load4_zero}},
    [0x6f] = {[X86_PREFIX_66] = {move_reg, load_aligned}, [X86_PREFIX_F3] = {move_reg, load_any}},
    [0x7e] =
        {[X86_PREFIX_66] = {to_general4, store4}, [X86_PREFIX_F3] = {move_low8_zero, load8_zero}},
    [0x7f] = {[X86_PREFIX_66] = {move_reg_back, store_aligned},
              [X86_PREFIX_F3] = {move_reg_back, store_any}},
    [0xd6] = {[X86_PREFIX_66] = {move_low8_zero_back, store_low8}},
    [0xe7] = {[X86_PREFIX_66] = {NULL, store_aligned}},
    [0xf7] = {[X86_PREFIX_66] = {maskmovdqu, NULL}},
};

/* movd becomes movq with REX.W. */
static const struct x86_vector_form wide_load = {from_general8, load8_zero};
static const struct x86_vector_form wide_store = {to_general8, store_low8};

bool x86_decode_vector_move(const struct x86_decoder *d, struct x86_insn *insn)
{
    const struct x86_vector_form *form = &forms[d->opcode][d->prefix];
    if (d->prefix == X86_PREFIX_66 && d->rex_w && d->opcode == 0x6e)
        form = &wide_load;
    if (d->prefix == X86_PREFIX_66 && d->rex_w && d->opcode == 0x7e)
        form = &wide_store;
    return x86_vector_choose(form, insn);
}
