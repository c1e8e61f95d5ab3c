/* The operations of the main loop, in the order of its table. */
#ifndef CPU_ARM_OPS_H
#define CPU_ARM_OPS_H

/* clang-format off */

/* rd = rn op an operand: an immediate; rm; rm shifted by sa; and the same two with flags. */
#define ARM_OPS_ALU(X) \
    X(AND) X(EOR) X(SUB) X(RSB) X(ADD) X(ADC) X(SBC) X(RSC) X(ORR) X(MOV) X(BIC) X(MVN) X(ORN)
#define ARM_OPS_ALU_FORMS(X, name) \
    X(name##_IMM) X(name##_REG) X(name##_LSL) X(name##_LSR) X(name##_ASR) X(name##_ROR) \
    X(name##_S_IMM) X(name##_S_REG)

/* rd = rm shifted: by sa; by the same with C; with C, N and Z; and the three by register ra. The
 * shift by sa that the tables have no plain form of is rrx. */
#define ARM_OPS_SHIFT(X) X(LSL) X(LSR) X(ASR) X(ROR) X(RRX)
#define ARM_OPS_SHIFT_FORMS(X, name) \
    X(SH_##name) X(SH_##name##_C) X(SH_##name##_S) X(SH_##name##_R) X(SH_##name##_RC) X(SH_##name##_RS)

/* rd and rn + imm; rd and rn + (rm << sa); rd and rn, which then grows by imm. */
#define ARM_OPS_MEMORY(X) X(LDR) X(LDRB) X(LDRH) X(LDRSB) X(LDRSH) X(STR) X(STRB) X(STRH)
#define ARM_OPS_MEMORY_FORMS(X, name) X(name) X(name##_X) X(name##_POST)

/* Conditions, in the order of their numbers. SKIP goes over imm entries unless the condition holds;
 * B jumps if it holds. */
#define ARM_OPS_CONDITION(X) \
    X(EQ) X(NE) X(CS) X(CC) X(MI) X(PL) X(VS) X(VC) X(HI) X(LS) X(GE) X(LT) X(GT) X(LE)

/* ADDRESS: rd = page + imm. CARRY: C = imm. NZ: N and Z of rd. BX jumps to rn, END behind the block,
 * END_IT the same within an IT block. */
#define ARM_OPS_OTHER(X) \
    X(ADDRESS) X(CARRY) X(NZ) X(MOVT) X(MUL) X(MLA) X(MLS) X(UMULL) X(SMULL) X(UBFX) X(SBFX) X(BFI) \
    X(UXTB) X(UXTH) X(SXTB) X(SXTH) X(CLZ) X(REV) X(B) X(BL) X(BX) X(BX_LR) X(BLX) X(CBZ) X(CBNZ) \
    X(HANDLER) X(SYSCALL) X(STOP) X(END) X(END_IT)
/* clang-format on */

enum arm_op {
#define ARM_OP_NUMBER(name)         ARM_OP_##name,
#define ARM_OP_ALU_NUMBERS(name)    ARM_OPS_ALU_FORMS(ARM_OP_NUMBER, name)
#define ARM_OP_SHIFT_NUMBERS(name)  ARM_OPS_SHIFT_FORMS(ARM_OP_NUMBER, name)
#define ARM_OP_MEMORY_NUMBERS(name) ARM_OPS_MEMORY_FORMS(ARM_OP_NUMBER, name)
#define ARM_OP_SKIP_NUMBER(name)    ARM_OP_SKIP_##name,
#define ARM_OP_B_NUMBER(name)       ARM_OP_B_##name,
    ARM_OPS_ALU(ARM_OP_ALU_NUMBERS) ARM_OPS_SHIFT(ARM_OP_SHIFT_NUMBERS)
        ARM_OPS_MEMORY(ARM_OP_MEMORY_NUMBERS) ARM_OPS_CONDITION(ARM_OP_SKIP_NUMBER)
            ARM_OPS_CONDITION(ARM_OP_B_NUMBER) ARM_OPS_OTHER(ARM_OP_NUMBER)
#undef ARM_OP_NUMBER
#undef ARM_OP_ALU_NUMBERS
#undef ARM_OP_SHIFT_NUMBERS
#undef ARM_OP_MEMORY_NUMBERS
#undef ARM_OP_SKIP_NUMBER
#undef ARM_OP_B_NUMBER
                ARM_OP_COUNT
};

#endif
