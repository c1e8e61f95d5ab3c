/* What the operations do: the bodies of the main loop's labels, without what leads on to the next
 * one. Only mips_run.c includes this: the bodies use its variables (cpu, r, insn, left, stop) and its
 * labels fault and link. A body is a block; one that may fault changes nothing before. */
#ifndef CPU_MIPS_BODIES_H
#define CPU_MIPS_BODIES_H

#define RS  r[insn->rs]
#define RT  r[insn->rt]
#define RD  r[insn->rd]
#define IMM insn->imm

/* Goes where insn->imm says, counted from the page. */
#define GO()                   \
    do {                       \
        left += insn->sa;      \
        if (insn->link)        \
            ENTER(insn->link); \
        goto link;             \
    } while (0)

#define DO_ADDU       \
    {                 \
        RD = RS + RT; \
    }
#define DO_SUBU       \
    {                 \
        RD = RS - RT; \
    }
#define DO_AND        \
    {                 \
        RD = RS & RT; \
    }
#define DO_OR         \
    {                 \
        RD = RS | RT; \
    }
#define DO_XOR        \
    {                 \
        RD = RS ^ RT; \
    }
#define DO_NOR           \
    {                    \
        RD = ~(RS | RT); \
    }
#define DO_SLT                          \
    {                                   \
        RD = (int32_t)RS < (int32_t)RT; \
    }
#define DO_SLTU       \
    {                 \
        RD = RS < RT; \
    }
#define DO_MUL        \
    {                 \
        RD = RS * RT; \
    }
#define DO_MOVZ      \
    {                \
        if (RT == 0) \
            RD = RS; \
    }
#define DO_MOVN      \
    {                \
        if (RT != 0) \
            RD = RS; \
    }
#define DO_SLLV               \
    {                         \
        RD = RT << (RS & 31); \
    }
#define DO_SRLV               \
    {                         \
        RD = RT >> (RS & 31); \
    }
#define DO_SRAV                                    \
    {                                              \
        RD = (uint32_t)((int32_t)RT >> (RS & 31)); \
    }
#define DO_ROTRV                  \
    {                             \
        RD = rotate(RT, RS & 31); \
    }

#define DO_ADDIU       \
    {                  \
        RD = RS + IMM; \
    }
#define DO_SLTI                          \
    {                                    \
        RD = (int32_t)RS < (int32_t)IMM; \
    }
#define DO_SLTIU       \
    {                  \
        RD = RS < IMM; \
    }
#define DO_ANDI        \
    {                  \
        RD = RS & IMM; \
    }
#define DO_ORI         \
    {                  \
        RD = RS | IMM; \
    }
#define DO_XORI        \
    {                  \
        RD = RS ^ IMM; \
    }

#define DO_SLL               \
    {                        \
        RD = RT << insn->sa; \
    }
#define DO_SRL               \
    {                        \
        RD = RT >> insn->sa; \
    }
#define DO_SRA                                    \
    {                                             \
        RD = (uint32_t)((int32_t)RT >> insn->sa); \
    }
#define DO_ROTR                    \
    {                              \
        RD = rotate(RT, insn->sa); \
    }

#define DO_MOVE  \
    {            \
        RD = RS; \
    }
#define DO_LI     \
    {             \
        RD = IMM; \
    }
#define DO_LINK                    \
    {                              \
        RD = r[MIPS_R_PAGE] + IMM; \
    }

#define DO_CLZ                                      \
    {                                               \
        RD = RS ? (uint32_t)__builtin_clz(RS) : 32; \
    }
#define DO_CLO                                        \
    {                                                 \
        RD = ~RS ? (uint32_t)__builtin_clz(~RS) : 32; \
    }
#define DO_SEB                     \
    {                              \
        RD = (uint32_t)(int8_t)RT; \
    }
#define DO_SEH                      \
    {                               \
        RD = (uint32_t)(int16_t)RT; \
    }
#define DO_WSBH                                                 \
    {                                                           \
        RD = (RT & 0x00ff00ffu) << 8 | (RT >> 8 & 0x00ff00ffu); \
    }
#define DO_EXT                     \
    {                              \
        RD = RS >> insn->sa & IMM; \
    }
#define DO_INS                                                   \
    {                                                            \
        RD = (RT & ~(IMM << insn->sa)) | (RS & IMM) << insn->sa; \
    }

#define SET_HILO(value)                        \
    do {                                       \
        uint64_t hilo = (uint64_t)(value);     \
        r[MIPS_R_HI] = (uint32_t)(hilo >> 32); \
        r[MIPS_R_LO] = (uint32_t)hilo;         \
    } while (0)
#define HILO      ((uint64_t)r[MIPS_R_HI] << 32 | r[MIPS_R_LO])
#define PRODUCT   ((uint64_t)((int64_t)(int32_t)RS * (int32_t)RT))
#define PRODUCT_U ((uint64_t)RS * RT)
#define DO_MULT            \
    {                      \
        SET_HILO(PRODUCT); \
    }
#define DO_MULTU             \
    {                        \
        SET_HILO(PRODUCT_U); \
    }
#define DO_MADD                   \
    {                             \
        SET_HILO(HILO + PRODUCT); \
    }
#define DO_MADDU                    \
    {                               \
        SET_HILO(HILO + PRODUCT_U); \
    }
#define DO_MSUB                   \
    {                             \
        SET_HILO(HILO - PRODUCT); \
    }
#define DO_MSUBU                    \
    {                               \
        SET_HILO(HILO - PRODUCT_U); \
    }
/* Division by zero has no defined result; qemu's is that of a division by one. */
#define DO_DIV                                               \
    {                                                        \
        int32_t a = (int32_t)RS, b = (int32_t)RT;            \
        bool plain = b != 0 && !(a == INT32_MIN && b == -1); \
        r[MIPS_R_LO] = (uint32_t)(plain ? a / b : a);        \
        r[MIPS_R_HI] = (uint32_t)(plain ? a % b : 0);        \
    }
#define DO_DIVU                           \
    {                                     \
        uint32_t a = RS, b = RT ? RT : 1; \
        r[MIPS_R_LO] = a / b;             \
        r[MIPS_R_HI] = a % b;             \
    }

/* A word that is not aligned is loaded as well: Linux does it when the processor will not. */
#define LOAD(type, CONVERT)                                                   \
    {                                                                         \
        type value;                                                           \
        FAULT_IF(cpu_core_load(&cpu->core, RS + IMM, &value, sizeof(value))); \
        RD = (uint32_t)CONVERT(value);                                        \
    }
#define STORE(type, CONVERT)                                                   \
    {                                                                          \
        type value = CONVERT((type)RT);                                        \
        FAULT_IF(cpu_core_store(&cpu->core, RS + IMM, &value, sizeof(value))); \
    }

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LE16(v) (v)
#define LE32(v) (v)
#define BE16(v) __builtin_bswap16(v)
#define BE32(v) __builtin_bswap32(v)
#else
#define LE16(v) __builtin_bswap16(v)
#define LE32(v) __builtin_bswap32(v)
#define BE16(v) (v)
#define BE32(v) (v)
#endif
#define SIGNED8(v)     (int8_t)(v)
#define PLAIN8(v)      (v)
#define SIGNED_LE16(v) (int16_t) LE16(v)
#define SIGNED_BE16(v) (int16_t) BE16(v)

#define DO_LB     LOAD(uint8_t, SIGNED8)
#define DO_LBU    LOAD(uint8_t, PLAIN8)
#define DO_SB     STORE(uint8_t, PLAIN8)
#define DO_LH     LOAD(uint16_t, SIGNED_LE16)
#define DO_LHU    LOAD(uint16_t, LE16)
#define DO_LW     LOAD(uint32_t, LE32)
#define DO_SH     STORE(uint16_t, LE16)
#define DO_SW     STORE(uint32_t, LE32)
#define DO_LH_BE  LOAD(uint16_t, SIGNED_BE16)
#define DO_LHU_BE LOAD(uint16_t, BE16)
#define DO_LW_BE  LOAD(uint32_t, BE32)
#define DO_SH_BE  STORE(uint16_t, BE16)
#define DO_SW_BE  STORE(uint32_t, BE32)

/* The conditions of the branches: behind the slot, and of the likely ones before it. */
#define FCC     (cpu->state.fcsr >> insn->rs & 1)
#define IF_BEQ  (RS == RT)
#define IF_BNE  (RS != RT)
#define IF_BLEZ ((int32_t)RS <= 0)
#define IF_BGTZ ((int32_t)RS > 0)
#define IF_BLTZ ((int32_t)RS < 0)
#define IF_BGEZ ((int32_t)RS >= 0)
#define IF_BEQZ (RS == 0)
#define IF_BNEZ (RS != 0)
#define IF_BC1F (!FCC)
#define IF_BC1T (FCC)

#define DO_BRANCH(name) \
    {                   \
        if (IF_##name)  \
            GO();       \
    }
#define DO_BEQ  DO_BRANCH(BEQ)
#define DO_BNE  DO_BRANCH(BNE)
#define DO_BLEZ DO_BRANCH(BLEZ)
#define DO_BGTZ DO_BRANCH(BGTZ)
#define DO_BLTZ DO_BRANCH(BLTZ)
#define DO_BGEZ DO_BRANCH(BGEZ)
#define DO_BEQZ DO_BRANCH(BEQZ)
#define DO_BNEZ DO_BRANCH(BNEZ)
#define DO_BC1F DO_BRANCH(BC1F)
#define DO_BC1T DO_BRANCH(BC1T)

#define TRAP_IF(condition)   \
    {                        \
        if (condition) {     \
            stop = insn->sa; \
            goto fault;      \
        }                    \
    }
#define DO_ADDING(b, builtin)                           \
    {                                                   \
        int32_t sum;                                    \
        if (builtin((int32_t)RS, (int32_t)(b), &sum)) { \
            stop = insn->sa;                            \
            goto fault;                                 \
        }                                               \
        RD = (uint32_t)sum;                             \
    }
#define DO_ADD   DO_ADDING(RT, __builtin_add_overflow)
#define DO_SUB   DO_ADDING(RT, __builtin_sub_overflow)
#define DO_ADDI  DO_ADDING(IMM, __builtin_add_overflow)
#define DO_TEQ   TRAP_IF(RS == RT)
#define DO_TNE   TRAP_IF(RS != RT)
#define DO_TGE   TRAP_IF((int32_t)RS >= (int32_t)RT)
#define DO_TGEU  TRAP_IF(RS >= RT)
#define DO_TLT   TRAP_IF((int32_t)RS < (int32_t)RT)
#define DO_TLTU  TRAP_IF(RS < RT)
#define DO_TEQI  TRAP_IF(RS == IMM)
#define DO_TNEI  TRAP_IF(RS != IMM)
#define DO_TGEI  TRAP_IF((int32_t)RS >= (int32_t)IMM)
#define DO_TGEIU TRAP_IF(RS >= IMM)
#define DO_TLTI  TRAP_IF((int32_t)RS < (int32_t)IMM)
#define DO_TLTIU TRAP_IF(RS < IMM)

#define DO_NOP \
    {          \
    }

#endif
