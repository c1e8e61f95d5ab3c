/* From words to entries. Tables by the field that tells instructions apart; each row says which
 * operands the instruction has. */
#include "cpu/mips_decode.h"

/* How the operands lie in the word, and in the entry. */
enum shape {
    NONE,     /* no such instruction */
    REG,      /* rd, rs, rt */
    SHIFT,    /* rd, rt, sa; the fields above must be 0 or, for ROTR, 1 */
    VARIABLE, /* rd, rt, rs; the same of sa */
    SIGNED,   /* rt, rs, immediate */
    UNSIGNED,
    HILO,   /* rs, rt */
    FROM,   /* rd from a slot: rs */
    TO,     /* a slot from rs */
    ONE,    /* rd, rs */
    TRAP,   /* rs, rt, code */
    TRAPI,  /* rs, immediate */
    LOAD,   /* rt, offset(base) */
    STORE,  /* the same */
    CALL,   /* a handler that changes rt */
    CALL_0, /* a handler that changes no general register */
    STOP,   /* the stop is in `op` */
    QUIET,  /* does nothing */
};

struct row {
    uint8_t shape;
    uint16_t op;
    mips_handler handler;
};

static const struct row special[64] = {
    [0x00] = {SHIFT, MIPS_OP_SLL, NULL},     [0x02] = {SHIFT, MIPS_OP_SRL, NULL},
    [0x03] = {SHIFT, MIPS_OP_SRA, NULL},     [0x04] = {VARIABLE, MIPS_OP_SLLV, NULL},
    [0x06] = {VARIABLE, MIPS_OP_SRLV, NULL}, [0x07] = {VARIABLE, MIPS_OP_SRAV, NULL},
    [0x0a] = {REG, MIPS_OP_MOVZ, NULL},      [0x0b] = {REG, MIPS_OP_MOVN, NULL},
    [0x0d] = {STOP, CPU_STOP_BREAK, NULL},   [0x0f] = {QUIET, 0, NULL},
    [0x10] = {FROM, MIPS_R_HI, NULL},        [0x11] = {TO, MIPS_R_HI, NULL},
    [0x12] = {FROM, MIPS_R_LO, NULL},        [0x13] = {TO, MIPS_R_LO, NULL},
    [0x18] = {HILO, MIPS_OP_MULT, NULL},     [0x19] = {HILO, MIPS_OP_MULTU, NULL},
    [0x1a] = {HILO, MIPS_OP_DIV, NULL},      [0x1b] = {HILO, MIPS_OP_DIVU, NULL},
    [0x20] = {REG, MIPS_OP_ADD, NULL},       [0x21] = {REG, MIPS_OP_ADDU, NULL},
    [0x22] = {REG, MIPS_OP_SUB, NULL},       [0x23] = {REG, MIPS_OP_SUBU, NULL},
    [0x24] = {REG, MIPS_OP_AND, NULL},       [0x25] = {REG, MIPS_OP_OR, NULL},
    [0x26] = {REG, MIPS_OP_XOR, NULL},       [0x27] = {REG, MIPS_OP_NOR, NULL},
    [0x2a] = {REG, MIPS_OP_SLT, NULL},       [0x2b] = {REG, MIPS_OP_SLTU, NULL},
    [0x30] = {TRAP, MIPS_OP_TGE, NULL},      [0x31] = {TRAP, MIPS_OP_TGEU, NULL},
    [0x32] = {TRAP, MIPS_OP_TLT, NULL},      [0x33] = {TRAP, MIPS_OP_TLTU, NULL},
    [0x34] = {TRAP, MIPS_OP_TEQ, NULL},      [0x36] = {TRAP, MIPS_OP_TNE, NULL},
};

static const struct row regimm[32] = {
    [0x08] = {TRAPI, MIPS_OP_TGEI, NULL},
    [0x09] = {TRAPI, MIPS_OP_TGEIU, NULL},
    [0x0a] = {TRAPI, MIPS_OP_TLTI, NULL},
    [0x0b] = {TRAPI, MIPS_OP_TLTIU, NULL},
    [0x0c] = {TRAPI, MIPS_OP_TEQI, NULL},
    [0x0e] = {TRAPI, MIPS_OP_TNEI, NULL},
    [0x1f] = {QUIET, 0, NULL}, /* synci: code that changes is noticed as it is */
};

static const struct row special2[64] = {
    [0x00] = {HILO, MIPS_OP_MADD, NULL},  [0x01] = {HILO, MIPS_OP_MADDU, NULL},
    [0x02] = {REG, MIPS_OP_MUL, NULL},    [0x04] = {HILO, MIPS_OP_MSUB, NULL},
    [0x05] = {HILO, MIPS_OP_MSUBU, NULL}, [0x20] = {ONE, MIPS_OP_CLZ, NULL},
    [0x21] = {ONE, MIPS_OP_CLO, NULL},
};

static const struct row majors[64] = {
    [0x08] = {SIGNED, MIPS_OP_ADDI, NULL},
    [0x09] = {SIGNED, MIPS_OP_ADDIU, NULL},
    [0x0a] = {SIGNED, MIPS_OP_SLTI, NULL},
    [0x0b] = {SIGNED, MIPS_OP_SLTIU, NULL},
    [0x0c] = {UNSIGNED, MIPS_OP_ANDI, NULL},
    [0x0d] = {UNSIGNED, MIPS_OP_ORI, NULL},
    [0x0e] = {UNSIGNED, MIPS_OP_XORI, NULL},
    [0x20] = {LOAD, MIPS_OP_LB, NULL},
    [0x21] = {LOAD, MIPS_OP_LH, NULL},
    [0x22] = {CALL, 0, mips_do_lwl},
    [0x23] = {LOAD, MIPS_OP_LW, NULL},
    [0x24] = {LOAD, MIPS_OP_LBU, NULL},
    [0x25] = {LOAD, MIPS_OP_LHU, NULL},
    [0x26] = {CALL, 0, mips_do_lwr},
    [0x28] = {STORE, MIPS_OP_SB, NULL},
    [0x29] = {STORE, MIPS_OP_SH, NULL},
    [0x2a] = {CALL_0, 0, mips_do_swl},
    [0x2b] = {STORE, MIPS_OP_SW, NULL},
    [0x2e] = {CALL_0, 0, mips_do_swr},
    [0x30] = {CALL, 0, mips_do_ll},
    [0x33] = {QUIET, 0, NULL}, /* pref */
    [0x38] = {CALL, 0, mips_do_sc},
};

static uint16_t of_order(uint16_t op, enum mips_order order)
{
    if (order == MIPS_LITTLE)
        return op;
    switch (op) {
    case MIPS_OP_LH: return MIPS_OP_LH_BE;
    case MIPS_OP_LHU: return MIPS_OP_LHU_BE;
    case MIPS_OP_LW: return MIPS_OP_LW_BE;
    case MIPS_OP_SH: return MIPS_OP_SH_BE;
    case MIPS_OP_SW: return MIPS_OP_SW_BE;
    default: return op;
    }
}

/* What Linux makes of a trap's code, and of a break's, which assemblers put higher up. */
static enum cpu_stop stop_of_code(uint32_t code)
{
    return code == 7 ? CPU_STOP_DIVIDE : code == 6 ? CPU_STOP_OVERFLOW : CPU_STOP_BREAK;
}

static enum cpu_stop stop_of_break(uint32_t word)
{
    uint32_t code = word >> 6 & 0xfffff;
    if (code >= 1 << 10)
        code = (code & 0x3ff) << 10 | code >> 10;
    return stop_of_code(code);
}

static void set_stop(struct mips_insn *insn, enum cpu_stop stop)
{
    insn->op = MIPS_OP_STOP;
    insn->rd = MIPS_R_TRASH;
    insn->sa = (uint8_t)stop;
}

/* Moves and constants that other instructions are used for. */
static void simplify(struct mips_insn *insn)
{
    bool adds = insn->op == MIPS_OP_ADDU || insn->op == MIPS_OP_OR;
    bool adds_constant = insn->op == MIPS_OP_ADDIU || insn->op == MIPS_OP_ORI;
    if (adds && insn->rt == 0) {
        insn->op = MIPS_OP_MOVE;
    } else if (adds && insn->rs == 0) {
        insn->op = MIPS_OP_MOVE;
        insn->rs = insn->rt;
    } else if (adds_constant && insn->rs == 0) {
        insn->op = MIPS_OP_LI;
    }
}

/* srl and srlv with a 1 in the field that is otherwise 0 rotate. False: no such instruction. */
static bool make_shift(struct mips_insn *insn, uint16_t plain, uint16_t right, uint16_t rotate,
                       unsigned field)
{
    insn->op = plain;
    if (field == 1 && plain == right)
        insn->op = rotate;
    else if (field != 0)
        return false;
    return true;
}

static void fill(struct mips_insn *insn, const struct row *row, enum mips_order order)
{
    uint32_t word = insn->word;
    bool good = true;
    insn->op = row->op;
    insn->sa = (uint8_t)mips_sa(word);
    insn->imm = mips_offset(word);
    switch ((enum shape)row->shape) {
    case NONE: good = false; break;
    case REG:
    case ONE: insn->rd = mips_target(mips_rd(word)); break;
    case SHIFT:
        insn->rd = mips_target(mips_rd(word));
        good = make_shift(insn, row->op, MIPS_OP_SRL, MIPS_OP_ROTR, mips_rs(word));
        if (insn->op == MIPS_OP_SLL && insn->rd == MIPS_R_TRASH)
            insn->op = MIPS_OP_NOP;
        break;
    case VARIABLE:
        insn->rd = mips_target(mips_rd(word));
        good = make_shift(insn, row->op, MIPS_OP_SRLV, MIPS_OP_ROTRV, mips_sa(word));
        break;
    case UNSIGNED:
        insn->imm = (uint16_t)word;
        insn->rd = mips_target(mips_rt(word));
        break;
    case SIGNED: insn->rd = mips_target(mips_rt(word)); break;
    case HILO: break;
    case FROM:
        insn->op = MIPS_OP_MOVE;
        insn->rs = (uint8_t)row->op;
        insn->rd = mips_target(mips_rd(word));
        break;
    case TO:
        insn->op = MIPS_OP_MOVE;
        insn->rd = (uint8_t)row->op;
        break;
    case TRAP: insn->sa = (uint8_t)stop_of_code(word >> 6 & 0x3ff); break;
    case TRAPI: insn->sa = CPU_STOP_BREAK; break;
    case LOAD:
        insn->op = of_order(row->op, order);
        insn->rd = mips_target(mips_rt(word));
        break;
    case STORE: insn->op = of_order(row->op, order); break;
    case CALL:
    case CALL_0:
        if (row->shape == CALL)
            insn->rd = mips_target(mips_rt(word));
        insn->op = MIPS_OP_HANDLER;
        insn->handler = row->handler;
        break;
    case STOP: set_stop(insn, stop_of_break(word)); break;
    case QUIET: insn->op = MIPS_OP_NOP; break;
    }
    if (!good)
        set_stop(insn, CPU_STOP_ILLEGAL);
}

static void decode_special(struct mips_insn *insn, enum mips_order order)
{
    uint32_t word = insn->word;
    if (mips_function(word) == 0x0c) {
        insn->op = MIPS_OP_SYSCALL;
    } else if (mips_function(word) == 0x01) {
        if (mips_rt(word) & 2) {
            set_stop(insn, CPU_STOP_ILLEGAL);
            return;
        }
        insn->op = MIPS_OP_HANDLER;
        insn->handler = mips_do_movci;
        insn->rd = mips_target(mips_rd(word));
    } else {
        fill(insn, &special[mips_function(word)], order);
        if (insn->op == MIPS_OP_ADD || insn->op == MIPS_OP_SUB)
            insn->sa = CPU_STOP_OVERFLOW;
    }
}

/* ext: the field's first bit is sa, its length less one is in rd's place; ins: sa to rd. */
static void decode_field(struct mips_insn *insn, bool insert)
{
    unsigned low = mips_sa(insn->word), other = mips_rd(insn->word);
    bool good = insert ? other >= low : low + other < 32;
    unsigned bits = insert ? other - low + 1 : other + 1;
    if (!good) {
        set_stop(insn, CPU_STOP_ILLEGAL);
        return;
    }
    insn->op = insert ? MIPS_OP_INS : MIPS_OP_EXT;
    insn->rd = mips_target(mips_rt(insn->word));
    insn->sa = (uint8_t)low;
    insn->imm = bits == 32 ? UINT32_MAX : (1u << bits) - 1;
}

static void decode_special3(struct mips_insn *insn)
{
    static const uint16_t shuffles[32] = {
        [0x02] = MIPS_OP_WSBH, [0x10] = MIPS_OP_SEB, [0x18] = MIPS_OP_SEH};
    uint32_t word = insn->word;
    unsigned function = mips_function(word);
    if (function == 0x00 || function == 0x04) {
        decode_field(insn, function == 0x04);
    } else if (function == 0x20 && shuffles[mips_sa(word)]) {
        insn->op = shuffles[mips_sa(word)];
        insn->rd = mips_target(mips_rd(word));
    } else if (function == 0x3b && (mips_rd(word) < 4 || mips_rd(word) == 29)) {
        insn->op = mips_rd(word) == 2 ? MIPS_OP_COUNTER : MIPS_OP_HANDLER;
        insn->handler = mips_do_rdhwr;
        insn->rd = mips_target(mips_rt(word));
    } else {
        set_stop(insn, CPU_STOP_ILLEGAL);
    }
}

struct mips_insn mips_decode(uint32_t word, enum mips_order order)
{
    struct mips_insn insn = {.word = word,
                             .rs = (uint8_t)mips_rs(word),
                             .rt = (uint8_t)mips_rt(word),
                             .rd = MIPS_R_TRASH};
    switch (mips_major(word)) {
    case 0x00: decode_special(&insn, order); break;
    case 0x01: fill(&insn, &regimm[mips_rt(word)], order); break;
    case 0x0f:
        insn.op = MIPS_OP_LI;
        insn.rd = mips_target(mips_rt(word));
        insn.imm = word << 16;
        break;
    case 0x1c: fill(&insn, &special2[mips_function(word)], order); break;
    case 0x1f: decode_special3(&insn); break;
    case 0x11:
    case 0x13:
    case 0x31:
    case 0x35:
    case 0x39:
    case 0x3d:
        insn.imm = mips_offset(word);
        insn.handler = mips_decode_fpu(word, &insn.rd);
        insn.op = MIPS_OP_HANDLER;
        if (!insn.handler)
            set_stop(&insn, CPU_STOP_ILLEGAL);
        break;
    default:
        fill(&insn, &majors[mips_major(word)], order);
        if (insn.op == MIPS_OP_ADDI)
            insn.sa = CPU_STOP_OVERFLOW;
    }
    simplify(&insn);
    return insn;
}

/* --- branches --- */

static bool decode_regimm_branch(uint32_t word, struct mips_branch *b)
{
    unsigned kind = mips_rt(word);
    if (kind & 0x0c) /* the traps and what does not exist */
        return false;
    b->op = kind & 1 ? MIPS_OP_BGEZ : MIPS_OP_BLTZ;
    if (kind & 2)
        b->likely = kind & 1 ? MIPS_OP_BGEZL : MIPS_OP_BLTZL;
    b->link = kind & 0x10 ? MIPS_RA : 0;
    if (kind & 1 && b->rs == 0) { /* bal */
        b->op = MIPS_OP_B;
        b->ends = true;
        b->likely = 0;
    }
    return true;
}

static bool decode_jump_register(uint32_t word, struct mips_branch *b)
{
    if (mips_function(word) != 8 && mips_function(word) != 9)
        return false;
    b->op = MIPS_OP_JR;
    b->ends = true;
    b->link = mips_function(word) == 9 ? (uint8_t)mips_rd(word) : 0;
    return true;
}

static bool decode_jump(uint32_t word, struct mips_branch *b)
{
    b->op = MIPS_OP_J;
    b->ends = b->region = true;
    b->imm = (word & 0x3ffffff) << 2;
    b->link = mips_major(word) == 3 ? MIPS_RA : 0;
    return true;
}

static bool decode_compare(uint32_t word, struct mips_branch *b)
{
    static const uint16_t ops[4] = {MIPS_OP_BEQ, MIPS_OP_BNE, MIPS_OP_BLEZ, MIPS_OP_BGTZ};
    static const uint16_t likely[4] = {MIPS_OP_BEQL, MIPS_OP_BNEL, MIPS_OP_BLEZL, MIPS_OP_BGTZL};
    unsigned which = mips_major(word) & 3;
    if (which >= 2 && b->rt != 0)
        return false;
    b->op = ops[which];
    if (mips_major(word) & 0x10)
        b->likely = likely[which];
    if (which < 2 && b->rs == 0 && !b->likely) {
        b->rs = b->rt;
        b->rt = 0;
    }
    if (which < 2 && b->rt == 0 && !b->likely)
        b->op = which ? MIPS_OP_BNEZ : MIPS_OP_BEQZ;
    if (b->op == MIPS_OP_BEQZ && b->rs == 0) {
        b->op = MIPS_OP_B;
        b->ends = true;
    }
    return true;
}

/* bc1f, bc1t and the likely ones. The first condition's bit of fcsr is 23, the others' 25 to 31. */
static bool decode_condition(uint32_t word, struct mips_branch *b)
{
    unsigned cc = word >> 18 & 7;
    if (mips_rs(word) != 8)
        return false;
    b->op = word >> 16 & 1 ? MIPS_OP_BC1T : MIPS_OP_BC1F;
    if (word >> 17 & 1)
        b->likely = word >> 16 & 1 ? MIPS_OP_BC1TL : MIPS_OP_BC1FL;
    b->fcc = true;
    b->rs = (uint8_t)(cc ? 24 + cc : 23);
    b->rt = 0;
    return true;
}

bool mips_decode_branch(uint32_t word, struct mips_branch *out)
{
    *out = (struct mips_branch){
        .rs = (uint8_t)mips_rs(word), .rt = (uint8_t)mips_rt(word), .imm = mips_offset(word) << 2};
    switch (mips_major(word)) {
    case 0x00: return decode_jump_register(word, out);
    case 0x01: return decode_regimm_branch(word, out);
    case 0x02:
    case 0x03: return decode_jump(word, out);
    case 0x04:
    case 0x05:
    case 0x06:
    case 0x07:
    case 0x14:
    case 0x15:
    case 0x16:
    case 0x17: return decode_compare(word, out);
    case 0x11: return decode_condition(word, out);
    default: return false;
    }
}
