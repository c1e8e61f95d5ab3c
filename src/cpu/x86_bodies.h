/* What the operations do: the bodies of the main loop's labels, without what leads on to the next
 * one. Only x86_run.c includes this: the bodies use its variables (cpu, r, tlb, insn, stop, rip) and
 * its labels fault and link. A body is a block; one that may fault changes nothing before. */
#ifndef CPU_X86_BODIES_H
#define CPU_X86_BODIES_H

/* Registers by operand size; of size 8, byte registers' places. */
#define GET8(n)     (((const uint8_t *)r)[n])
#define GET16(n)    ((uint16_t)r[n])
#define GET32(n)    ((uint32_t)r[n])
#define GET64(n)    (r[n])
#define SET8(n, v)  (((uint8_t *)r)[n] = (uint8_t)(v))
#define SET16(n, v) (*(uint16_t *)&r[n] = (uint16_t)(v))
#define SET32(n, v) (r[n] = (uint32_t)(v))
#define SET64(n, v) (r[n] = (uint64_t)(v))

/* Goes where insn->imm says, counted from the page. */
#define GO()                   \
    do {                       \
        if (insn->link)        \
            ENTER(insn->link); \
        goto link;             \
    } while (0)

#define CHECK_TARGET(addr)                                   \
    do {                                                     \
        if (unlikely((addr) >> 47) && !is_canonical(addr)) { \
            stop = CPU_STOP_PROTECT;                         \
            goto fault;                                      \
        }                                                    \
    } while (0)

#define EA() (r[insn->base] + (r[insn->index] << insn->scale) + (uint64_t)(int64_t)insn->disp)

#define LOAD_AT(addr, variable)  FAULT_IF(x86_load(cpu, addr, &(variable), sizeof(variable)))
#define STORE_AT(addr, variable) FAULT_IF(x86_store(cpu, addr, &(variable), sizeof(variable)))

/* What the binary operations compute from a and b, with the flags: T is their type. */
#define FLAGS(bits, result, carries) \
    (cpu->flag_result = (uint64_t)(int64_t)(int##bits##_t)(result), cpu->flag_carry = (carries))
#define COMPUTE_ADD(bits) \
    res = (T)(a + b);     \
    FLAGS(bits, res, x86_carries_add(a, b, res, bits))
#define COMPUTE_ADC(bits)              \
    res = (T)(a + b + (T)x86_cf(cpu)); \
    FLAGS(bits, res, x86_carries_add(a, b, res, bits))
#define COMPUTE_SUB(bits) \
    res = (T)(a - b);     \
    FLAGS(bits, res, x86_carries_sub(a, b, res, bits))
#define COMPUTE_SBB(bits)              \
    res = (T)(a - b - (T)x86_cf(cpu)); \
    FLAGS(bits, res, x86_carries_sub(a, b, res, bits))
#define COMPUTE_AND(bits) \
    res = (T)(a & b);     \
    FLAGS(bits, res, 0)
#define COMPUTE_OR(bits) \
    res = (T)(a | b);    \
    FLAGS(bits, res, 0)
#define COMPUTE_XOR(bits) \
    res = (T)(a ^ b);     \
    FLAGS(bits, res, 0)

#define COMPUTE_INC(bits) \
    res = (T)(a + 1);     \
    FLAGS(bits, res, x86_carries_keep_cf(cpu->flag_carry, x86_carries_add(a, (T)1, res, bits)))
#define COMPUTE_DEC(bits) \
    res = (T)(a - 1);     \
    FLAGS(bits, res, x86_carries_keep_cf(cpu->flag_carry, x86_carries_sub(a, (T)1, res, bits)))
#define COMPUTE_NEG(bits) \
    res = (T)(0 - a);     \
    FLAGS(bits, res, x86_carries_sub((T)0, a, res, bits))
#define COMPUTE_NOT(bits) res = (T)~a

/* The forms of X86_OPS_BINARY. */
#define DO_RR(bits, COMPUTE)                                      \
    {                                                             \
        typedef uint##bits##_t T;                                 \
        T a = GET##bits(insn->rm), b = GET##bits(insn->reg), res; \
        COMPUTE(bits);                                            \
        SET##bits(insn->rm, res);                                 \
    }
#define DO_RI(bits, COMPUTE)                              \
    {                                                     \
        typedef uint##bits##_t T;                         \
        T a = GET##bits(insn->rm), b = (T)insn->imm, res; \
        COMPUTE(bits);                                    \
        SET##bits(insn->rm, res);                         \
    }
#define DO_RM(bits, COMPUTE)                \
    {                                       \
        typedef uint##bits##_t T;           \
        T a = GET##bits(insn->reg), b, res; \
        LOAD_AT(EA(), b);                   \
        COMPUTE(bits);                      \
        SET##bits(insn->reg, res);          \
    }

/* The destination in memory: read as if written, computed, written, which cannot fail any more. */
#define MODIFY(bits, COMPUTE)                                       \
    uint64_t addr = EA();                                           \
    uint8_t *host = cpu_tlb_find(tlb->write, addr, bits / 8);       \
    if (unlikely(!host))                                            \
        FAULT_IF(x86_load_to_modify_slow(cpu, addr, &a, bits / 8)); \
    else                                                            \
        memcpy(&a, host, sizeof(a));                                \
    COMPUTE(bits);                                                  \
    if (unlikely(!host))                                            \
        FAULT_IF(x86_store_slow(cpu, addr, &res, bits / 8));        \
    else                                                            \
        memcpy(host, &res, sizeof(res))
#define DO_MR(bits, COMPUTE)                \
    {                                       \
        typedef uint##bits##_t T;           \
        T a, b = GET##bits(insn->reg), res; \
        MODIFY(bits, COMPUTE);              \
    }
#define DO_MI(bits, COMPUTE)        \
    {                               \
        typedef uint##bits##_t T;   \
        T a, b = (T)insn->imm, res; \
        MODIFY(bits, COMPUTE);      \
    }
/* The forms of X86_OPS_UNARY. */
#define DO_R(bits, COMPUTE)             \
    {                                   \
        typedef uint##bits##_t T;       \
        T a = GET##bits(insn->rm), res; \
        COMPUTE(bits);                  \
        SET##bits(insn->rm, res);       \
    }
#define DO_M(bits, COMPUTE)       \
    {                             \
        typedef uint##bits##_t T; \
        T a, res;                 \
        MODIFY(bits, COMPUTE);    \
    }
/* The same of cmp and test: nothing is written but the flags. */
#define DO_C_RR(bits, COMPUTE)                                    \
    {                                                             \
        typedef uint##bits##_t T;                                 \
        T a = GET##bits(insn->rm), b = GET##bits(insn->reg), res; \
        COMPUTE(bits);                                            \
    }
#define DO_C_RI(bits, COMPUTE)                            \
    {                                                     \
        typedef uint##bits##_t T;                         \
        T a = GET##bits(insn->rm), b = (T)insn->imm, res; \
        COMPUTE(bits);                                    \
    }
#define DO_C_RM(bits, COMPUTE)              \
    {                                       \
        typedef uint##bits##_t T;           \
        T a = GET##bits(insn->reg), b, res; \
        LOAD_AT(EA(), b);                   \
        COMPUTE(bits);                      \
    }
#define DO_C_MR(bits, COMPUTE)              \
    {                                       \
        typedef uint##bits##_t T;           \
        T a, b = GET##bits(insn->reg), res; \
        LOAD_AT(EA(), a);                   \
        COMPUTE(bits);                      \
    }
#define DO_C_MI(bits, COMPUTE)      \
    {                               \
        typedef uint##bits##_t T;   \
        T a, b = (T)insn->imm, res; \
        LOAD_AT(EA(), a);           \
        COMPUTE(bits);              \
    }
/* And of mov. */
#define DO_MOV_RR(bits)                            \
    {                                              \
        SET##bits(insn->rm, GET##bits(insn->reg)); \
    }
#define DO_MOV_RI(bits)                 \
    {                                   \
        SET##bits(insn->rm, insn->imm); \
    }
#define DO_MOV_RM(bits)              \
    {                                \
        uint##bits##_t value;        \
        LOAD_AT(EA(), value);        \
        SET##bits(insn->reg, value); \
    }
#define DO_MOV_MR(bits)                              \
    {                                                \
        uint##bits##_t value = GET##bits(insn->reg); \
        STORE_AT(EA(), value);                       \
    }
#define DO_MOV_MI(bits)                                   \
    {                                                     \
        uint##bits##_t value = (uint##bits##_t)insn->imm; \
        STORE_AT(EA(), value);                            \
    }

/* Shifts of a register; the count is 1 to bits - 1. */
#define DO_SHL(bits)                                                         \
    {                                                                        \
        uint##bits##_t a = GET##bits(insn->rm), res = a << insn->imm;        \
        bool cf = (a >> (bits - insn->imm)) & 1;                             \
        FLAGS(bits, res, x86_carry_of(cf, cf != (bool)(res >> (bits - 1)))); \
        SET##bits(insn->rm, res);                                            \
    }
#define DO_SHR(bits)                                                                         \
    {                                                                                        \
        uint##bits##_t a = GET##bits(insn->rm), res = a >> insn->imm;                        \
        bool cf = (a >> (insn->imm - 1)) & 1;                                                \
        FLAGS(bits, res, x86_carry_of(cf, ((res >> (bits - 1)) ^ (res >> (bits - 2))) & 1)); \
        SET##bits(insn->rm, res);                                                            \
    }
#define DO_SAR(bits)                                                                \
    {                                                                               \
        int##bits##_t a = (int##bits##_t)GET##bits(insn->rm), res = a >> insn->imm; \
        FLAGS(bits, res, x86_carry_of((a >> (insn->imm - 1)) & 1, false));          \
        SET##bits(insn->rm, res);                                                   \
    }
/* Rotations leave all flags but CF and OF alone. */
#define DO_ROTATE(bits, value, cf_bit, of_bit)                                     \
    {                                                                              \
        uint##bits##_t a = GET##bits(insn->rm), res = value;                       \
        bool cf = (res >> (cf_bit)) & 1, of = cf != (bool)((res >> (of_bit)) & 1); \
        uint64_t rest = cpu->flag_carry & ~(X86_CARRY_CF | X86_CARRY_CXO);         \
        cpu->flag_carry = rest | x86_carry_of(cf, of);                             \
        SET##bits(insn->rm, res);                                                  \
    }
#define DO_ROL(bits) DO_ROTATE(bits, (a << insn->imm) | (a >> (bits - insn->imm)), 0, bits - 1)
#define DO_ROR(bits) \
    DO_ROTATE(bits, (a >> insn->imm) | (a << (bits - insn->imm)), bits - 1, bits - 2)

#define DO_EXTEND_RR(from, via, to)                   \
    {                                                 \
        SET##to(insn->reg, (via)GET##from(insn->rm)); \
    }
#define DO_EXTEND_RM(from, via, to)     \
    {                                   \
        uint##from##_t value;           \
        LOAD_AT(EA(), value);           \
        SET##to(insn->reg, (via)value); \
    }

#define MULTIPLY(bits, x, y)                                                              \
    int##bits##_t product;                                                                \
    bool over = __builtin_mul_overflow((int##bits##_t)(x), (int##bits##_t)(y), &product); \
    FLAGS(bits, product, x86_carry_of(over, over));                                       \
    SET##bits(insn->reg, product)
#define DO_IMUL_RR(bits)                                           \
    {                                                              \
        MULTIPLY(bits, GET##bits(insn->reg), GET##bits(insn->rm)); \
    }
#define DO_IMUL_RM(bits)                             \
    {                                                \
        uint##bits##_t value;                        \
        LOAD_AT(EA(), value);                        \
        MULTIPLY(bits, GET##bits(insn->reg), value); \
    }
#define DO_IMUL_RRI(bits)                               \
    {                                                   \
        MULTIPLY(bits, GET##bits(insn->rm), insn->imm); \
    }

#define DO_CMOV32(cc)                                                                 \
    {                                                                                 \
        r[insn->reg] = (uint32_t)r[x86_condition_is(cpu, cc) ? insn->rm : insn->reg]; \
    }
#define DO_CMOV64(cc)                                                       \
    {                                                                       \
        r[insn->reg] = r[x86_condition_is(cpu, cc) ? insn->rm : insn->reg]; \
    }
#define DO_SET(cc)                                 \
    {                                              \
        SET8(insn->rm, x86_condition_is(cpu, cc)); \
    }
/* Not taken, it goes on where the end of the block behind it says. */
#define DO_JCC(cc)                     \
    {                                  \
        if (x86_condition_is(cpu, cc)) \
            GO();                      \
        insn++;                        \
        GO();                          \
    }

#define DO_LEA32                       \
    {                                  \
        r[insn->reg] = (uint32_t)EA(); \
    }
#define DO_LEA64             \
    {                        \
        r[insn->reg] = EA(); \
    }
#define DO_PUSH_R                        \
    {                                    \
        uint64_t value = r[insn->rm];    \
        STORE_AT(r[X86_RSP] - 8, value); \
        r[X86_RSP] -= 8;                 \
    }
#define DO_POP_R                    \
    {                               \
        uint64_t value;             \
        LOAD_AT(r[X86_RSP], value); \
        r[X86_RSP] += 8;            \
        r[insn->rm] = value;        \
    }
#define DO_CALL                                                   \
    {                                                             \
        uint64_t back = r[X86_R_PAGE] + insn->offset + insn->len; \
        STORE_AT(r[X86_RSP] - 8, back);                           \
        r[X86_RSP] -= 8;                                          \
        GO();                                                     \
    }
#define DO_RET                    \
    {                             \
        LOAD_AT(r[X86_RSP], rip); \
        CHECK_TARGET(rip);        \
        r[X86_RSP] += 8;          \
        goto find;                \
    }

/* The same in 32-bit code. */
#define SP32(change) ((uint32_t)(r[X86_RSP] + (uint64_t)(change)))
#define DO_PUSH32_R                       \
    {                                     \
        uint32_t value = GET32(insn->rm); \
        STORE_AT(SP32(-4), value);        \
        r[X86_RSP] = SP32(-4);            \
    }
#define DO_POP32_R                  \
    {                               \
        uint32_t value;             \
        LOAD_AT(r[X86_RSP], value); \
        r[X86_RSP] = SP32(4);       \
        r[insn->rm] = value;        \
    }
#define PUSH_BACK32()                                                     \
    uint32_t back = (uint32_t)(r[X86_R_PAGE] + insn->offset + insn->len); \
    STORE_AT(SP32(-4), back);                                             \
    r[X86_RSP] = SP32(-4)
#define DO_CALL32      \
    {                  \
        PUSH_BACK32(); \
        GO();          \
    }
#define DO_RET32                    \
    {                               \
        uint32_t value;             \
        LOAD_AT(r[X86_RSP], value); \
        r[X86_RSP] = SP32(4);       \
        rip = value;                \
        goto find;                  \
    }

/* The names that X86_PAIRS puts together. */
#define DO_ADD32_RR      DO_RR(32, COMPUTE_ADD)
#define DO_ADD32_RI      DO_RI(32, COMPUTE_ADD)
#define DO_ADD64_RR      DO_RR(64, COMPUTE_ADD)
#define DO_ADD64_RI      DO_RI(64, COMPUTE_ADD)
#define DO_OR32_RR       DO_RR(32, COMPUTE_OR)
#define DO_OR32_RI       DO_RI(32, COMPUTE_OR)
#define DO_OR64_RR       DO_RR(64, COMPUTE_OR)
#define DO_OR64_RI       DO_RI(64, COMPUTE_OR)
#define DO_AND32_RR      DO_RR(32, COMPUTE_AND)
#define DO_AND32_RI      DO_RI(32, COMPUTE_AND)
#define DO_AND64_RR      DO_RR(64, COMPUTE_AND)
#define DO_AND64_RI      DO_RI(64, COMPUTE_AND)
#define DO_SUB32_RR      DO_RR(32, COMPUTE_SUB)
#define DO_SUB32_RI      DO_RI(32, COMPUTE_SUB)
#define DO_SUB64_RR      DO_RR(64, COMPUTE_SUB)
#define DO_SUB64_RI      DO_RI(64, COMPUTE_SUB)
#define DO_XOR32_RR      DO_RR(32, COMPUTE_XOR)
#define DO_XOR32_RI      DO_RI(32, COMPUTE_XOR)
#define DO_XOR64_RR      DO_RR(64, COMPUTE_XOR)
#define DO_XOR64_RI      DO_RI(64, COMPUTE_XOR)
#define DO_CMP8_RR       DO_C_RR(8, COMPUTE_SUB)
#define DO_CMP8_RI       DO_C_RI(8, COMPUTE_SUB)
#define DO_CMP8_RM       DO_C_RM(8, COMPUTE_SUB)
#define DO_CMP8_MR       DO_C_MR(8, COMPUTE_SUB)
#define DO_CMP8_MI       DO_C_MI(8, COMPUTE_SUB)
#define DO_CMP32_RR      DO_C_RR(32, COMPUTE_SUB)
#define DO_CMP32_RI      DO_C_RI(32, COMPUTE_SUB)
#define DO_CMP32_RM      DO_C_RM(32, COMPUTE_SUB)
#define DO_CMP32_MR      DO_C_MR(32, COMPUTE_SUB)
#define DO_CMP32_MI      DO_C_MI(32, COMPUTE_SUB)
#define DO_CMP64_RR      DO_C_RR(64, COMPUTE_SUB)
#define DO_CMP64_RI      DO_C_RI(64, COMPUTE_SUB)
#define DO_CMP64_RM      DO_C_RM(64, COMPUTE_SUB)
#define DO_CMP64_MR      DO_C_MR(64, COMPUTE_SUB)
#define DO_CMP64_MI      DO_C_MI(64, COMPUTE_SUB)
#define DO_TEST8_RR      DO_C_RR(8, COMPUTE_AND)
#define DO_TEST8_RI      DO_C_RI(8, COMPUTE_AND)
#define DO_TEST8_MR      DO_C_MR(8, COMPUTE_AND)
#define DO_TEST8_MI      DO_C_MI(8, COMPUTE_AND)
#define DO_TEST32_RR     DO_C_RR(32, COMPUTE_AND)
#define DO_TEST32_RI     DO_C_RI(32, COMPUTE_AND)
#define DO_TEST32_MR     DO_C_MR(32, COMPUTE_AND)
#define DO_TEST32_MI     DO_C_MI(32, COMPUTE_AND)
#define DO_TEST64_RR     DO_C_RR(64, COMPUTE_AND)
#define DO_TEST64_RI     DO_C_RI(64, COMPUTE_AND)
#define DO_TEST64_MR     DO_C_MR(64, COMPUTE_AND)
#define DO_TEST64_MI     DO_C_MI(64, COMPUTE_AND)
#define DO_MOV8_RR       DO_MOV_RR(8)
#define DO_MOV8_RI       DO_MOV_RI(8)
#define DO_MOV8_RM       DO_MOV_RM(8)
#define DO_MOV8_MR       DO_MOV_MR(8)
#define DO_MOV8_MI       DO_MOV_MI(8)
#define DO_MOV32_RR      DO_MOV_RR(32)
#define DO_MOV32_RI      DO_MOV_RI(32)
#define DO_MOV32_RM      DO_MOV_RM(32)
#define DO_MOV32_MR      DO_MOV_MR(32)
#define DO_MOV32_MI      DO_MOV_MI(32)
#define DO_MOV64_RR      DO_MOV_RR(64)
#define DO_MOV64_RI      DO_MOV_RI(64)
#define DO_MOV64_RM      DO_MOV_RM(64)
#define DO_MOV64_MR      DO_MOV_MR(64)
#define DO_MOV64_MI      DO_MOV_MI(64)
#define DO_SUB64_RM      DO_RM(64, COMPUTE_SUB)
#define DO_SHR32_RI      DO_SHR(32)
#define DO_SHR64_RI      DO_SHR(64)
#define DO_ROR32_RI      DO_ROR(32)
#define DO_MOVSX32_64_RR DO_EXTEND_RR(32, int32_t, 64)
#define DO_MOVZX8_32_RM  DO_EXTEND_RM(8, uint32_t, 32)
#define DO_MOVZX16_32_RM DO_EXTEND_RM(16, uint32_t, 32)
#define DO_JCC_0         DO_JCC(0)
#define DO_JCC_1         DO_JCC(1)
#define DO_JCC_2         DO_JCC(2)
#define DO_JCC_3         DO_JCC(3)
#define DO_JCC_4         DO_JCC(4)
#define DO_JCC_5         DO_JCC(5)
#define DO_JCC_6         DO_JCC(6)
#define DO_JCC_7         DO_JCC(7)
#define DO_JCC_8         DO_JCC(8)
#define DO_JCC_9         DO_JCC(9)
#define DO_JCC_10        DO_JCC(10)
#define DO_JCC_11        DO_JCC(11)
#define DO_JCC_12        DO_JCC(12)
#define DO_JCC_13        DO_JCC(13)
#define DO_JCC_14        DO_JCC(14)
#define DO_JCC_15        DO_JCC(15)

#endif
