/* The x87's control and status words, and its environment in memory. Only the loads (fldcw,
 * fldenv, frstor) wait for pending exceptions. */
#include "cpu/x86_fpu.h"

/* The environment in the 32-bit format, which 64-bit code has too; 14 bytes with an operand size
 * of 16 bits (SDM volume 1, figures 8-9 to 8-12). The registers follow, 10 bytes each. */
enum { ENV_WORDS = 7, ENV_REGISTERS = 80, ENV_MAX = 4 * ENV_WORDS + ENV_REGISTERS };

/* The two bits of a register in the full tag word: valid, zero, special, empty. */
static unsigned full_tag(const uint8_t st[10])
{
    uint64_t significand;
    uint16_t exponent;
    memcpy(&significand, st, 8);
    memcpy(&exponent, st + 8, 2);
    exponent &= 0x7fff;
    if (exponent == 0 && significand == 0)
        return 1;
    return exponent == 0 || exponent == 0x7fff || !(significand >> 63) ? 2 : 0;
}

static uint16_t tag_word(const struct x86_state *state)
{
    unsigned tags = 0;
    for (unsigned i = 0; i < 8; i++)
        tags |= (state->fpu_tag >> i & 1 ? full_tag(state->fpu[i]) : 3) << 2 * i;
    return (uint16_t)tags;
}

static uint8_t abridged(uint16_t tags)
{
    unsigned result = 0;
    for (unsigned i = 0; i < 8; i++)
        result |= ((tags >> 2 * i & 3) != 3) << i;
    return (uint8_t)result;
}

static unsigned put_environment(const struct x86_state *state, bool small, uint8_t *out)
{
    uint32_t words[ENV_WORDS] = {0xffff0000u | state->fpu_control,
                                 0xffff0000u | state->fpu_status,
                                 0xffff0000u | tag_word(state),
                                 (uint32_t)state->fpu_ip,
                                 (uint32_t)state->fpu_opcode << 16,
                                 (uint32_t)state->fpu_dp,
                                 0xffff0000u};
    unsigned width = small ? 2 : 4;
    for (unsigned i = 0; i < ENV_WORDS; i++)
        memcpy(out + (size_t)width * i, &words[i], width);
    return width * ENV_WORDS;
}

static unsigned get_environment(struct x86_state *state, bool small, const uint8_t *in)
{
    uint32_t words[ENV_WORDS] = {0};
    unsigned width = small ? 2 : 4;
    for (unsigned i = 0; i < ENV_WORDS; i++)
        memcpy(&words[i], in + (size_t)width * i, width);
    state->fpu_control = (uint16_t)words[0];
    state->fpu_status = (uint16_t)words[1];
    state->fpu_tag = abridged((uint16_t)words[2]);
    state->fpu_ip = words[3];
    state->fpu_opcode = small ? 0 : words[4] >> 16 & 0x7ff;
    state->fpu_dp = words[5];
    x86_fpu_set_control(state, state->fpu_control);
    return width * ENV_WORDS;
}

static void set_fpu(struct x86_state *state, uint16_t control)
{
    state->fpu_control = control;
    state->fpu_status = 0;
    state->fpu_tag = 0;
    state->fpu_opcode = 0;
    state->fpu_ip = 0;
    state->fpu_dp = 0;
}

/* insn->imm bit 16: operand size of 16 bits. */
static bool is_small(const struct x86_insn *insn)
{
    return insn->imm >> 16 & 1;
}

static int fldenv(struct x86 *cpu, const struct x86_insn *insn)
{
    uint8_t image[ENV_MAX];
    bool small = is_small(insn);
    int stop = x86_fpu_wait(cpu);
    if (!stop)
        stop = x86_load(cpu, x86_address(cpu, insn), image, small ? 14 : 28);
    if (!stop)
        get_environment(&cpu->state, small, image);
    return stop;
}

static int fnstenv(struct x86 *cpu, const struct x86_insn *insn)
{
    uint8_t image[ENV_MAX];
    unsigned n = put_environment(&cpu->state, is_small(insn), image);
    int stop = x86_store(cpu, x86_address(cpu, insn), image, n);
    if (!stop)
        x86_fpu_set_control(&cpu->state, cpu->state.fpu_control | X86_FPU_EXCEPTIONS);
    return stop;
}

static int frstor(struct x86 *cpu, const struct x86_insn *insn)
{
    uint8_t image[ENV_MAX];
    unsigned n = is_small(insn) ? 14 : 28;
    int stop = x86_fpu_wait(cpu);
    if (!stop)
        stop = x86_load(cpu, x86_address(cpu, insn), image, n + ENV_REGISTERS);
    if (stop)
        return stop;
    get_environment(&cpu->state, is_small(insn), image);
    for (unsigned i = 0; i < 8; i++)
        memcpy(cpu->state.fpu[x86_fpu_slot(&cpu->state, i)], image + n + (size_t)10 * i, 10);
    return 0;
}

static unsigned put_all(const struct x86_state *state, bool small, uint8_t *out)
{
    unsigned n = put_environment(state, small, out);
    for (unsigned i = 0; i < 8; i++)
        memcpy(out + n + (size_t)10 * i, state->fpu[x86_fpu_slot(state, i)], 10);
    return n;
}

void x86_fsave_image(const struct x86_state *state, uint8_t out[X86_FSAVE_BYTES])
{
    put_all(state, false, out);
}

static int fnsave(struct x86 *cpu, const struct x86_insn *insn)
{
    uint8_t image[ENV_MAX];
    unsigned n = put_all(&cpu->state, is_small(insn), image);
    int stop = x86_store(cpu, x86_address(cpu, insn), image, n + ENV_REGISTERS);
    if (!stop)
        set_fpu(&cpu->state, X86_FPU_CONTROL_RESET);
    return stop;
}

static int fldcw(struct x86 *cpu, const struct x86_insn *insn)
{
    uint16_t control;
    int stop = x86_fpu_wait(cpu);
    if (!stop)
        stop = x86_load16(cpu, x86_address(cpu, insn), &control);
    if (!stop)
        x86_fpu_set_control(&cpu->state, control);
    return stop;
}

static int fnstcw(struct x86 *cpu, const struct x86_insn *insn)
{
    return x86_store16(cpu, x86_address(cpu, insn), cpu->state.fpu_control);
}

static int fnstsw(struct x86 *cpu, const struct x86_insn *insn)
{
    return x86_store16(cpu, x86_address(cpu, insn), cpu->state.fpu_status);
}

static int fnstsw_ax(struct x86 *cpu, const struct x86_insn *insn)
{
    (void)insn;
    memcpy(&cpu->r[X86_RAX], &cpu->state.fpu_status, 2);
    return 0;
}

static int fnclex(struct x86 *cpu, const struct x86_insn *insn)
{
    (void)insn;
    cpu->state.fpu_status &= 0x7f00; /* the exceptions, the stack fault, ES and B */
    return 0;
}

static int fninit(struct x86 *cpu, const struct x86_insn *insn)
{
    (void)insn;
    set_fpu(&cpu->state, X86_FPU_CONTROL_RESET);
    return 0;
}

static x86_handler register_form(uint8_t opcode, uint8_t modrm)
{
    switch (opcode << 8 | modrm) {
    case 0xdbe2: return fnclex;
    case 0xdbe3: return fninit;
    case 0xdfe0: return fnstsw_ax;
    default: return NULL;
    }
}

static x86_handler memory_form(uint8_t opcode, unsigned reg)
{
    static const x86_handler d9[8] = {[4] = fldenv, [5] = fldcw, [6] = fnstenv, [7] = fnstcw};
    static const x86_handler dd[8] = {[4] = frstor, [6] = fnsave, [7] = fnstsw};
    return opcode == 0xd9 ? d9[reg] : opcode == 0xdd ? dd[reg] : NULL;
}

bool x86_decode_fpu_control(const struct x86_decoder *d, struct x86_insn *insn)
{
    x86_handler handler = insn->flags & X86_INSN_MEM ? memory_form(d->opcode, d->modrm >> 3 & 7)
                                                     : register_form(d->opcode, d->modrm);
    if (!handler)
        return false;
    insn->imm |= (uint64_t)d->operand16 << 16;
    insn->handler = handler;
    return true;
}
