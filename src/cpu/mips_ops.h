/* The operations of the main loop, in the order of its table. */
#ifndef CPU_MIPS_OPS_H
#define CPU_MIPS_OPS_H

/* clang-format off */

/* rd = rs op rt. */
#define MIPS_OPS_REG(X) \
    X(ADDU) X(SUBU) X(AND) X(OR) X(XOR) X(NOR) X(SLT) X(SLTU) X(MUL) X(MOVZ) X(MOVN) \
    X(SLLV) X(SRLV) X(SRAV) X(ROTRV)
/* rt = rs op imm. */
#define MIPS_OPS_IMM(X) X(ADDIU) X(SLTI) X(SLTIU) X(ANDI) X(ORI) X(XORI)
/* rd = op rt; by sa. */
#define MIPS_OPS_SHIFT(X) X(SLL) X(SRL) X(SRA) X(ROTR)
/* rd = rs; rd = imm; rd = page + imm. */
#define MIPS_OPS_MOVE(X) X(MOVE) X(LI) X(LINK)
#define MIPS_OPS_ONE(X) X(CLZ) X(CLO) X(SEB) X(SEH) X(WSBH) X(EXT) X(INS)
#define MIPS_OPS_HILO(X) X(MULT) X(MULTU) X(DIV) X(DIVU) X(MADD) X(MADDU) X(MSUB) X(MSUBU)
/* rt and rs + imm. Little and big endian. */
#define MIPS_OPS_MEMORY(X) \
    X(LB) X(LBU) X(SB) X(LH) X(LHU) X(LW) X(SH) X(SW) X(LH_BE) X(LHU_BE) X(LW_BE) X(SH_BE) X(SW_BE)
/* Behind their delay slot. */
#define MIPS_OPS_CONDITIONAL(X) X(BEQ) X(BNE) X(BLEZ) X(BGTZ) X(BLTZ) X(BGEZ) X(BEQZ) X(BNEZ) X(BC1F) X(BC1T)
#define MIPS_OPS_JUMP(X) X(B) X(BAL) X(J) X(JAL) X(JR) X(JALR)
/* Before their delay slot: over it and the jump behind it, unless the condition holds. */
#define MIPS_OPS_LIKELY(X) \
    X(BEQL) X(BNEL) X(BLEZL) X(BGTZL) X(BLTZL) X(BGEZL) X(BC1FL) X(BC1TL)
/* Traps: sa is the CPU_STOP_*. */
#define MIPS_OPS_TRAP(X) \
    X(ADD) X(SUB) X(ADDI) X(TEQ) X(TNE) X(TGE) X(TGEU) X(TLT) X(TLTU) X(TEQI) X(TNEI) X(TGEI) \
    X(TGEIU) X(TLTI) X(TLTIU)
/* COUNTER: rdhwr of the counter. END goes on at imm, behind the block. */
#define MIPS_OPS_OTHER(X) X(NOP) X(HANDLER) X(COUNTER) X(SYSCALL) X(STOP) X(END)

#define MIPS_OPS(X) \
    MIPS_OPS_REG(X) MIPS_OPS_IMM(X) MIPS_OPS_SHIFT(X) MIPS_OPS_MOVE(X) MIPS_OPS_ONE(X) \
    MIPS_OPS_HILO(X) MIPS_OPS_MEMORY(X) MIPS_OPS_CONDITIONAL(X) MIPS_OPS_JUMP(X) \
    MIPS_OPS_LIKELY(X) MIPS_OPS_TRAP(X) MIPS_OPS_OTHER(X)
/* clang-format on */

enum mips_op {
#define MIPS_OP_NUMBER(name) MIPS_OP_##name,
    MIPS_OPS(MIPS_OP_NUMBER)
#undef MIPS_OP_NUMBER
        MIPS_OP_COUNT
};

#endif
