/* What the files of the decoder share. */
#ifndef CPU_X86_DECODE_H
#define CPU_X86_DECODE_H

#include "cpu/x86_block.h"
#include "cpu/x86_ops.h"

/* Fetches of little-endian immediates, sign-extended. */
uint64_t x86_fetch_s8(struct x86_decoder *d);
uint64_t x86_fetch_s16(struct x86_decoder *d);
uint64_t x86_fetch_s32(struct x86_decoder *d);
uint64_t x86_fetch_64(struct x86_decoder *d);
/* The immediate of most instructions: the operand's size, at most 32 bits, sign-extended. */
uint64_t x86_fetch_imm(struct x86_decoder *d, unsigned size);

/* Reads ModRM, SIB and displacement into the operand's fields. */
void x86_fetch_modrm(struct x86_decoder *d, struct x86_insn *insn);

/* The two opcode maps. They fill everything but what the block does for all: offset, len,
 * the address's segment and size. False: there is no such instruction. */
bool x86_decode_one_byte(struct x86_decoder *d, struct x86_insn *insn);
bool x86_decode_two_byte(struct x86_decoder *d, struct x86_insn *insn);

/* The instructions that only 32-bit code has (x86_decode_32.c): asked first, of one-byte opcodes.
 * `exists` is what the other decoders answer. False: not one of them. */
bool x86_decode_only_32(struct x86_decoder *d, struct x86_insn *insn, bool *exists);
/* Loads of far pointers, of one or two bytes of opcode, with ModRM not read. */
bool x86_decode_far_load(struct x86_decoder *d, struct x86_insn *insn, unsigned segment);
bool x86_decode_push_segment(struct x86_decoder *d, struct x86_insn *insn, unsigned segment);
bool x86_decode_pop_segment(struct x86_decoder *d, struct x86_insn *insn, unsigned segment);

/* What push and pop move unless 66 stands before. */
static inline uint8_t x86_stack_size(const struct x86_decoder *d)
{
    return d->operand16 ? 2 : d->mode32 ? 4 : 8;
}

/* For both maps. */
static inline unsigned x86_size_log2(unsigned size)
{
    return (unsigned)__builtin_ctz(size);
}

/* The forms of X86_OPS_BINARY and X86_OPS_UNARY, in their order. */
enum { X86_FORM_RR, X86_FORM_RI, X86_FORM_RM, X86_FORM_MR, X86_FORM_MI, X86_FORM_COUNT };
enum { X86_FORM_R, X86_FORM_M };

static inline uint16_t x86_op_of(unsigned family, unsigned form, unsigned size)
{
    return (uint16_t)(family + form * 4 + x86_size_log2(size));
}

/* A byte register's place among the bytes of x86.r: ah, ch, dh, bh are the second bytes of the
 * first four registers, unless a REX prefix stands before. */
static inline uint8_t x86_byte_register(unsigned reg, bool rex)
{
    return (uint8_t)(!rex && reg >= 4 && reg < 8 ? (reg - 4) * 8 + 1 : reg * 8);
}

bool x86_set_handler(struct x86_insn *insn, x86_handler handler);
bool x86_set_stop(struct x86_decoder *d, struct x86_insn *insn, enum cpu_stop stop);

#endif
