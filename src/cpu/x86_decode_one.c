/* The one-byte opcodes. */
#include "cpu/x86_decode.h"
#include "cpu/x86_handlers.h"

/* Turns register numbers into places where the operand is a byte. */
static void finish_bytes(struct x86_insn *insn, bool rm, bool reg)
{
    if (insn->size != 1)
        return;
    if (rm && !(insn->flags & X86_INSN_MEM))
        insn->rm = x86_byte_register(insn->rm, insn->flags & X86_INSN_REX);
    if (reg)
        insn->reg = x86_byte_register(insn->reg, insn->flags & X86_INSN_REX);
}

static void swap_registers(struct x86_insn *insn)
{
    uint8_t reg = insn->reg;
    insn->reg = insn->rm;
    insn->rm = reg;
}

/* Even opcodes of a pair work on bytes. */
static void byte_if_even(const struct x86_decoder *d, struct x86_insn *insn)
{
    if (!(d->opcode & 1))
        insn->size = 1;
}

/* family rm, reg */
static bool binary_rm_reg(struct x86_decoder *d, struct x86_insn *insn, unsigned family)
{
    byte_if_even(d, insn);
    x86_fetch_modrm(d, insn);
    finish_bytes(insn, true, true);
    bool mem = insn->flags & X86_INSN_MEM;
    insn->op = x86_op_of(family, mem ? X86_FORM_MR : X86_FORM_RR, insn->size);
    d->lock_allowed = mem && family <= X86_OP_XOR8_RR;
    return true;
}

/* family reg, rm */
static bool binary_reg_rm(struct x86_decoder *d, struct x86_insn *insn, unsigned family)
{
    byte_if_even(d, insn);
    x86_fetch_modrm(d, insn);
    finish_bytes(insn, true, true);
    bool mem = insn->flags & X86_INSN_MEM;
    insn->op = x86_op_of(family, mem ? X86_FORM_RM : X86_FORM_RR, insn->size);
    if (!mem)
        swap_registers(insn);
    return true;
}

/* family al/eax/rax, imm */
static bool binary_a_imm(struct x86_decoder *d, struct x86_insn *insn, unsigned family)
{
    byte_if_even(d, insn);
    insn->rm = X86_RAX;
    insn->imm = x86_fetch_imm(d, insn->size);
    insn->op = x86_op_of(family, X86_FORM_RI, insn->size);
    return true;
}

/* family rm, imm: ModRM has been read */
static void binary_rm_imm(struct x86_insn *insn, unsigned family)
{
    bool mem = insn->flags & X86_INSN_MEM;
    finish_bytes(insn, true, false);
    insn->op = x86_op_of(family, mem ? X86_FORM_MI : X86_FORM_RI, insn->size);
}

static unsigned digit(const struct x86_decoder *d)
{
    return (d->modrm >> 3) & 7;
}

static bool group1(struct x86_decoder *d, struct x86_insn *insn)
{
    byte_if_even(d, insn);
    x86_fetch_modrm(d, insn);
    insn->imm = d->opcode == 0x83 ? x86_fetch_s8(d) : x86_fetch_imm(d, insn->size);
    binary_rm_imm(insn, X86_OP_ADD8_RR + digit(d) * (X86_OP_OR8_RR - X86_OP_ADD8_RR));
    d->lock_allowed = (insn->flags & X86_INSN_MEM) && digit(d) != 7;
    return d->opcode != 0x82 || d->mode32;
}

static bool arithmetic(struct x86_decoder *d, struct x86_insn *insn)
{
    unsigned family = X86_OP_ADD8_RR + (d->opcode >> 3) * (X86_OP_OR8_RR - X86_OP_ADD8_RR);
    switch (d->opcode & 7) {
    case 0:
    case 1: return binary_rm_reg(d, insn, family);
    case 2:
    case 3: return binary_reg_rm(d, insn, family);
    case 4:
    case 5: return binary_a_imm(d, insn, family);
    default: return false; /* push and pop of segments, and the decimal instructions: gone */
    }
}

static bool shift(struct x86_decoder *d, struct x86_insn *insn)
{
    byte_if_even(d, insn);
    x86_fetch_modrm(d, insn);
    insn->reg = (uint8_t)digit(d);
    finish_bytes(insn, true, false);
    bool by_cl = d->opcode == 0xd2 || d->opcode == 0xd3;
    if (by_cl)
        return x86_set_handler(insn, x86_do_shift_cl);
    insn->imm = d->opcode < 0xd0 ? x86_fetch_u8(d) : 1;
    insn->imm &= insn->size == 8 ? 63 : 31;
    static const uint16_t families[8] = {
        X86_OP_ROL32_RI, X86_OP_ROR32_RI, 0, 0, X86_OP_SHL32_RI, X86_OP_SHR32_RI,
        X86_OP_SHL32_RI, X86_OP_SAR32_RI};
    bool wide = insn->size >= 4 && !(insn->flags & X86_INSN_MEM) && insn->imm > 0;
    if (wide && families[digit(d)])
        insn->op = (uint16_t)(families[digit(d)] + (insn->size == 8));
    else
        return x86_set_handler(insn, x86_do_shift_imm);
    return true;
}

static bool unary(struct x86_decoder *d, struct x86_insn *insn, unsigned family)
{
    bool mem = insn->flags & X86_INSN_MEM;
    insn->op = x86_op_of(family, mem ? X86_FORM_M : X86_FORM_R, insn->size);
    d->lock_allowed = mem;
    return true;
}

static bool group3(struct x86_decoder *d, struct x86_insn *insn)
{
    byte_if_even(d, insn);
    x86_fetch_modrm(d, insn);
    insn->reg = (uint8_t)digit(d);
    switch (digit(d)) {
    case 0:
    case 1:
        insn->imm = x86_fetch_imm(d, insn->size);
        binary_rm_imm(insn, X86_OP_TEST8_RR);
        break;
    case 2: finish_bytes(insn, true, false); return unary(d, insn, X86_OP_NOT8_R);
    case 3: finish_bytes(insn, true, false); return unary(d, insn, X86_OP_NEG8_R);
    case 4:
    case 5: finish_bytes(insn, true, false); return x86_set_handler(insn, x86_do_mul);
    default: finish_bytes(insn, true, false); return x86_set_handler(insn, x86_do_div);
    }
    return true;
}

static bool jump(struct x86_decoder *d, struct x86_insn *insn, enum x86_op op)
{
    insn->op = (uint16_t)op;
    d->ends_block = true;
    return true;
}

static bool jump_to(struct x86_decoder *d, struct x86_insn *insn, enum x86_op op, uint64_t distance)
{
    insn->imm = distance;
    d->target_relative = true;
    return jump(d, insn, op);
}

/* 16-bit jumps lead below 64 KiB, where no program has anything: they fault there. */
static bool jump_indirect(struct x86_decoder *d, struct x86_insn *insn, enum x86_op op)
{
    if (d->mode32 && d->operand16)
        return x86_set_stop(d, insn, CPU_STOP_PROTECT);
    return jump(d, insn, op);
}

static bool group5(struct x86_decoder *d, struct x86_insn *insn)
{
    static const enum x86_op call_m[] = {X86_OP_CALL_M, X86_OP_CALL32_M};
    static const enum x86_op call_r[] = {X86_OP_CALL_R, X86_OP_CALL32_R};
    static const enum x86_op jmp_m[] = {X86_OP_JMP_M, X86_OP_JMP32_M};
    byte_if_even(d, insn);
    x86_fetch_modrm(d, insn);
    bool mem = insn->flags & X86_INSN_MEM;
    switch (digit(d)) {
    case 0: finish_bytes(insn, true, false); return unary(d, insn, X86_OP_INC8_R);
    case 1: finish_bytes(insn, true, false); return unary(d, insn, X86_OP_DEC8_R);
    default: break;
    }
    if (d->opcode == 0xfe)
        return false;
    switch (digit(d)) {
    case 2: return jump_indirect(d, insn, mem ? call_m[d->mode32] : call_r[d->mode32]);
    case 4: return jump_indirect(d, insn, mem ? jmp_m[d->mode32] : X86_OP_JMP_R);
    case 3:
    case 5: return mem && x86_set_stop(d, insn, CPU_STOP_PROTECT); /* far: no other segments */
    case 6:
        if (insn->size == 2)
            return x86_set_handler(insn, x86_do_push);
        insn->size = x86_stack_size(d);
        insn->op = mem ? X86_OP_PUSH_M : X86_OP_PUSH_R;
        if (d->mode32)
            insn->op = mem ? X86_OP_PUSH32_M : X86_OP_PUSH32_R;
        return true;
    default: return false;
    }
}

static bool push_pop_register(struct x86_decoder *d, struct x86_insn *insn)
{
    bool push = d->opcode < 0x58;
    insn->rm = (uint8_t)((d->opcode & 7) | ((d->rex & 1) << 3));
    if (d->operand16)
        return x86_set_handler(insn, push ? x86_do_push : x86_do_pop);
    insn->size = x86_stack_size(d);
    if (d->mode32)
        insn->op = push ? X86_OP_PUSH32_R : X86_OP_POP32_R;
    else
        insn->op = push ? X86_OP_PUSH_R : X86_OP_POP_R;
    return true;
}

static bool push_immediate(struct x86_decoder *d, struct x86_insn *insn)
{
    insn->imm = d->opcode == 0x6a ? x86_fetch_s8(d) : x86_fetch_imm(d, d->operand16 ? 2 : 4);
    if (d->operand16)
        return x86_set_handler(insn, x86_do_push_imm);
    insn->op = d->mode32 ? X86_OP_PUSH32_I : X86_OP_PUSH_I;
    return true;
}

static bool imul_immediate(struct x86_decoder *d, struct x86_insn *insn)
{
    x86_fetch_modrm(d, insn);
    insn->imm = d->opcode == 0x6b ? x86_fetch_s8(d) : x86_fetch_imm(d, insn->size);
    if ((insn->flags & X86_INSN_MEM) || insn->size == 2)
        return x86_set_handler(insn, x86_do_imul3);
    insn->op = insn->size == 8 ? X86_OP_IMUL64_RRI : X86_OP_IMUL32_RRI;
    return true;
}

static bool movsxd(struct x86_decoder *d, struct x86_insn *insn)
{
    x86_fetch_modrm(d, insn);
    bool mem = insn->flags & X86_INSN_MEM;
    if (insn->size == 8) {
        insn->op = mem ? X86_OP_MOVSX32_64_RM : X86_OP_MOVSX32_64_RR;
        return true;
    }
    insn->op = x86_op_of(X86_OP_MOV8_RR, mem ? X86_FORM_RM : X86_FORM_RR, insn->size);
    if (!mem)
        swap_registers(insn);
    return true;
}

static bool lea(struct x86_decoder *d, struct x86_insn *insn)
{
    x86_fetch_modrm(d, insn);
    d->segment = 0; /* no memory is touched */
    if (insn->size == 2)
        return (insn->flags & X86_INSN_MEM) && x86_set_handler(insn, x86_do_lea);
    insn->op = insn->size == 8 ? X86_OP_LEA64 : X86_OP_LEA32;
    return insn->flags & X86_INSN_MEM;
}

static bool exchange(struct x86_decoder *d, struct x86_insn *insn)
{
    byte_if_even(d, insn);
    x86_fetch_modrm(d, insn);
    finish_bytes(insn, true, true);
    d->lock_allowed = insn->flags & X86_INSN_MEM;
    return x86_set_handler(insn, x86_do_xchg);
}

static bool exchange_a(struct x86_decoder *d, struct x86_insn *insn)
{
    insn->rm = (uint8_t)((d->opcode & 7) | ((d->rex & 1) << 3));
    insn->reg = X86_RAX;
    if (insn->rm == X86_RAX) { /* 90: nop, pause; not even the upper half is cleared */
        insn->op = X86_OP_NOP;
        return true;
    }
    return x86_set_handler(insn, x86_do_xchg);
}

static bool move_offset(struct x86_decoder *d, struct x86_insn *insn)
{
    byte_if_even(d, insn);
    if (d->address16)
        insn->imm = x86_fetch_s16(d) & 0xffff;
    else
        insn->imm = d->mode32 ? x86_fetch_s32(d) & UINT32_MAX : x86_fetch_64(d);
    insn->reg = X86_RAX;
    insn->flags |= X86_INSN_MEM;
    d->absolute = true;
    insn->op = x86_op_of(X86_OP_MOV8_RR, d->opcode < 0xa2 ? X86_FORM_RM : X86_FORM_MR, insn->size);
    return true;
}

static bool string(struct x86_decoder *d, struct x86_insn *insn)
{
    byte_if_even(d, insn);
    insn->imm = d->opcode | (d->address32 || d->mode32 ? X86_STRING_ADDRESS32 : 0) |
                (d->address16 ? X86_STRING_ADDRESS16 : 0);
    if (d->rep)
        insn->imm |= d->rep == 0xf2 ? X86_STRING_REPNE : X86_STRING_REPE;
    insn->base = d->segment ? d->segment : X86_R_ZERO; /* of the source */
    insn->op = X86_OP_STRING;
    d->ends_block = true;
    return true;
}

static bool move_imm_register(struct x86_decoder *d, struct x86_insn *insn)
{
    insn->rm = (uint8_t)((d->opcode & 7) | ((d->rex & 1) << 3));
    if (d->opcode < 0xb8)
        insn->size = 1;
    insn->imm = insn->size == 8 ? x86_fetch_64(d) : x86_fetch_imm(d, insn->size);
    finish_bytes(insn, true, false);
    insn->op = x86_op_of(X86_OP_MOV8_RR, X86_FORM_RI, insn->size);
    return true;
}

static bool move_imm(struct x86_decoder *d, struct x86_insn *insn)
{
    byte_if_even(d, insn);
    x86_fetch_modrm(d, insn);
    insn->imm = x86_fetch_imm(d, insn->size);
    binary_rm_imm(insn, X86_OP_MOV8_RR);
    return digit(d) == 0;
}

static bool pop_rm(struct x86_decoder *d, struct x86_insn *insn)
{
    x86_fetch_modrm(d, insn);
    insn->size = x86_stack_size(d);
    /* The address is worked out with rsp as it is after the pop. */
    if ((insn->flags & X86_INSN_MEM) && insn->base == X86_RSP)
        insn->disp += insn->size;
    return digit(d) == 0 && x86_set_handler(insn, x86_do_pop);
}

static bool enter(struct x86_decoder *d, struct x86_insn *insn)
{
    insn->imm = x86_fetch_s16(d) & 0xffff;
    insn->imm |= (uint64_t)(x86_fetch_u8(d) & 31) << 16;
    insn->size = x86_stack_size(d);
    return x86_set_handler(insn, x86_do_enter);
}

static bool loop(struct x86_decoder *d, struct x86_insn *insn)
{
    insn->reg = d->opcode & 3; /* loopne, loope, loop, jrcxz */
    insn->rm = d->address16 ? 2 : d->mode32 || d->address32 ? 4 : 8;
    return jump_to(d, insn, X86_OP_LOOP, x86_fetch_s8(d));
}

static bool interrupt(struct x86_decoder *d, struct x86_insn *insn)
{
    uint8_t vector = d->opcode == 0xcd ? x86_fetch_u8(d) : 3;
    insn->op = X86_OP_STOP_AFTER;
    d->ends_block = true;
    switch (vector) {
    case 3: insn->imm = CPU_STOP_BREAK; return true;
    case 4:
        if (d->mode32) { /* as into */
            insn->imm = CPU_STOP_OVERFLOW;
            return true;
        }
        return x86_set_stop(d, insn, CPU_STOP_PROTECT);
    case 0x80: insn->imm = d->mode32 ? CPU_STOP_SYSCALL : CPU_STOP_SYSCALL32; return true;
    default: return x86_set_stop(d, insn, CPU_STOP_PROTECT);
    }
}

static bool flag(struct x86_insn *insn, uint8_t opcode)
{
    insn->imm = opcode;
    return x86_set_handler(insn, x86_do_flag);
}

static bool selector(struct x86_decoder *d, struct x86_insn *insn)
{
    x86_fetch_modrm(d, insn);
    bool store = d->opcode == 0x8c;
    unsigned number = digit(d);
    insn->reg = (uint8_t)number;
    if (insn->flags & X86_INSN_MEM || !store)
        insn->size = 2;
    return number < 6 && (store || number != 1) &&
           x86_set_handler(insn, store ? x86_do_store_selector : x86_do_load_selector);
}

static bool ret(struct x86_decoder *d, struct x86_insn *insn)
{
    bool plain = d->opcode == 0xc3;
    insn->imm = plain ? 0 : x86_fetch_s16(d) & 0xffff;
    if (d->mode32)
        return jump_indirect(d, insn, plain ? X86_OP_RET32 : X86_OP_RET32_I);
    return jump(d, insn, plain ? X86_OP_RET : X86_OP_RET_I);
}

static bool leave(struct x86_decoder *d, struct x86_insn *insn)
{
    insn->op = d->mode32 ? X86_OP_LEAVE32 : X86_OP_LEAVE;
    return !d->operand16 || x86_set_handler(insn, x86_do_leave);
}

static bool fpu(struct x86_decoder *d, struct x86_insn *insn)
{
    if (d->opcode != 0x9b)
        x86_fetch_modrm(d, insn);
    insn->op = X86_OP_HANDLER;
    return x86_decode_fpu(d, insn);
}

/* 90 to 9F */
static bool row_9(struct x86_decoder *d, struct x86_insn *insn)
{
    switch (d->opcode) {
    case 0x98: return x86_set_handler(insn, x86_do_sign_a);
    case 0x99: return x86_set_handler(insn, x86_do_sign_d);
    case 0x9a: return false;
    case 0x9b: return fpu(d, insn);
    case 0x9c:
    case 0x9d:
        insn->size = x86_stack_size(d);
        return x86_set_handler(insn, d->opcode == 0x9c ? x86_do_pushf : x86_do_popf);
    case 0x9e: return x86_set_handler(insn, x86_do_sahf);
    case 0x9f: return x86_set_handler(insn, x86_do_lahf);
    default: return exchange_a(d, insn);
    }
}

/* C0 to CF */
static bool row_c(struct x86_decoder *d, struct x86_insn *insn)
{
    switch (d->opcode) {
    case 0xc0:
    case 0xc1: return shift(d, insn);
    case 0xc2:
    case 0xc3: return ret(d, insn);
    case 0xc6:
    case 0xc7: return move_imm(d, insn);
    case 0xc8: return enter(d, insn);
    case 0xc9: return leave(d, insn);
    case 0xca: x86_fetch_s16(d); return x86_set_stop(d, insn, CPU_STOP_PROTECT);
    case 0xcb:
    case 0xcf: return x86_set_stop(d, insn, CPU_STOP_PROTECT);
    case 0xcc:
    case 0xcd: return interrupt(d, insn);
    default: return false; /* C4, C5: VEX; CE: into */
    }
}

static bool jump_near(struct x86_decoder *d, struct x86_insn *insn, enum x86_op op)
{
    if (d->mode32 && d->operand16) {
        x86_fetch_s16(d);
        return x86_set_stop(d, insn, CPU_STOP_PROTECT);
    }
    return jump_to(d, insn, op, x86_fetch_s32(d));
}

/* E0 to EF */
static bool row_e(struct x86_decoder *d, struct x86_insn *insn)
{
    switch (d->opcode) {
    case 0xe0:
    case 0xe1:
    case 0xe2:
    case 0xe3: return loop(d, insn);
    case 0xe4:
    case 0xe5:
    case 0xe6:
    case 0xe7: x86_fetch_u8(d); return x86_set_stop(d, insn, CPU_STOP_PROTECT);
    case 0xe8: return jump_near(d, insn, d->mode32 ? X86_OP_CALL32 : X86_OP_CALL);
    case 0xe9: return jump_near(d, insn, X86_OP_JMP);
    case 0xea: return false;
    case 0xeb: return jump_to(d, insn, X86_OP_JMP, x86_fetch_s8(d));
    default: return x86_set_stop(d, insn, CPU_STOP_PROTECT);
    }
}

/* F0 to FF */
static bool row_f(struct x86_decoder *d, struct x86_insn *insn)
{
    switch (d->opcode) {
    case 0xf1:
        insn->op = X86_OP_STOP_AFTER;
        insn->imm = CPU_STOP_BREAK;
        return d->ends_block = true;
    case 0xf4:
    case 0xfa:
    case 0xfb: return x86_set_stop(d, insn, CPU_STOP_PROTECT);
    case 0xf5:
    case 0xf8:
    case 0xf9:
    case 0xfc:
    case 0xfd: return flag(insn, d->opcode);
    case 0xf6:
    case 0xf7: return group3(d, insn);
    default: return group5(d, insn);
    }
}

/* 60 to 6F */
static bool row_6(struct x86_decoder *d, struct x86_insn *insn)
{
    switch (d->opcode) {
    case 0x63: return movsxd(d, insn);
    case 0x68:
    case 0x6a: return push_immediate(d, insn);
    case 0x69:
    case 0x6b: return imul_immediate(d, insn);
    case 0x6c:
    case 0x6d:
    case 0x6e:
    case 0x6f: return x86_set_stop(d, insn, CPU_STOP_PROTECT);
    default: return false;
    }
}

/* 80 to 8F */
static bool row_8(struct x86_decoder *d, struct x86_insn *insn)
{
    switch (d->opcode) {
    case 0x84:
    case 0x85: return binary_rm_reg(d, insn, X86_OP_TEST8_RR);
    case 0x86:
    case 0x87: return exchange(d, insn);
    case 0x88:
    case 0x89: return binary_rm_reg(d, insn, X86_OP_MOV8_RR);
    case 0x8a:
    case 0x8b: return binary_reg_rm(d, insn, X86_OP_MOV8_RR);
    case 0x8c:
    case 0x8e: return selector(d, insn);
    case 0x8d: return lea(d, insn);
    case 0x8f: return pop_rm(d, insn);
    default: return group1(d, insn);
    }
}

/* A0 to AF */
static bool row_a(struct x86_decoder *d, struct x86_insn *insn)
{
    if (d->opcode < 0xa4)
        return move_offset(d, insn);
    if (d->opcode == 0xa8 || d->opcode == 0xa9)
        return binary_a_imm(d, insn, X86_OP_TEST8_RR);
    return string(d, insn);
}

/* D0 to DF */
static bool row_d(struct x86_decoder *d, struct x86_insn *insn)
{
    if (d->opcode < 0xd4)
        return shift(d, insn);
    if (d->opcode < 0xd7)
        return false;
    if (d->opcode > 0xd7)
        return fpu(d, insn);
    insn->base = d->segment ? d->segment : X86_R_ZERO;
    insn->imm = d->address16 ? UINT16_MAX : d->address32 || d->mode32 ? UINT32_MAX : UINT64_MAX;
    return x86_set_handler(insn, x86_do_xlat);
}

bool x86_decode_one_byte(struct x86_decoder *d, struct x86_insn *insn)
{
    bool exists;
    if (d->mode32 && x86_decode_only_32(d, insn, &exists))
        return exists;
    switch (d->opcode >> 4) {
    case 0x5: return push_pop_register(d, insn);
    case 0x6: return row_6(d, insn);
    case 0x7:
        return jump_to(d, insn, (enum x86_op)(X86_OP_JCC_0 + (d->opcode & 15)), x86_fetch_s8(d));
    case 0x8: return row_8(d, insn);
    case 0x9: return row_9(d, insn);
    case 0xa: return row_a(d, insn);
    case 0xb: return move_imm_register(d, insn);
    case 0xc: return row_c(d, insn);
    case 0xd: return row_d(d, insn);
    case 0xe: return row_e(d, insn);
    case 0xf: return row_f(d, insn);
    default: return arithmetic(d, insn);
    }
}
