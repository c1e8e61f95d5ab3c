/* Loops that the compiler turns into vector instructions, for the lockstep test. */
#include <stdint.h>
#include <stdio.h>

enum { N = 131 };

static uint8_t u8[3][N];
static int16_t s16[3][N];
static uint32_t u32[3][N];
static uint64_t u64[3][N];
static float f32[3][N];
static double f64[3][N];

static void fill(void)
{
    for (int i = 0; i < N; i++) {
        u8[0][i] = (uint8_t)(i * 37);
        u8[1][i] = (uint8_t)(i * 11 + 3);
        s16[0][i] = (int16_t)(i * 2741);
        s16[1][i] = (int16_t)(i * -1933);
        u32[0][i] = (uint32_t)i * 2654435761U;
        u32[1][i] = (uint32_t)i * 40503U;
        u64[0][i] = (uint64_t)i * 0x9e3779b97f4a7c15;
        f32[0][i] = (float)i * 0.37F - 20;
        f64[0][i] = (double)i * 1.25 - 70;
    }
}

static void bytes(void)
{
    for (int i = 0; i < N; i++) {
        int sum = u8[0][i] + u8[1][i];
        u8[2][i] = (uint8_t)(sum > 255 ? 255 : sum);
        u8[1][i] = u8[0][i] > u8[1][i] ? u8[0][i] : u8[1][i];
        u8[0][i] = (uint8_t)((u8[0][i] + u8[1][i] + 1) / 2);
    }
}

static void words(void)
{
    for (int i = 0; i < N; i++) {
        s16[2][i] = (int16_t)(s16[0][i] * s16[1][i] >> 16);
        s16[1][i] = s16[0][i] < s16[1][i] ? s16[0][i] : s16[1][i];
        s16[0][i] = (int16_t)(s16[0][i] >> 3);
        u32[2][i] = u32[0][i] * u32[1][i] + (u32[0][i] << 7 ^ u32[1][i] >> 9);
        u64[2][i] = (u64[0][i] << 13 ^ u64[0][i] >> 7) + u32[0][i];
    }
}

static void floats(void)
{
    for (int i = 0; i < N; i++) {
        f32[1][i] = f32[0][i] * 3 + 1 / (f32[0][i] + 100);
        f32[2][i] = f32[1][i] < f32[0][i] ? f32[1][i] : f32[0][i];
        f64[1][i] = f64[0][i] * f64[0][i] - (double)f32[1][i];
        f64[2][i] = f64[1][i] > 0 ? f64[1][i] : -f64[1][i];
        u32[0][i] = (uint32_t)(int32_t)f32[1][i];
        f32[0][i] = (float)(int32_t)u32[1][i];
        f64[0][i] = (double)(int32_t)u32[0][i] + __builtin_sqrt(f64[2][i]);
    }
}

static double sum(void)
{
    double total = 0;
    uint64_t whole = 0;
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < N; i++) {
            total += (double)f32[k][i] + f64[k][i];
            whole += u8[k][i] + (uint64_t)s16[k][i] + u32[k][i] + u64[k][i];
        }
    }
    return total + (double)whole;
}

int main(void)
{
    fill();
    for (int round = 0; round < 3; round++) {
        bytes();
        words();
        floats();
    }
    printf("%.17g\n", sum());
    return 0;
}
