/* The x87, by the host's own.
 *
 * Why assembler in an interpreter of plain C: results of 80 bits, their rounding at any precision,
 * the transcendental functions, stack faults and every status bit are then exact by construction.
 * What stands here is a fixed table of instructions, one for each encoding, made by the assembler;
 * nothing of a guest's code is ever executed. Another host replaces this one file (and
 * x86_sse_host.c); all else is plain C. */
#include "cpu/x86_fpu_host.h"

#include <assert.h>
#include <stddef.h>

#ifndef __x86_64__
#error "write this file for your host: its interface is x86_fpu_host.h"
#endif

_Static_assert(sizeof(struct x86_fpu_image) == 108, "as the processor has it");

/* Each entry is four bytes: the instruction, a return and a filler. The memory forms address their
 * operand by rdx. An encoding that x86_fpu_host_has denies is never called. */
enum { ENTRY_BYTES = 4 };
extern const uint8_t x86_fpu_register_forms[8][64][ENTRY_BYTES];
extern const uint8_t x86_fpu_memory_forms[8][8][ENTRY_BYTES];

__asm__(".pushsection .text\n"
        ".balign 16\n"
        ".globl x86_fpu_register_forms, x86_fpu_memory_forms\n"
        ".hidden x86_fpu_register_forms, x86_fpu_memory_forms\n"
        "x86_fpu_register_forms:\n"
        ".set x86_fpu_form, 0\n"
        ".rept 512\n"
        ".byte 0xd8 + (x86_fpu_form >> 6), 0xc0 + (x86_fpu_form & 63), 0xc3, 0x90\n"
        ".set x86_fpu_form, x86_fpu_form + 1\n"
        ".endr\n"
        "x86_fpu_memory_forms:\n"
        ".set x86_fpu_form, 0\n"
        ".rept 64\n"
        ".byte 0xd8 + (x86_fpu_form >> 3), (x86_fpu_form & 7) << 3 | 2, 0xc3, 0x90\n"
        ".set x86_fpu_form, x86_fpu_form + 1\n"
        ".endr\n"
        ".popsection\n");

/* Bit i is the encoding C0 + i. Left out: what the interpreter does itself (fnclex, fninit, fnstsw)
 * and what is undefined. */
static const uint64_t register_valid[8] = {
    0xffffffffffffffff, /* D8: arithmetic */
    0xffff7f33ff01ffff, /* D9: fld, fxch, fnop, constants, functions */
    0x00000200ffffffff, /* DA: fcmov, fucompp */
    0x00ffff13ffffffff, /* DB: fcmovn, fneni, fndisi, fnsetpm, fucomi, fcomi */
    0xffffffffffffffff, /* DC */
    0x0000ffffffffffff, /* DD: ffree, fxch, fst, fstp, fucom, fucomp */
    0xffffffff02ffffff, /* DE: arithmetic with pop, fcompp */
    0x00ffff00ffffffff, /* DF: ffreep, fxch, fstp, fucomip, fcomip */
};

/* Bit i is ModRM.reg. Left out: fisttp, for it is of SSE3, and the environment's loads and stores. */
static const uint8_t memory_valid[8] = {0xff, 0x0d, 0xff, 0xad, 0xff, 0x0d, 0xff, 0xfd};

bool x86_fpu_host_has(uint8_t opcode, uint8_t modrm)
{
    unsigned row = opcode & 7;
    if (opcode < 0xd8 || opcode > 0xdf)
        return false;
    if (modrm >= 0xc0)
        return register_valid[row] >> (modrm & 63) & 1;
    return memory_valid[row] >> (modrm >> 3 & 7) & 1;
}

uint8_t x86_fpu_host_run(uint8_t opcode, uint8_t modrm, struct x86_fpu_image *image, void *operand,
                         uint8_t flags)
{
    assert(x86_fpu_host_has(opcode, modrm));
    const uint8_t *form = modrm >= 0xc0 ? x86_fpu_register_forms[opcode & 7][modrm & 63]
                                        : x86_fpu_memory_forms[opcode & 7][modrm >> 3 & 7];
    uint16_t host_control;
    uint32_t ax = (uint32_t)flags << 8; /* sahf and lahf work on ah */
    /* The stack pointer steps over the red zone, for the call would write into it. fnsave leaves
     * the unit as after fninit: empty, as the calling convention wants it, nothing pending. */
    __asm__ volatile("fnstcw %[control]\n\t"
                     "frstor %[image]\n\t"
                     "leaq -128(%%rsp), %%rsp\n\t"
                     "sahf\n\t"
                     "call *%[form]\n\t"
                     "lahf\n\t"
                     "leaq 128(%%rsp), %%rsp\n\t"
                     "fnsave %[image]\n\t"
                     "fldcw %[control]"
                     : [control] "=m"(host_control), [image] "+m"(*image), "+a"(ax)
                     : [form] "r"(form), "d"(operand)
                     : "memory", "cc", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)",
                       "st(7)");
    return (uint8_t)(ax >> 8);
}
