/* What only 32-bit code has: one-byte opcodes that 64-bit code uses for something else or not at
 * all. */
#include "cpu/x86_decode.h"
#include "cpu/x86_handlers.h"

/* 40 to 4F: inc and dec of a register. */
static bool step(struct x86_decoder *d, struct x86_insn *insn)
{
    insn->rm = d->opcode & 7;
    insn->op = x86_op_of(d->opcode < 0x48 ? X86_OP_INC8_R : X86_OP_DEC8_R, X86_FORM_R, insn->size);
    return true;
}

bool x86_decode_push_segment(struct x86_decoder *d, struct x86_insn *insn, unsigned segment)
{
    insn->size = x86_stack_size(d);
    insn->imm = segment;
    return x86_set_handler(insn, x86_do_push_segment);
}

bool x86_decode_pop_segment(struct x86_decoder *d, struct x86_insn *insn, unsigned segment)
{
    insn->size = x86_stack_size(d);
    insn->imm = segment;
    return x86_set_handler(insn, x86_do_pop_segment);
}

bool x86_decode_far_load(struct x86_decoder *d, struct x86_insn *insn, unsigned segment)
{
    x86_fetch_modrm(d, insn);
    insn->imm = segment;
    return (insn->flags & X86_INSN_MEM) && x86_set_handler(insn, x86_do_far_load);
}

/* 9A, EA: to another segment, of which there are none but our own. */
static bool far_jump(struct x86_decoder *d, struct x86_insn *insn)
{
    if (d->operand16)
        x86_fetch_s16(d);
    else
        x86_fetch_s32(d);
    x86_fetch_s16(d);
    return x86_set_stop(d, insn, CPU_STOP_PROTECT);
}

static bool with_modrm(struct x86_decoder *d, struct x86_insn *insn, x86_handler handler)
{
    x86_fetch_modrm(d, insn);
    return x86_set_handler(insn, handler);
}

static bool bound(struct x86_decoder *d, struct x86_insn *insn)
{
    return with_modrm(d, insn, x86_do_bound) && (insn->flags & X86_INSN_MEM);
}

static bool arpl(struct x86_decoder *d, struct x86_insn *insn)
{
    insn->size = 2;
    return with_modrm(d, insn, x86_do_arpl);
}

static bool decimal(struct x86_decoder *d, struct x86_insn *insn)
{
    insn->imm = d->opcode;
    return x86_set_handler(insn, x86_do_decimal);
}

static bool by_base(struct x86_decoder *d, struct x86_insn *insn)
{
    insn->imm = x86_fetch_u8(d);
    return x86_set_handler(insn, d->opcode == 0xd4 ? x86_do_aam : x86_do_aad);
}

bool x86_decode_only_32(struct x86_decoder *d, struct x86_insn *insn, bool *exists)
{
    switch (d->opcode) {
    case 0x06: *exists = x86_decode_push_segment(d, insn, X86_ES); break;
    case 0x07: *exists = x86_decode_pop_segment(d, insn, X86_ES); break;
    case 0x0e: *exists = x86_decode_push_segment(d, insn, X86_CS); break;
    case 0x16: *exists = x86_decode_push_segment(d, insn, X86_SS); break;
    case 0x17: *exists = x86_decode_pop_segment(d, insn, X86_SS); break;
    case 0x1e: *exists = x86_decode_push_segment(d, insn, X86_DS); break;
    case 0x1f: *exists = x86_decode_pop_segment(d, insn, X86_DS); break;
    case 0x27:
    case 0x2f:
    case 0x37:
    case 0x3f: *exists = decimal(d, insn); break;
    case 0x40 ... 0x4f: *exists = step(d, insn); break;
    case 0x60: *exists = x86_set_handler(insn, x86_do_pusha); break;
    case 0x61: *exists = x86_set_handler(insn, x86_do_popa); break;
    case 0x62: *exists = bound(d, insn); break;
    case 0x63: *exists = arpl(d, insn); break;
    case 0x9a:
    case 0xea: *exists = far_jump(d, insn); break;
    case 0xc4: *exists = x86_decode_far_load(d, insn, X86_ES); break;
    case 0xc5: *exists = x86_decode_far_load(d, insn, X86_DS); break;
    case 0xce: *exists = x86_set_handler(insn, x86_do_into); break;
    case 0xd4:
    case 0xd5: *exists = by_base(d, insn); break;
    case 0xd6: *exists = x86_set_handler(insn, x86_do_salc); break;
    default: return false;
    }
    return true;
}
