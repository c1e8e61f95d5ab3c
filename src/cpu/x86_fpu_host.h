/* One x87 operation, as a function on values. */
#ifndef CPU_X86_FPU_HOST_H
#define CPU_X86_FPU_HOST_H

#include <stdbool.h>
#include <stdint.h>

/* The image of frstor and fnsave (32-bit format, SDM volume 1, figure 8-9): st(0) first. */
struct x86_fpu_image {
    uint32_t control, status, tag;
    uint32_t ip, opcode, dp, data_segment;
    uint8_t st[8][10];
};

/* Whether the instruction of two bytes, D8 to DF and a ModRM byte, is an operation on the x87
 * state alone or on it and one memory operand. */
bool x86_fpu_host_has(uint8_t opcode, uint8_t modrm);

/* Executes it on *image. No exception may be pending in it. `operand` is the memory operand's bytes
 * (read or written, as the instruction does). `flags` gives ZF, PF and CF at their places for
 * fcmov; returned are those that fcomi sets. */
uint8_t x86_fpu_host_run(uint8_t opcode, uint8_t modrm, struct x86_fpu_image *image, void *operand,
                         uint8_t flags);

#endif
