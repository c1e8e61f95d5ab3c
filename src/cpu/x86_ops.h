/* The operations of the main loop: one list makes the numbers and the loop's table of labels.
 * Within a family the order is fixed: form by form, and within a form by operand size 8, 16, 32,
 * 64; conditions in the order of their codes. The decoder computes with that. */
#ifndef CPU_X86_OPS_H
#define CPU_X86_OPS_H

/* Forms: R register (insn->rm first, insn->reg second), M memory, I immediate; the first one is
 * the destination. RM writes insn->reg. */
/* clang-format off */
#define X86_OPS_SIZES(X, name, form) \
    X(name##8_##form) X(name##16_##form) X(name##32_##form) X(name##64_##form)
#define X86_OPS_BINARY(X, name) \
    X86_OPS_SIZES(X, name, RR) X86_OPS_SIZES(X, name, RI) X86_OPS_SIZES(X, name, RM) \
    X86_OPS_SIZES(X, name, MR) X86_OPS_SIZES(X, name, MI)
#define X86_OPS_UNARY(X, name) X86_OPS_SIZES(X, name, R) X86_OPS_SIZES(X, name, M)
#define X86_OPS_CC(X, name) \
    X(name##_0) X(name##_1) X(name##_2) X(name##_3) X(name##_4) X(name##_5) X(name##_6) \
    X(name##_7) X(name##_8) X(name##_9) X(name##_10) X(name##_11) X(name##_12) X(name##_13) \
    X(name##_14) X(name##_15)

#define X86_OPS(X) \
    /* in the order of their opcodes */ \
    X86_OPS_BINARY(X, ADD) X86_OPS_BINARY(X, OR) X86_OPS_BINARY(X, ADC) X86_OPS_BINARY(X, SBB) \
    X86_OPS_BINARY(X, AND) X86_OPS_BINARY(X, SUB) X86_OPS_BINARY(X, XOR) X86_OPS_BINARY(X, CMP) \
    X86_OPS_BINARY(X, TEST) X86_OPS_BINARY(X, MOV) \
    X86_OPS_UNARY(X, INC) X86_OPS_UNARY(X, DEC) X86_OPS_UNARY(X, NOT) X86_OPS_UNARY(X, NEG) \
    /* shifts of a register by 1 to size - 1 */ \
    X(SHL32_RI) X(SHL64_RI) X(SHR32_RI) X(SHR64_RI) X(SAR32_RI) X(SAR64_RI) \
    X(ROL32_RI) X(ROL64_RI) X(ROR32_RI) X(ROR64_RI) \
    /* movzx, movsx: from, to */ \
    X(MOVZX8_32_RR) X(MOVZX8_32_RM) X(MOVZX16_32_RR) X(MOVZX16_32_RM) \
    X(MOVSX8_32_RR) X(MOVSX8_32_RM) X(MOVSX8_64_RR) X(MOVSX8_64_RM) \
    X(MOVSX16_32_RR) X(MOVSX16_32_RM) X(MOVSX16_64_RR) X(MOVSX16_64_RM) \
    X(MOVSX32_64_RR) X(MOVSX32_64_RM) \
    X(LEA32) X(LEA64) \
    X(IMUL32_RR) X(IMUL32_RM) X(IMUL64_RR) X(IMUL64_RM) X(IMUL32_RRI) X(IMUL64_RRI) \
    X(PUSH_R) X(PUSH_I) X(PUSH_M) X(POP_R) X(LEAVE) \
    X86_OPS_CC(X, CMOV32_RR) X86_OPS_CC(X, CMOV64_RR) X86_OPS_CC(X, SET) \
    /* the end of a block */ \
    X86_OPS_CC(X, JCC) \
    X(JMP) X(JMP_R) X(JMP_M) X(CALL) X(CALL_R) X(CALL_M) X(RET) X(RET_I) \
    X(LOOP) X(STRING) X(RDTSC) X(SYSCALL) X(STOP) X(STOP_AFTER) \
    X(NEXT) /* not an instruction: goes on at imm */ \
    /* 32-bit code's forms of what uses the stack or loads rip */ \
    X(PUSH32_R) X(PUSH32_I) X(PUSH32_M) X(POP32_R) X(LEAVE32) \
    X(JMP32_M) X(CALL32) X(CALL32_R) X(CALL32_M) X(RET32) X(RET32_I) \
    /* parts: the address of the next instruction's operand, put into X86_R_TEMP */ \
    X(TEMP) X(TEMP32) X(TEMP16) X(TEMP_PAGE) X(TEMP_IMM) \
    X(NOP) X(HANDLER)

/* Pairs that programs are full of, as one operation each: by counting over shells, interpreters,
 * hashes and compression. First of all a comparison and its jump. */
#define X86_PAIRS_JCC_EQUAL(X, first) X(first, JCC_4) X(first, JCC_5)
#define X86_PAIRS_JCC_TEST(X, first) \
    X86_PAIRS_JCC_EQUAL(X, first) X(first, JCC_8) X(first, JCC_9) X(first, JCC_14) X(first, JCC_15)
#define X86_PAIRS_JCC_UNSIGNED(X, first) \
    X86_PAIRS_JCC_EQUAL(X, first) X(first, JCC_2) X(first, JCC_3) X(first, JCC_6) X(first, JCC_7)
#define X86_PAIRS_JCC_ALL(X, first) \
    X86_PAIRS_JCC_UNSIGNED(X, first) \
    X(first, JCC_12) X(first, JCC_13) X(first, JCC_14) X(first, JCC_15)
#define X86_PAIRS(X) \
    X86_PAIRS_JCC_ALL(X, CMP8_RI) X86_PAIRS_JCC_ALL(X, CMP32_RR) X86_PAIRS_JCC_ALL(X, CMP32_RI) \
    X86_PAIRS_JCC_ALL(X, CMP64_RR) X86_PAIRS_JCC_ALL(X, CMP64_RI) \
    X86_PAIRS_JCC_UNSIGNED(X, CMP8_RR) X86_PAIRS_JCC_UNSIGNED(X, CMP8_MI) \
    X86_PAIRS_JCC_UNSIGNED(X, CMP8_MR) X86_PAIRS_JCC_UNSIGNED(X, CMP32_MI) \
    X86_PAIRS_JCC_UNSIGNED(X, CMP32_RM) X86_PAIRS_JCC_UNSIGNED(X, CMP64_RM) \
    X86_PAIRS_JCC_UNSIGNED(X, CMP64_MR) \
    X86_PAIRS_JCC_TEST(X, TEST32_RR) X86_PAIRS_JCC_TEST(X, TEST64_RR) \
    X86_PAIRS_JCC_EQUAL(X, TEST8_RR) X86_PAIRS_JCC_EQUAL(X, TEST8_RI) \
    X86_PAIRS_JCC_EQUAL(X, TEST8_MI) X86_PAIRS_JCC_EQUAL(X, TEST32_RI) \
    X86_PAIRS_JCC_EQUAL(X, SUB32_RI) X86_PAIRS_JCC_EQUAL(X, SUB64_RI) \
    X86_PAIRS_JCC_EQUAL(X, AND32_RI) X86_PAIRS_JCC_EQUAL(X, ADD64_RI) \
    X86_PAIRS_JCC_EQUAL(X, AND32_RR) X86_PAIRS_JCC_EQUAL(X, ADD32_RI) \
    X(MOV64_RM, MOV64_RM) X(MOV64_RM, MOV64_MR) X(MOV64_RM, MOV64_RR) X(MOV64_RM, TEST64_RR) \
    X(MOV64_RM, ADD64_RI) X(MOV64_RM, LEA64) X(MOV64_RM, SUB64_RM) X(MOV64_RM, CMP64_RR) \
    X(MOV64_MR, MOV64_RM) X(MOV64_MR, MOV64_MR) X(MOV64_MR, LEA64) \
    X(MOV64_RR, MOV64_RR) X(MOV64_RR, MOV64_RM) X(MOV64_RR, CALL) X(MOV64_RR, PUSH_R) \
    X(MOV64_RR, SUB64_RI) X(MOV64_RR, LEA64) \
    X(MOV32_RR, MOV32_RR) X(MOV32_RR, ADD64_RR) X(MOV32_RR, ADD32_RR) X(MOV32_RR, XOR32_RR) \
    X(MOV32_RR, OR32_RR) X(MOV32_RR, AND32_RR) X(MOV32_RR, SHR32_RI) X(MOV32_RR, ROR32_RI) \
    X(MOV32_RR, MOV64_RR) \
    X(MOV32_RM, MOV32_RM) X(MOV32_RM, ADD32_RR) X(MOV32_RM, TEST32_RR) X(MOV32_RM, SHR32_RI) \
    X(MOV32_RM, LEA64) \
    X(MOV32_MR, MOV32_RM) \
    X(MOV32_RI, CALL) X(MOV32_RI, MOV64_RR) \
    X(XOR32_RR, MOV32_RR) X(XOR32_RR, ADD32_RR) X(XOR32_RR, MOV32_RM) X(XOR32_RR, XOR32_RR) \
    X(ADD32_RR, MOV32_RR) X(ADD32_RR, ADD32_RR) X(ADD32_RR, MOV32_RM) X(ADD32_RR, ROR32_RI) \
    X(ROR32_RI, XOR32_RR) X(ROR32_RI, ADD32_RR) \
    X(AND32_RR, XOR32_RR) X(AND32_RR, OR32_RR) \
    X(OR32_RR, AND32_RR) X(OR32_RR, MOV32_RR) \
    X(SHR32_RI, XOR32_RR) \
    X(AND32_RI, MOVZX16_32_RM) \
    X(MOVSX32_64_RR, MOV32_RR) \
    X(MOVZX16_32_RM, CMP32_RR) \
    X(MOVZX8_32_RM, MOVZX8_32_RM) X(MOVZX8_32_RM, ADD64_RI) \
    X(LEA32, MOV32_MR) X(LEA32, MOV32_RR) \
    X(LEA64, MOV64_RM) X(LEA64, CALL) \
    X(PUSH_R, PUSH_R) X(PUSH_R, MOV64_RR) X(PUSH_R, SUB64_RI) \
    X(POP_R, POP_R) X(POP_R, RET) \
    X(ADD64_RI, POP_R) X(ADD64_RI, RET) \
    X(PUSH32_R, PUSH32_R) X(PUSH32_R, CALL32) X(POP32_R, POP32_R) X(POP32_R, RET32) \
    X(ADD64_RR, CMP64_RR) \
    X(SHR64_RI, AND64_RR)
/* clang-format on */

enum x86_op {
#define X86_OP_NUMBER(name) X86_OP_##name,
    X86_OPS(X86_OP_NUMBER)
#undef X86_OP_NUMBER
#define X86_PAIR_NUMBER(first, second) X86_OP_##first##__##second,
        X86_PAIRS(X86_PAIR_NUMBER)
#undef X86_PAIR_NUMBER
            X86_OP_COUNT
};

#endif
