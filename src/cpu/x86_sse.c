/* SSE, SSE2 and MMX: the 0F opcodes that work on vectors. Which file has an opcode: moves in
 * x86_sse_move.c, packed integers in x86_sse_packed.c, floating point in x86_sse_float.c, all that
 * touches the mm registers in x86_mmx.c. */
#include "cpu/x86_fpu.h"

void x86_vector_enter(struct x86 *cpu)
{
    cpu->host_mxcsr = x86_float_enter(cpu->state.mxcsr);
}

void x86_vector_leave(struct x86 *cpu)
{
    cpu->state.mxcsr |= x86_float_flags();
    x86_float_leave(cpu->host_mxcsr);
}

static int ldmxcsr(struct x86 *cpu, const struct x86_insn *insn)
{
    uint32_t value;
    int stop = x86_load32(cpu, x86_address(cpu, insn), &value);
    if (stop)
        return stop;
    if (value & ~X86_MXCSR_VALID)
        return CPU_STOP_PROTECT;
    cpu->state.mxcsr = value;
    x86_float_enter(value);
    return 0;
}

static int stmxcsr(struct x86 *cpu, const struct x86_insn *insn)
{
    cpu->state.mxcsr |= x86_float_flags();
    return x86_store32(cpu, x86_address(cpu, insn), cpu->state.mxcsr);
}

static int fxsave(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t addr = x86_address(cpu, insn);
    uint8_t image[X86_FXSAVE_BYTES];
    if (addr & 15)
        return CPU_STOP_PROTECT;
    cpu->state.mxcsr |= x86_float_flags();
    x86_fxsave_image(&cpu->state, image);
    return x86_store(cpu, addr, image, x86_is_32(cpu) ? X86_FXSAVE_WRITTEN_32 : X86_FXSAVE_WRITTEN);
}

static int fxrstor(struct x86 *cpu, const struct x86_insn *insn)
{
    uint64_t addr = x86_address(cpu, insn);
    uint8_t image[X86_FXSAVE_BYTES];
    if (addr & 15)
        return CPU_STOP_PROTECT;
    int stop = x86_load(cpu, addr, image, sizeof(image));
    if (stop)
        return stop;
    /* 32-bit code has eight XMM registers: of the others it says nothing. */
    if (x86_is_32(cpu))
        memcpy(image + X86_FXSAVE_WRITTEN_32, cpu->state.xmm + 8, sizeof(cpu->state.xmm) / 2);
    if (!x86_fxrstor_image(&cpu->state, image))
        return CPU_STOP_PROTECT;
    x86_float_enter(cpu->state.mxcsr);
    return 0;
}

static bool decode_state(const struct x86_decoder *d, struct x86_insn *insn)
{
    static const x86_handler table[8] = {fxsave, fxrstor, ldmxcsr, stmxcsr};
    insn->handler = table[d->modrm >> 3 & 7];
    return d->prefix == X86_PREFIX_NONE && (insn->flags & X86_INSN_MEM) && insn->handler;
}

static bool has_immediate(uint8_t opcode)
{
    return (opcode >= 0x70 && opcode <= 0x73) || opcode == 0xc2 ||
           (opcode >= 0xc4 && opcode <= 0xc6);
}

bool x86_decode_vector(struct x86_decoder *d, struct x86_insn *insn)
{
    if (d->lock)
        return false;
    if (d->opcode == 0xae)
        return decode_state(d, insn);
    if (has_immediate(d->opcode))
        insn->imm = x86_fetch_u8(d);
    return x86_decode_vector_move(d, insn) || x86_decode_vector_int(d, insn) ||
           x86_decode_vector_float(d, insn) || x86_decode_mmx(d, insn);
}
