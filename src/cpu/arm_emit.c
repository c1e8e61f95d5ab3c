/* Entries, in the order in which the main loop executes them. Those of one instruction that come
 * before what may fault change nothing but slots of no register: the instruction may be begun
 * again. */
#include "cpu/arm_emit.h"

#include <assert.h>

enum { ALU_FORMS = ARM_OP_EOR_IMM - ARM_OP_AND_IMM, SHIFT_FORMS = ARM_OP_SH_LSR - ARM_OP_SH_LSL };

/* Forms of an operation, as they stand in its row (arm_ops.h). */
enum { FORM_IMM, FORM_REG, FORM_LSL, FORM_S_IMM = 6, FORM_S_REG };
enum { SHIFT_PLAIN, SHIFT_C, SHIFT_S, SHIFT_R, SHIFT_RC, SHIFT_RS, SHIFT_RRX = 4 };
enum { ACCESS_X = 1, ACCESS_POST };

void arm_put(struct arm_emit *e, struct arm_insn insn)
{
    insn.pos = (uint8_t)e->block->head.count;
    insn.at = (uint16_t)e->at;
    insn.it = e->it;
    assert(e->block->head.insns < ARM_BLOCK_INSNS_MAX);
    e->block->insn[e->block->head.insns++] = insn;
}

void arm_put_stop(struct arm_emit *e, enum cpu_stop stop)
{
    arm_put(e, (struct arm_insn){.op = ARM_OP_STOP, .sa = (uint8_t)stop});
    e->ended = true;
}

void arm_put_handler(struct arm_emit *e, arm_handler handler, struct arm_insn insn)
{
    insn.op = ARM_OP_HANDLER;
    insn.handler = handler;
    arm_put(e, insn);
}

uint32_t arm_pc(const struct arm_emit *e)
{
    return e->at + (e->thumb ? 4 : 8);
}

static void put_address(struct arm_emit *e, uint8_t rd, uint32_t offset)
{
    arm_put(e, (struct arm_insn){.op = ARM_OP_ADDRESS, .rd = rd, .imm = offset});
}

uint8_t arm_source(struct arm_emit *e, unsigned n)
{
    if (n != ARM_PC)
        return (uint8_t)n;
    put_address(e, ARM_R_HERE, arm_pc(e));
    return ARM_R_HERE;
}

unsigned arm_begin_condition(struct arm_emit *e, unsigned cond)
{
    if (cond >= 14)
        return UINT32_MAX;
    unsigned mark = e->block->head.insns;
    arm_put(e, (struct arm_insn){.op = (uint16_t)(ARM_OP_SKIP_EQ + cond)});
    return mark;
}

void arm_end_condition(struct arm_emit *e, unsigned mark)
{
    if (mark == UINT32_MAX)
        return;
    e->ended = false;
    e->block->insn[mark].imm = e->block->head.insns - mark;
}

void arm_put_bx(struct arm_emit *e, unsigned rm)
{
    uint16_t op = rm == ARM_LR ? ARM_OP_BX_LR : ARM_OP_BX;
    arm_put(e, (struct arm_insn){.op = op, .rn = arm_source(e, rm)});
    e->ended = true;
}

void arm_put_blx(struct arm_emit *e, unsigned rm)
{
    arm_put(
        e, (struct arm_insn){.op = ARM_OP_BLX, .rn = arm_source(e, rm), .word = e->end | e->thumb});
    e->ended = true;
}

void arm_end_load(struct arm_emit *e, unsigned n)
{
    if (n != ARM_PC)
        return;
    arm_put(e, (struct arm_insn){.op = ARM_OP_BX, .rn = ARM_PC});
    e->ended = true;
}

void arm_end_result(struct arm_emit *e, unsigned n)
{
    if (n == ARM_PC && e->thumb)
        arm_put(e, (struct arm_insn){.op = ARM_OP_ORR_IMM, .rd = ARM_PC, .rn = ARM_PC, .imm = 1});
    arm_end_load(e, n);
}

void arm_put_branch(struct arm_emit *e, unsigned cond, uint32_t target)
{
    uint16_t op = (uint16_t)(cond >= 14 ? ARM_OP_B : ARM_OP_B_EQ + cond);
    arm_put(e, (struct arm_insn){.op = op, .imm = target});
    e->ended = cond >= 14;
}

void arm_put_call(struct arm_emit *e, uint32_t target)
{
    arm_put(e, (struct arm_insn){.op = ARM_OP_BL, .imm = target, .word = e->end | e->thumb});
    e->ended = true;
}

void arm_put_syscall(struct arm_emit *e)
{
    arm_put(e, (struct arm_insn){
                   .op = ARM_OP_SYSCALL, .imm = e->end | e->thumb, .sa = arm_it_next(e->it)});
    e->ended = true;
}

/* --- operands --- */

static bool is_logical(enum arm_alu alu)
{
    return alu <= ARM_EOR || alu >= ARM_ORR;
}

static uint16_t shift_op(enum arm_shift type, unsigned form)
{
    return (uint16_t)(ARM_OP_SH_LSL + (unsigned)type * SHIFT_FORMS + form);
}

static void put_shift(struct arm_emit *e, const struct arm_operand *o, uint8_t rd, unsigned form)
{
    struct arm_insn insn = {.rd = rd, .rm = arm_source(e, o->rm), .sa = (uint8_t)o->count};
    enum arm_shift type = o->type;
    if (o->by == ARM_BY_REG) {
        insn.ra = arm_source(e, o->rs);
        insn.op = shift_op(type, SHIFT_R + form);
    } else if (o->count == 0 && type == ARM_ROR) {
        insn.op = shift_op((enum arm_shift)SHIFT_RRX, form);
    } else {
        if (o->count == 0)
            insn.sa = 32;
        insn.op = shift_op(type, form);
    }
    arm_put(e, insn);
}

static bool is_plain(const struct arm_operand *o)
{
    return o->by == ARM_BY_SHIFT && o->type == ARM_LSL && o->count == 0;
}

/* An operand as an operation without flags takes it: a form, the register in `rm`, `sa`. */
static unsigned put_operand(struct arm_emit *e, const struct arm_operand *o, struct arm_insn *insn)
{
    insn->imm = o->imm;
    if (o->by == ARM_BY_IMM)
        return FORM_IMM;
    if (is_plain(o) || (o->by == ARM_BY_SHIFT && o->count > 0)) {
        insn->rm = arm_source(e, o->rm);
        insn->sa = (uint8_t)o->count;
        return is_plain(o) ? FORM_REG : FORM_LSL + o->type;
    }
    put_shift(e, o, ARM_R_TEMP, SHIFT_PLAIN);
    insn->rm = ARM_R_TEMP;
    return FORM_REG;
}

/* The same with flags. */
static unsigned put_operand_s(struct arm_emit *e, const struct arm_operand *o, bool logical,
                              struct arm_insn *insn)
{
    insn->imm = o->imm;
    if (o->by == ARM_BY_IMM) {
        if (logical && o->rotated)
            arm_put(e, (struct arm_insn){.op = ARM_OP_CARRY, .imm = o->imm >> 31});
        return FORM_S_IMM;
    }
    insn->rm = ARM_R_TEMP;
    if (is_plain(o))
        insn->rm = arm_source(e, o->rm);
    else
        put_shift(e, o, ARM_R_TEMP, logical ? SHIFT_C : SHIFT_PLAIN);
    return FORM_S_REG;
}

/* mov of what is shifted is a shift. */
static bool put_as_shift(struct arm_emit *e, enum arm_alu alu, bool flags, unsigned rd,
                         const struct arm_operand *o)
{
    if (alu != ARM_MOV || o->by == ARM_BY_IMM || is_plain(o))
        return false;
    put_shift(e, o, (uint8_t)rd, flags ? SHIFT_S : SHIFT_PLAIN);
    return true;
}

static bool put_as_address(struct arm_emit *e, enum arm_alu alu, unsigned rd, unsigned rn,
                           const struct arm_operand *o)
{
    if (rn != ARM_PC || o->by != ARM_BY_IMM || (alu != ARM_ADD && alu != ARM_SUB))
        return false;
    uint32_t pc = arm_pc(e) & ~3u;
    put_address(e, (uint8_t)rd, alu == ARM_ADD ? pc + o->imm : pc - o->imm);
    return true;
}

void arm_put_alu(struct arm_emit *e, enum arm_alu alu, bool flags, unsigned rd, unsigned rn,
                 const struct arm_operand *o)
{
    if (flags && rd == ARM_PC) { /* a return from an exception */
        arm_put_illegal(e);
        return;
    }
    bool done = put_as_shift(e, alu, flags, rd, o) || (!flags && put_as_address(e, alu, rd, rn, o));
    if (!done) {
        struct arm_insn insn = {.rd = (uint8_t)rd};
        bool unary = alu == ARM_MOV || alu == ARM_MVN;
        unsigned form =
            flags ? put_operand_s(e, o, is_logical(alu), &insn) : put_operand(e, o, &insn);
        insn.rn = unary ? 0 : arm_source(e, rn);
        insn.op = (uint16_t)(ARM_OP_AND_IMM + (unsigned)alu * ALU_FORMS + form);
        arm_put(e, insn);
    }
    arm_end_result(e, rd);
}

/* --- memory --- */

static bool is_load(enum arm_op op)
{
    return op < ARM_OP_STR;
}

static void put_sum(struct arm_emit *e, const struct arm_access *a, uint8_t rd)
{
    struct arm_insn insn = {.rd = rd};
    unsigned form = put_operand(e, &a->offset, &insn);
    insn.rn = arm_source(e, a->rn);
    insn.op = (uint16_t)((a->add ? ARM_OP_ADD_IMM : ARM_OP_SUB_IMM) + (int)form);
    arm_put(e, insn);
}

static void put_one(struct arm_emit *e, const struct arm_access *a, struct arm_insn insn)
{
    insn.ra = (uint8_t)a->rt2;
    if (a->pair)
        arm_put_handler(e, a->pair, insn);
    else
        arm_put(e, insn);
}

static void put_with_register(struct arm_emit *e, const struct arm_access *a, uint8_t rt)
{
    struct arm_insn insn = {.op = (uint16_t)a->op, .rd = rt};
    const struct arm_operand *o = &a->offset;
    bool simple = o->type == ARM_LSL && a->add && a->before && !a->keeps && !a->pair;
    if (simple) {
        insn.op = (uint16_t)(a->op + ACCESS_X);
        insn.rn = arm_source(e, a->rn);
        insn.rm = arm_source(e, o->rm);
        insn.sa = (uint8_t)o->count;
        arm_put(e, insn);
        return;
    }
    put_sum(e, a, ARM_R_TEMP);
    insn.rn = a->before ? ARM_R_TEMP : (uint8_t)a->rn;
    put_one(e, a, insn);
    if (a->keeps || !a->before)
        arm_put(e, (struct arm_insn){.op = ARM_OP_MOV_REG, .rd = (uint8_t)a->rn, .rm = ARM_R_TEMP});
}

static void put_with_imm(struct arm_emit *e, const struct arm_access *a, uint8_t rt)
{
    struct arm_insn insn = {.op = (uint16_t)a->op, .rd = rt, .rn = (uint8_t)a->rn};
    insn.imm = a->add ? a->offset.imm : 0 - a->offset.imm;
    if (a->rn == ARM_PC) {
        insn.rn = ARM_R_PAGE;
        insn.imm += arm_pc(e) & ~3u;
    } else if (!a->before && !a->pair) {
        insn.op = (uint16_t)(a->op + ACCESS_POST);
        arm_put(e, insn);
        return;
    }
    const uint32_t offset = insn.imm;
    if (!a->before)
        insn.imm = 0;
    put_one(e, a, insn);
    if (a->keeps || !a->before)
        arm_put(e, (struct arm_insn){
                       .op = ARM_OP_ADD_IMM, .rd = insn.rn, .rn = insn.rn, .imm = offset});
}

void arm_put_access(struct arm_emit *e, const struct arm_access *a)
{
    if (a->rn == ARM_PC && (a->keeps || !a->before)) {
        arm_put_illegal(e);
        return;
    }
    uint8_t rt = is_load(a->op) ? (uint8_t)a->rt : arm_source(e, a->rt);
    if (a->offset.by == ARM_BY_IMM)
        put_with_imm(e, a, rt);
    else
        put_with_register(e, a, rt);
    if (is_load(a->op))
        arm_end_load(e, a->rt);
}
