/* Vector operations as functions on values: no processor, no memory, no faults.
 *
 * An operation changes *d by *s, as `op xmm1, xmm2` does. Each takes the whole 16 bytes; a scalar
 * operation leaves the rest of *d alone, and an MMX form uses the low half (see x86_mmx.c).
 *
 * Source: Intel SDM volume 2, the page of each instruction. */
#ifndef CPU_X86_SSE_H
#define CPU_X86_SSE_H

#include <stdint.h>

union x86_vec {
    uint8_t u8[16];
    int8_t s8[16];
    uint16_t u16[8];
    int16_t s16[8];
    uint32_t u32[4];
    int32_t s32[4];
    uint64_t u64[2];
    int64_t s64[2];
};

typedef void (*x86_vec_fn)(union x86_vec *d, const union x86_vec *s);

/* The shifts by an immediate (0F 71, 72, 73), by /reg of the ModRM byte; NULL: undefined. `count`
 * may be any byte. The last two of 73 (by bytes) have no MMX form. */
typedef void (*x86_vec_shift_fn)(union x86_vec *d, uint64_t count);
x86_vec_shift_fn x86_vec_shift(uint8_t opcode, unsigned reg);

/* pshufd, pshufhw, pshuflw, pshufw, shufps and shufpd: *d from *d and *s by the immediate. */
typedef void (*x86_vec_imm_fn)(union x86_vec *d, const union x86_vec *s, uint8_t imm);
void x86_vec_pshufd(union x86_vec *d, const union x86_vec *s, uint8_t imm);
void x86_vec_pshufhw(union x86_vec *d, const union x86_vec *s, uint8_t imm);
void x86_vec_pshuflw(union x86_vec *d, const union x86_vec *s, uint8_t imm);
void x86_vec_shufps(union x86_vec *d, const union x86_vec *s, uint8_t imm);
void x86_vec_shufpd(union x86_vec *d, const union x86_vec *s, uint8_t imm);

/* The top bits of each lane, first lane lowest. */
uint32_t x86_vec_pmovmskb(const union x86_vec *s);
uint32_t x86_vec_movmskps(const union x86_vec *s);
uint32_t x86_vec_movmskpd(const union x86_vec *s);

#endif
