/* The opcodes behind 0F. */
#include "cpu/x86_decode.h"
#include "cpu/x86_handlers.h"

static unsigned digit(const struct x86_decoder *d)
{
    return (d->modrm >> 3) & 7;
}

static bool is_mem(const struct x86_insn *insn)
{
    return insn->flags & X86_INSN_MEM;
}

static void byte_rm(struct x86_insn *insn)
{
    if (!is_mem(insn))
        insn->rm = x86_byte_register(insn->rm, insn->flags & X86_INSN_REX);
}

static bool with_modrm(struct x86_decoder *d, struct x86_insn *insn, x86_handler handler)
{
    x86_fetch_modrm(d, insn);
    return x86_set_handler(insn, handler);
}

static bool nop_modrm(struct x86_decoder *d, struct x86_insn *insn)
{
    x86_fetch_modrm(d, insn);
    insn->op = X86_OP_NOP;
    insn->flags &= (uint8_t)~X86_INSN_MEM; /* the address is not even worked out */
    return true;
}

static bool protect_modrm(struct x86_decoder *d, struct x86_insn *insn)
{
    x86_fetch_modrm(d, insn);
    insn->flags &= (uint8_t)~X86_INSN_MEM;
    return x86_set_stop(d, insn, CPU_STOP_PROTECT);
}

/* 0F 01: descriptor tables and other privileged things; those of later processors are unknown. */
static bool group7(struct x86_decoder *d, struct x86_insn *insn)
{
    protect_modrm(d, insn);
    return d->modrm < 0xc0 ? digit(d) != 5 : digit(d) == 4 || digit(d) == 6;
}

static bool syscall_end(struct x86_decoder *d, struct x86_insn *insn)
{
    insn->op = X86_OP_SYSCALL;
    return d->ends_block = true;
}

static bool rdtsc(struct x86_decoder *d, struct x86_insn *insn)
{
    insn->op = X86_OP_RDTSC;
    return d->ends_block = true;
}

/* 00 to 0F */
static bool row_0(struct x86_decoder *d, struct x86_insn *insn)
{
    switch (d->opcode) {
    case 0x00: return protect_modrm(d, insn) && digit(d) < 6;
    case 0x01: return group7(d, insn);
    case 0x05: return !d->mode32 && syscall_end(d, insn); /* 32-bit code uses int 80 */
    case 0x06:
    case 0x07:
    case 0x08:
    case 0x09: return x86_set_stop(d, insn, CPU_STOP_PROTECT);
    case 0x0d: return nop_modrm(d, insn) && d->modrm < 0xc0; /* prefetchw */
    default: return false;                                   /* 0B: ud2 */
    }
}

/* 20 to 3F without the vectors */
static bool row_2_3(struct x86_decoder *d, struct x86_insn *insn)
{
    switch (d->opcode) {
    case 0x20:
    case 0x21:
    case 0x22:
    case 0x23: return protect_modrm(d, insn);
    case 0x30:
    case 0x32:
    case 0x33: return x86_set_stop(d, insn, CPU_STOP_PROTECT);
    case 0x31: return rdtsc(d, insn);
    default: return false;
    }
}

static bool cmov(struct x86_decoder *d, struct x86_insn *insn)
{
    x86_fetch_modrm(d, insn);
    insn->imm = d->opcode & 15;
    if (is_mem(insn) || insn->size == 2)
        return x86_set_handler(insn, x86_do_cmov);
    unsigned family = insn->size == 8 ? X86_OP_CMOV64_RR_0 : X86_OP_CMOV32_RR_0;
    insn->op = (uint16_t)(family + (d->opcode & 15));
    return true;
}

static bool jcc(struct x86_decoder *d, struct x86_insn *insn)
{
    insn->op = (uint16_t)(X86_OP_JCC_0 + (d->opcode & 15));
    if (d->mode32 && d->operand16) { /* a jump below 64 KiB, should it be taken */
        x86_fetch_s16(d);
        return x86_set_stop(d, insn, CPU_STOP_PROTECT);
    }
    insn->imm = x86_fetch_s32(d);
    d->target_relative = true;
    return d->ends_block = true;
}

static bool setcc(struct x86_decoder *d, struct x86_insn *insn)
{
    x86_fetch_modrm(d, insn);
    insn->size = 1;
    insn->imm = d->opcode & 15;
    byte_rm(insn);
    if (is_mem(insn))
        return x86_set_handler(insn, x86_do_setcc);
    insn->op = (uint16_t)(X86_OP_SET_0 + (d->opcode & 15));
    return true;
}

/* fs and gs hold no selectors worth the name: pushes 0, pops into nothing. */
static bool push_pop_selector(struct x86_decoder *d, struct x86_insn *insn)
{
    unsigned segment = d->opcode < 0xa8 ? X86_FS : X86_GS;
    if (d->mode32)
        return d->opcode & 1 ? x86_decode_pop_segment(d, insn, segment)
                             : x86_decode_push_segment(d, insn, segment);
    insn->size = d->operand16 ? 2 : 8;
    insn->rm = X86_R_TEMP;
    insn->imm = 0;
    return x86_set_handler(insn, d->opcode & 1 ? x86_do_pop : x86_do_push_imm);
}

static bool double_shift(struct x86_decoder *d, struct x86_insn *insn)
{
    static const x86_handler handlers[] = {x86_do_shld_imm, x86_do_shld_cl, x86_do_shrd_imm,
                                           x86_do_shrd_cl};
    unsigned right = d->opcode >= 0xac, by_cl = d->opcode & 1;
    x86_fetch_modrm(d, insn);
    if (!by_cl)
        insn->imm = x86_fetch_u8(d);
    return x86_set_handler(insn, handlers[right * 2 + by_cl]);
}

/* AE: fences; the rest is the vectors'. */
static bool group15(struct x86_decoder *d, struct x86_insn *insn)
{
    x86_fetch_modrm(d, insn);
    if (is_mem(insn) && digit(d) < 4) {
        insn->op = X86_OP_HANDLER;
        return d->prefix == X86_PREFIX_NONE && x86_decode_vector(d, insn);
    }
    insn->op = X86_OP_NOP;
    if (is_mem(insn)) { /* 7: clflush, as a nop that reads nothing */
        insn->flags &= (uint8_t)~X86_INSN_MEM;
        return digit(d) == 7 && d->prefix == X86_PREFIX_NONE;
    }
    return d->prefix == X86_PREFIX_NONE && digit(d) >= 5; /* lfence, mfence, sfence */
}

static bool imul(struct x86_decoder *d, struct x86_insn *insn)
{
    x86_fetch_modrm(d, insn);
    if (insn->size == 2)
        return x86_set_handler(insn, x86_do_imul);
    unsigned family = insn->size == 8 ? X86_OP_IMUL64_RR : X86_OP_IMUL32_RR;
    insn->op = (uint16_t)(family + is_mem(insn));
    return true;
}

/* A0 to AF */
static bool row_a(struct x86_decoder *d, struct x86_insn *insn)
{
    switch (d->opcode) {
    case 0xa0:
    case 0xa1:
    case 0xa8:
    case 0xa9: return push_pop_selector(d, insn);
    case 0xa2: return x86_set_handler(insn, x86_do_cpuid);
    case 0xa3: return with_modrm(d, insn, x86_do_bt_reg);
    case 0xa4:
    case 0xa5:
    case 0xac:
    case 0xad: return double_shift(d, insn);
    case 0xab: with_modrm(d, insn, x86_do_bts_reg); return d->lock_allowed = is_mem(insn), true;
    case 0xae: return group15(d, insn);
    case 0xaf: return imul(d, insn);
    default: return false;
    }
}

static bool extend(struct x86_decoder *d, struct x86_insn *insn)
{
    bool sign = d->opcode >= 0xbe, from16 = d->opcode & 1;
    x86_fetch_modrm(d, insn);
    insn->imm = from16 ? 2 : 1;
    if (!from16)
        byte_rm(insn);
    if (insn->size == 2)
        return x86_set_handler(insn, sign ? x86_do_movsx : x86_do_movzx);
    unsigned op;
    if (!sign)
        op = from16 ? X86_OP_MOVZX16_32_RR : X86_OP_MOVZX8_32_RR;
    else if (insn->size == 4)
        op = from16 ? X86_OP_MOVSX16_32_RR : X86_OP_MOVSX8_32_RR;
    else
        op = from16 ? X86_OP_MOVSX16_64_RR : X86_OP_MOVSX8_64_RR;
    insn->op = (uint16_t)(op + is_mem(insn));
    return true;
}

static bool exchange(struct x86_decoder *d, struct x86_insn *insn, x86_handler handler)
{
    if (!(d->opcode & 1))
        insn->size = 1;
    x86_fetch_modrm(d, insn);
    if (insn->size == 1) {
        byte_rm(insn);
        insn->reg = x86_byte_register(insn->reg, insn->flags & X86_INSN_REX);
    }
    d->lock_allowed = is_mem(insn);
    return x86_set_handler(insn, handler);
}

static bool group8(struct x86_decoder *d, struct x86_insn *insn)
{
    x86_fetch_modrm(d, insn);
    insn->reg = (uint8_t)digit(d);
    insn->imm = x86_fetch_u8(d);
    d->lock_allowed = is_mem(insn) && digit(d) > 4;
    return digit(d) >= 4 && x86_set_handler(insn, x86_do_bt_imm);
}

static bool bit_memory(struct x86_decoder *d, struct x86_insn *insn, x86_handler handler)
{
    with_modrm(d, insn, handler);
    d->lock_allowed = is_mem(insn);
    return true;
}

/* B0 to BF */
static bool row_b(struct x86_decoder *d, struct x86_insn *insn)
{
    switch (d->opcode) {
    case 0xb0:
    case 0xb1: return exchange(d, insn, x86_do_cmpxchg);
    case 0xb3: return bit_memory(d, insn, x86_do_btr_reg);
    case 0xb6:
    case 0xb7:
    case 0xbe:
    case 0xbf: return extend(d, insn);
    case 0xba: return group8(d, insn);
    case 0xbb: return bit_memory(d, insn, x86_do_btc_reg);
    case 0xbc: return with_modrm(d, insn, x86_do_bsf);
    case 0xbd: return with_modrm(d, insn, x86_do_bsr);
    case 0xb2: return d->mode32 && x86_decode_far_load(d, insn, X86_SS);
    case 0xb4: return d->mode32 && x86_decode_far_load(d, insn, X86_FS);
    case 0xb5: return d->mode32 && x86_decode_far_load(d, insn, X86_GS);
    default: return false; /* B8: popcnt; B9: ud1 */
    }
}

static bool movnti(struct x86_decoder *d, struct x86_insn *insn)
{
    x86_fetch_modrm(d, insn);
    insn->size = d->rex_w ? 8 : 4;
    insn->op = insn->size == 8 ? X86_OP_MOV64_MR : X86_OP_MOV32_MR;
    return is_mem(insn) && d->prefix == X86_PREFIX_NONE;
}

static bool group9(struct x86_decoder *d, struct x86_insn *insn)
{
    x86_fetch_modrm(d, insn);
    insn->size = d->rex_w ? 8 : 4;
    d->lock_allowed = true;
    return digit(d) == 1 && is_mem(insn) && x86_set_handler(insn, x86_do_cmpxchg_pair);
}

static bool vector(struct x86_decoder *d, struct x86_insn *insn)
{
    if (d->opcode != 0x77)
        x86_fetch_modrm(d, insn);
    insn->size = d->rex_w ? 8 : 4;
    insn->op = X86_OP_HANDLER;
    return x86_decode_vector(d, insn);
}

/* C0 to CF */
static bool row_c(struct x86_decoder *d, struct x86_insn *insn)
{
    switch (d->opcode) {
    case 0xc0:
    case 0xc1: return exchange(d, insn, x86_do_xadd);
    case 0xc3: return movnti(d, insn);
    case 0xc7: return group9(d, insn);
    case 0xc2:
    case 0xc4:
    case 0xc5:
    case 0xc6: return vector(d, insn);
    default: insn->rm = (uint8_t)((d->opcode & 7) | ((d->rex & 1) << 3)); break;
    }
    return x86_set_handler(insn, x86_do_bswap);
}

bool x86_decode_two_byte(struct x86_decoder *d, struct x86_insn *insn)
{
    switch (d->opcode >> 4) {
    case 0x0: return row_0(d, insn);
    case 0x1: return d->opcode < 0x18 ? vector(d, insn) : nop_modrm(d, insn);
    case 0x2:
    case 0x3: return d->opcode >= 0x28 && d->opcode < 0x30 ? vector(d, insn) : row_2_3(d, insn);
    case 0x4: return cmov(d, insn);
    case 0x8: return jcc(d, insn);
    case 0x9: return setcc(d, insn);
    case 0xa: return row_a(d, insn);
    case 0xb: return row_b(d, insn);
    case 0xc: return row_c(d, insn);
    default: return d->opcode != 0xff && vector(d, insn);
    }
}
