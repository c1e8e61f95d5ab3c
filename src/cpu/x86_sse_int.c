/* Packed integers: one line an operation, then the table by opcode of their
 * handlers. */
#include "cpu/x86_vector.h"

#include <stddef.h>

/* A lane-wise operation: `a` is the lane of *d, `b` that of *s. */
#define LANES(name, lane, count, type, expression)             \
    static void name(union x86_vec *d, const union x86_vec *s) \
    {                                                          \
        union x86_vec r;                                       \
        for (int i = 0; i < (count); i++) {                    \
            type a = (type)d->lane[i], b = (type)s->lane[i];   \
            r.lane[i] = (__typeof__(r.lane[i]))(expression);   \
        }                                                      \
        *d = r;                                                \
    }

static inline int clamp(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

static inline int distance(int a, int b)
{
    return a < b ? b - a : a - b;
}

LANES(paddb, u8, 16, uint32_t, a + b)
LANES(paddw, u16, 8, uint32_t, a + b)
LANES(paddd, u32, 4, uint32_t, a + b)
LANES(paddq, u64, 2, uint64_t, a + b)
LANES(psubb, u8, 16, uint32_t, a - b)
LANES(psubw, u16, 8, uint32_t, a - b)
LANES(psubd, u32, 4, uint32_t, a - b)
LANES(psubq, u64, 2, uint64_t, a - b)
LANES(paddsb, s8, 16, int, clamp(a + b, INT8_MIN, INT8_MAX))
LANES(paddsw, s16, 8, int, clamp(a + b, INT16_MIN, INT16_MAX))
LANES(paddusb, u8, 16, int, clamp(a + b, 0, UINT8_MAX))
LANES(paddusw, u16, 8, int, clamp(a + b, 0, UINT16_MAX))
LANES(psubsb, s8, 16, int, clamp(a - b, INT8_MIN, INT8_MAX))
LANES(psubsw, s16, 8, int, clamp(a - b, INT16_MIN, INT16_MAX))
LANES(psubusb, u8, 16, int, clamp(a - b, 0, UINT8_MAX))
LANES(psubusw, u16, 8, int, clamp(a - b, 0, UINT16_MAX))

LANES(pcmpeqb, u8, 16, uint8_t, a == b ? 0xff : 0)
LANES(pcmpeqw, u16, 8, uint16_t, a == b ? 0xffff : 0)
LANES(pcmpeqd, u32, 4, uint32_t, a == b ? UINT32_MAX : 0)
LANES(pcmpgtb, s8, 16, int8_t, a > b ? -1 : 0)
LANES(pcmpgtw, s16, 8, int16_t, a > b ? -1 : 0)
LANES(pcmpgtd, s32, 4, int32_t, a > b ? -1 : 0)

LANES(pminub, u8, 16, uint8_t, a < b ? a : b)
LANES(pmaxub, u8, 16, uint8_t, a > b ? a : b)
LANES(pminsw, s16, 8, int16_t, a < b ? a : b)
LANES(pmaxsw, s16, 8, int16_t, a > b ? a : b)
LANES(pavgb, u8, 16, uint32_t, (a + b + 1) >> 1)
LANES(pavgw, u16, 8, uint32_t, (a + b + 1) >> 1)

LANES(pmullw, u16, 8, uint32_t, a *b)
LANES(pmulhw, s16, 8, int32_t, (a * b) >> 16)
LANES(pmulhuw, u16, 8, uint32_t, (a * b) >> 16)
LANES(pmuludq, u64, 2, uint64_t, (a & UINT32_MAX) * (b & UINT32_MAX))

static void pmaddwd(union x86_vec *d, const union x86_vec *s)
{
    for (unsigned i = 0; i < 8; i += 2) {
        int32_t low = d->s16[i] * s->s16[i], high = d->s16[i + 1] * s->s16[i + 1];
        d->u32[i / 2] = (uint32_t)low + (uint32_t)high; /* wraps for four times -32768 */
    }
}

static void psadbw(union x86_vec *d, const union x86_vec *s)
{
    for (unsigned half = 0; half < 2; half++) {
        uint64_t sum = 0;
        for (unsigned i = 8 * half; i < 8 * half + 8; i++)
            sum += (uint64_t)distance(d->u8[i], s->u8[i]);
        d->u64[half] = sum;
    }
}

/* Logic. */
static void pand(union x86_vec *d, const union x86_vec *s)
{
    d->u64[0] &= s->u64[0];
    d->u64[1] &= s->u64[1];
}

static void pandn(union x86_vec *d, const union x86_vec *s)
{
    d->u64[0] = ~d->u64[0] & s->u64[0];
    d->u64[1] = ~d->u64[1] & s->u64[1];
}

static void por(union x86_vec *d, const union x86_vec *s)
{
    d->u64[0] |= s->u64[0];
    d->u64[1] |= s->u64[1];
}

static void pxor(union x86_vec *d, const union x86_vec *s)
{
    d->u64[0] ^= s->u64[0];
    d->u64[1] ^= s->u64[1];
}

/* Packing: lanes of *d, then of *s, narrowed with saturation. */
#define PACK(name, to, from, count, low, high)                                     \
    static void name(union x86_vec *d, const union x86_vec *s)                     \
    {                                                                              \
        union x86_vec r;                                                           \
        for (int i = 0; i < (count); i++) {                                        \
            r.to[i] = (__typeof__(r.to[i]))clamp(d->from[i], low, high);           \
            r.to[i + (count)] = (__typeof__(r.to[i]))clamp(s->from[i], low, high); \
        }                                                                          \
        *d = r;                                                                    \
    }

PACK(packsswb, s8, s16, 8, INT8_MIN, INT8_MAX)
PACK(packuswb, u8, s16, 8, 0, UINT8_MAX)
PACK(packssdw, s16, s32, 4, INT16_MIN, INT16_MAX)

/* Unpacking: lanes of *d and *s in turn, `first` is where the taken half begins. */
#define UNPACK(name, lane, count, first)                \
    void name(union x86_vec *d, const union x86_vec *s) \
    {                                                   \
        union x86_vec r;                                \
        for (unsigned i = 0; i < (count); i += 2) {     \
            r.lane[i] = d->lane[(first) + i / 2];       \
            r.lane[i + 1] = s->lane[(first) + i / 2];   \
        }                                               \
        *d = r;                                         \
    }

static UNPACK(unpackl8, u8, 16, 0) static UNPACK(unpackh8, u8, 16, 8) static UNPACK(
    unpackl16, u16, 8,
    0) static UNPACK(unpackh16, u16, 8,
                     4) static UNPACK(unpackl32, u32, 4,
                                      0) static UNPACK(unpackh32, u32, 4,
                                                       2) static UNPACK(unpackl64, u64, 2,
                                                                        0) static UNPACK(unpackh64,
                                                                                         u64, 2, 1)

    /* The MMX forms work on the low halves of *d and *s, and their result is the low half. */
    static void join_halves(union x86_vec *d, const union x86_vec *s)
{
    d->u64[1] = s->u64[0];
}

#define MMX_PACK(name, wide)                                   \
    static void name(union x86_vec *d, const union x86_vec *s) \
    {                                                          \
        join_halves(d, s);                                     \
        wide(d, d);                                            \
    }

MMX_PACK(mmx_packsswb, packsswb)
MMX_PACK(mmx_packuswb, packuswb)
MMX_PACK(mmx_packssdw, packssdw)

/* The upper half of eight bytes is what the lower unpack of sixteen puts into its upper half. */
#define MMX_UNPACKH(name, wide)                                \
    static void name(union x86_vec *d, const union x86_vec *s) \
    {                                                          \
        wide(d, s);                                            \
        d->u64[0] = d->u64[1];                                 \
    }

MMX_UNPACKH(mmx_unpackh8, unpackl8)
MMX_UNPACKH(mmx_unpackh16, unpackl16)
MMX_UNPACKH(mmx_unpackh32, unpackl32)

/* Shifts: a count beyond the lane gives zero, or the sign for the arithmetic ones. */
#define SHIFT(name, lane, count, bits, expression)                        \
    static void name##_by(union x86_vec *d, uint64_t by)                  \
    {                                                                     \
        for (int i = 0; i < (count); i++) {                               \
            __typeof__(d->lane[i]) a = d->lane[i];                        \
            d->lane[i] = (__typeof__(a))(by < (bits) ? (expression) : 0); \
        }                                                                 \
    }                                                                     \
    static void name(union x86_vec *d, const union x86_vec *s)            \
    {                                                                     \
        name##_by(d, s->u64[0]);                                          \
    }

SHIFT(psrlw, u16, 8, 16, a >> by)
SHIFT(psrld, u32, 4, 32, a >> by)
SHIFT(psrlq, u64, 2, 64, a >> by)
SHIFT(psllw, u16, 8, 16, (uint32_t)a << by)
SHIFT(pslld, u32, 4, 32, a << by)
SHIFT(psllq, u64, 2, 64, a << by)

#define SHIFT_SIGN(name, lane, count, bits)                                                     \
    static void name##_by(union x86_vec *d, uint64_t by)                                        \
    {                                                                                           \
        for (int i = 0; i < (count); i++)                                                       \
            d->lane[i] = (__typeof__(d->lane[i]))(d->lane[i] >> (by < (bits) ? by : (bits)-1)); \
    }                                                                                           \
    static void name(union x86_vec *d, const union x86_vec *s)                                  \
    {                                                                                           \
        name##_by(d, s->u64[0]);                                                                \
    }

SHIFT_SIGN(psraw, s16, 8, 16)
SHIFT_SIGN(psrad, s32, 4, 32)

static void pslldq(union x86_vec *d, uint64_t bytes)
{
    union x86_vec r = {{0}};
    for (uint64_t i = bytes; i < 16; i++)
        r.u8[i] = d->u8[i - bytes];
    *d = r;
}

static void psrldq(union x86_vec *d, uint64_t bytes)
{
    union x86_vec r = {{0}};
    for (uint64_t i = bytes; i < 16; i++)
        r.u8[i - bytes] = d->u8[i];
    *d = r;
}

x86_vec_shift_fn x86_vec_shift(uint8_t opcode, unsigned reg)
{
    static const x86_vec_shift_fn table[3][8] = {
        {[2] = psrlw_by, [4] = psraw_by, [6] = psllw_by},
        {[2] = psrld_by, [4] = psrad_by, [6] = pslld_by},
        {[2] = psrlq_by, [3] = psrldq, [6] = psllq_by, [7] = pslldq},
    };
    return table[(opcode - 0x71u) % 3][reg & 7];
}

/* Shuffles. */
void x86_vec_pshufd(union x86_vec *d, const union x86_vec *s, uint8_t imm)
{
    union x86_vec r;
    for (int i = 0; i < 4; i++)
        r.u32[i] = s->u32[imm >> (2 * i) & 3];
    *d = r;
}

void x86_vec_pshuflw(union x86_vec *d, const union x86_vec *s, uint8_t imm)
{
    union x86_vec r = *s;
    for (int i = 0; i < 4; i++)
        r.u16[i] = s->u16[imm >> (2 * i) & 3];
    *d = r;
}

void x86_vec_pshufhw(union x86_vec *d, const union x86_vec *s, uint8_t imm)
{
    union x86_vec r = *s;
    for (int i = 0; i < 4; i++)
        r.u16[4 + i] = s->u16[4 + (imm >> (2 * i) & 3)];
    *d = r;
}

void x86_vec_shufps(union x86_vec *d, const union x86_vec *s, uint8_t imm)
{
    union x86_vec r;
    for (int i = 0; i < 4; i++)
        r.u32[i] = (i < 2 ? d : s)->u32[imm >> (2 * i) & 3];
    *d = r;
}

void x86_vec_shufpd(union x86_vec *d, const union x86_vec *s, uint8_t imm)
{
    uint64_t low = d->u64[imm & 1], high = s->u64[imm >> 1 & 1];
    d->u64[0] = low;
    d->u64[1] = high;
}

/* Sign bits. */
uint32_t x86_vec_pmovmskb(const union x86_vec *s)
{
    /* The multiplication gathers the eight sign bits, each moved to its place in the top byte. */
    uint64_t low = (s->u64[0] >> 7 & 0x0101010101010101) * 0x0102040810204080 >> 56;
    uint64_t high = (s->u64[1] >> 7 & 0x0101010101010101) * 0x0102040810204080 >> 56;
    return (uint32_t)(low | high << 8);
}

uint32_t x86_vec_movmskps(const union x86_vec *s)
{
    uint32_t mask = 0;
    for (int i = 0; i < 4; i++)
        mask |= s->u32[i] >> 31 << i;
    return mask;
}

uint32_t x86_vec_movmskpd(const union x86_vec *s)
{
    return (uint32_t)(s->u64[0] >> 63 | s->u64[1] >> 63 << 1);
}

/* Opcode, operation, and what its MMX form runs on the low halves. */
#define OPERATIONS(X)                 \
    X(0x60, unpackl8, unpackl8)       \
    X(0x61, unpackl16, unpackl16)     \
    X(0x62, unpackl32, unpackl32)     \
    X(0x63, packsswb, mmx_packsswb)   \
    X(0x64, pcmpgtb, pcmpgtb)         \
    X(0x65, pcmpgtw, pcmpgtw)         \
    X(0x66, pcmpgtd, pcmpgtd)         \
    X(0x67, packuswb, mmx_packuswb)   \
    X(0x68, unpackh8, mmx_unpackh8)   \
    X(0x69, unpackh16, mmx_unpackh16) \
    X(0x6a, unpackh32, mmx_unpackh32) \
    X(0x6b, packssdw, mmx_packssdw)   \
    X(0x6c, unpackl64, NULL)          \
    X(0x6d, unpackh64, NULL)          \
    X(0x74, pcmpeqb, pcmpeqb)         \
    X(0x75, pcmpeqw, pcmpeqw)         \
    X(0x76, pcmpeqd, pcmpeqd)         \
    X(0xd1, psrlw, psrlw)             \
    X(0xd2, psrld, psrld)             \
    X(0xd3, psrlq, psrlq)             \
    X(0xd4, paddq, paddq)             \
    X(0xd5, pmullw, pmullw)           \
    X(0xd8, psubusb, psubusb)         \
    X(0xd9, psubusw, psubusw)         \
    X(0xda, pminub, pminub)           \
    X(0xdb, pand, pand)               \
    X(0xdc, paddusb, paddusb)         \
    X(0xdd, paddusw, paddusw)         \
    X(0xde, pmaxub, pmaxub)           \
    X(0xdf, pandn, pandn)             \
    X(0xe0, pavgb, pavgb)             \
    X(0xe1, psraw, psraw)             \
    X(0xe2, psrad, psrad)             \
    X(0xe3, pavgw, pavgw)             \
    X(0xe4, pmulhuw, pmulhuw)         \
    X(0xe5, pmulhw, pmulhw)           \
    X(0xe8, psubsb, psubsb)           \
    X(0xe9, psubsw, psubsw)           \
    X(0xea, pminsw, pminsw)           \
    X(0xeb, por, por)                 \
    X(0xec, paddsb, paddsb)           \
    X(0xed, paddsw, paddsw)           \
    X(0xee, pmaxsw, pmaxsw)           \
    X(0xef, pxor, pxor)               \
    X(0xf1, psllw, psllw)             \
    X(0xf2, pslld, pslld)             \
    X(0xf3, psllq, psllq)             \
    X(0xf4, pmuludq, pmuludq)         \
    X(0xf5, pmaddwd, pmaddwd)         \
    X(0xf6, psadbw, psadbw)           \
    X(0xf8, psubb, psubb)             \
    X(0xf9, psubw, psubw)             \
    X(0xfa, psubd, psubd)             \
    X(0xfb, psubq, psubq)             \
    X(0xfc, paddb, paddb)             \
    X(0xfd, paddw, paddw)             \
    X(0xfe, paddd, paddd)

/* A handler of its own for each, and not one that calls the operation: these are the innermost
 * loops of memcpy, strlen and their kin. */
#define HANDLERS(opcode, name, mmx)                                     \
    static int name##_reg(struct x86 *cpu, const struct x86_insn *insn) \
    {                                                                   \
        name(x86_xmm(cpu, insn->reg), x86_xmm(cpu, insn->rm));          \
        return 0;                                                       \
    }                                                                   \
    static int name##_mem(struct x86 *cpu, const struct x86_insn *insn) \
    {                                                                   \
        union x86_vec s;                                                \
        int stop = x86_load_aligned(cpu, insn, &s);                     \
        if (!stop)                                                      \
            name(x86_xmm(cpu, insn->reg), &s);                          \
        return stop;                                                    \
    }

OPERATIONS(HANDLERS)

#define ROW(opcode, name, mmx) [opcode] = {{name##_reg, name##_mem}, mmx},

const struct x86_vector_int_op x86_vector_int_ops[256] = {OPERATIONS(ROW)};
