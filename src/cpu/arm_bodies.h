/* What the operations do: the bodies of the main loop's labels. Only arm_run.c includes this: the
 * bodies use its variables (cpu, r, insn, left, stop) and its labels. One that may fault changes
 * nothing before. */
#ifndef CPU_ARM_BODIES_H
#define CPU_ARM_BODIES_H

#define RD     r[insn->rd]
#define RN     r[insn->rn]
#define RM     r[insn->rm]
#define RA     r[insn->ra]
#define IMM    insn->imm
#define FLAG_N r[ARM_R_N]
#define FLAG_Z r[ARM_R_Z]
#define FLAG_C r[ARM_R_C]
#define FLAG_V r[ARM_R_V]

/* --- arithmetic: results, and with flags --- */

#define DO_AND(a, b) ((a) & (b))
#define DO_EOR(a, b) ((a) ^ (b))
#define DO_SUB(a, b) ((a) - (b))
#define DO_RSB(a, b) ((b) - (a))
#define DO_ADD(a, b) ((a) + (b))
#define DO_ADC(a, b) ((a) + (b) + FLAG_C)
#define DO_SBC(a, b) ((a) - (b)-1 + FLAG_C)
#define DO_RSC(a, b) ((b) - (a)-1 + FLAG_C)
#define DO_ORR(a, b) ((a) | (b))
#define DO_MOV(a, b) (b)
#define DO_BIC(a, b) ((a) & ~(b))
#define DO_MVN(a, b) (~(b))
#define DO_ORN(a, b) ((a) | ~(b))

/* a + b + carry. A difference is a + ~b + 1. */
#define SUM_S(a, b, carry)                        \
    do {                                          \
        uint32_t x = (a), y = (b);                \
        uint64_t sum = (uint64_t)x + y + (carry); \
        FLAG_C = (uint32_t)(sum >> 32);           \
        FLAG_V = ~(x ^ y) & (x ^ (uint32_t)sum);  \
        RD = FLAG_N = FLAG_Z = (uint32_t)sum;     \
    } while (0)
#define DIFFERENCE_S(a, b)                    \
    do {                                      \
        uint32_t x = (a), y = (b), d = x - y; \
        FLAG_C = x >= y;                      \
        FLAG_V = (x ^ y) & (x ^ d);           \
        RD = FLAG_N = FLAG_Z = d;             \
    } while (0)
#define LOGICAL_S(value)               \
    do {                               \
        uint32_t result = (value);     \
        RD = FLAG_N = FLAG_Z = result; \
    } while (0)
#define DO_AND_S(a, b) LOGICAL_S(DO_AND(a, b))
#define DO_EOR_S(a, b) LOGICAL_S(DO_EOR(a, b))
#define DO_SUB_S(a, b) DIFFERENCE_S(a, b)
#define DO_RSB_S(a, b) DIFFERENCE_S(b, a)
#define DO_ADD_S(a, b) SUM_S(a, b, 0u)
#define DO_ADC_S(a, b) SUM_S(a, b, FLAG_C)
#define DO_SBC_S(a, b) SUM_S(a, ~(b), FLAG_C)
#define DO_RSC_S(a, b) SUM_S(b, ~(a), FLAG_C)
#define DO_ORR_S(a, b) LOGICAL_S(DO_ORR(a, b))
#define DO_MOV_S(a, b) LOGICAL_S(b)
#define DO_BIC_S(a, b) LOGICAL_S(DO_BIC(a, b))
#define DO_MVN_S(a, b) LOGICAL_S(DO_MVN(a, b))
#define DO_ORN_S(a, b) LOGICAL_S(DO_ORN(a, b))

/* --- shifts --- */

/* By an immediate: 1 to 31, of lsr and asr also 32. */
#define SHIFTED_LSL(v, n) ((v) << (n))
#define SHIFTED_LSR(v, n) ((uint32_t)((uint64_t)(v) >> (n)))
#define SHIFTED_ASR(v, n) ((uint32_t)((int64_t)(int32_t)(v) >> (n)))
#define SHIFTED_ROR(v, n) ((v) >> (n) | (v) << (32 - (n)))
#define SHIFTED_RRX(v, n) ((v) >> 1 | FLAG_C << 31)
/* The bit that falls off last. */
#define CARRY_LSL(v, n) ((v) >> (32 - (n)) & 1)
#define CARRY_LSR(v, n) ((v) >> ((n)-1) & 1)
#define CARRY_ASR(v, n) CARRY_LSR(v, n)
#define CARRY_ROR(v, n) CARRY_LSR(v, n)
#define CARRY_RRX(v, n) ((v)&1)

/* --- memory --- */

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LE16(v) (v)
#define LE32(v) (v)
#else
#define LE16(v) __builtin_bswap16(v)
#define LE32(v) __builtin_bswap32(v)
#endif

/* `then` comes before rd is set: what is loaded into the base stays. */
#define LOAD(type, CONVERT, addr, then)                                     \
    {                                                                       \
        type value;                                                         \
        FAULT_IF(cpu_core_load(&cpu->core, (addr), &value, sizeof(value))); \
        then;                                                               \
        RD = (uint32_t)CONVERT(value);                                      \
        NEXT();                                                             \
    }
#define STORE(type, CONVERT, addr, then)                                     \
    {                                                                        \
        type value = (type)CONVERT((type)RD);                                \
        FAULT_IF(cpu_core_store(&cpu->core, (addr), &value, sizeof(value))); \
        then;                                                                \
        NEXT();                                                              \
    }
#define SIGNED8(v)        (int8_t)(v)
#define PLAIN8(v)         (v)
#define SIGNED16(v)       (int16_t) LE16(v)
#define DO_LDR(a, then)   LOAD(uint32_t, LE32, a, then)
#define DO_LDRB(a, then)  LOAD(uint8_t, PLAIN8, a, then)
#define DO_LDRH(a, then)  LOAD(uint16_t, LE16, a, then)
#define DO_LDRSB(a, then) LOAD(uint8_t, SIGNED8, a, then)
#define DO_LDRSH(a, then) LOAD(uint16_t, SIGNED16, a, then)
#define DO_STR(a, then)   STORE(uint32_t, LE32, a, then)
#define DO_STRB(a, then)  STORE(uint8_t, PLAIN8, a, then)
#define DO_STRH(a, then)  STORE(uint16_t, LE16, a, then)

/* --- conditions --- */

#define IF_EQ (FLAG_Z == 0)
#define IF_NE (FLAG_Z != 0)
#define IF_CS (FLAG_C != 0)
#define IF_CC (FLAG_C == 0)
#define IF_MI ((int32_t)FLAG_N < 0)
#define IF_PL ((int32_t)FLAG_N >= 0)
#define IF_VS ((int32_t)FLAG_V < 0)
#define IF_VC ((int32_t)FLAG_V >= 0)
#define IF_HI (FLAG_C != 0 && FLAG_Z != 0)
#define IF_LS (FLAG_C == 0 || FLAG_Z == 0)
#define IF_GE ((int32_t)(FLAG_N ^ FLAG_V) >= 0)
#define IF_LT ((int32_t)(FLAG_N ^ FLAG_V) < 0)
#define IF_GT (FLAG_Z != 0 && (int32_t)(FLAG_N ^ FLAG_V) >= 0)
#define IF_LE (FLAG_Z == 0 || (int32_t)(FLAG_N ^ FLAG_V) < 0)

#endif
