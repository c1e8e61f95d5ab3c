/* The page of helpers (arm.h): their places are Linux's, each at most 32 bytes long (the first 64). */
#include "cpu/arm.h"

enum {
    AT_EXCHANGE_64 = 0xf60 / 4,
    AT_BARRIER = 0xfa0 / 4,
    AT_EXCHANGE = 0xfc0 / 4,
    AT_THREAD = 0xfe0 / 4,
    AT_VERSION = 0xffc / 4, /* how many helpers there are */
};

const uint32_t arm_helpers[CPU_PAGE_BYTES / 4] __attribute__((aligned(CPU_PAGE_BYTES))) = {
    /* push {r4-r7}; ldrd r4, [r0]; ldrd r6, [r1]; dmb; 1: ldrexd r0, [r2]; eors r3, r0, r4;
     * eorseq r3, r1, r5; strexdeq r3, r6, [r2]; teqeq r3, #1; beq 1b; dmb; rsbs r0, r3, #0;
     * pop {r4-r7}; bx lr */
    [AT_EXCHANGE_64] = 0xe92d00f0,
    [AT_EXCHANGE_64 + 1] = 0xe1c040d0,
    [AT_EXCHANGE_64 + 2] = 0xe1c160d0,
    [AT_EXCHANGE_64 + 3] = 0xf57ff05b,
    [AT_EXCHANGE_64 + 4] = 0xe1b20f9f,
    [AT_EXCHANGE_64 + 5] = 0xe0303004,
    [AT_EXCHANGE_64 + 6] = 0x00313005,
    [AT_EXCHANGE_64 + 7] = 0x01a23f96,
    [AT_EXCHANGE_64 + 8] = 0x03330001,
    [AT_EXCHANGE_64 + 9] = 0x0afffff9,
    [AT_EXCHANGE_64 + 10] = 0xf57ff05b,
    [AT_EXCHANGE_64 + 11] = 0xe2730000,
    [AT_EXCHANGE_64 + 12] = 0xe8bd00f0,
    [AT_EXCHANGE_64 + 13] = 0xe12fff1e,
    /* dmb; bx lr */
    [AT_BARRIER] = 0xf57ff05b,
    [AT_BARRIER + 1] = 0xe12fff1e,
    /* dmb; 1: ldrex r3, [r2]; subs r3, r3, r0; strexeq r3, r1, [r2]; teqeq r3, #1; beq 1b;
     * rsbs r0, r3, #0; b to the barrier */
    [AT_EXCHANGE] = 0xf57ff05b,
    [AT_EXCHANGE + 1] = 0xe1923f9f,
    [AT_EXCHANGE + 2] = 0xe0533000,
    [AT_EXCHANGE + 3] = 0x01823f91,
    [AT_EXCHANGE + 4] = 0x03330001,
    [AT_EXCHANGE + 5] = 0x0afffffa,
    [AT_EXCHANGE + 6] = 0xe2730000,
    [AT_EXCHANGE + 7] = 0xeaffffef,
    /* mrc p15, 0, r0, c13, c0, 3; bx lr */
    [AT_THREAD] = 0xee1d0f70,
    [AT_THREAD + 1] = 0xe12fff1e,
    [AT_VERSION] = 5,
};
