/* Blocks: entries in the order in which the main loop executes them. */
#include "cpu/mips_decode.h"

#include <assert.h>

enum {
    /* A branch and its slot: two operands kept, the return address, the slot, the branch. */
    STEP_INSNS_MAX = 5,
    BLOCK_INSNS_MAX = STEP_INSNS_MAX * (MIPS_BLOCK_COUNT_MAX / 2 + 1) + 1,
};

static uint32_t fetch(const uint8_t *bytes, enum mips_order order)
{
    uint32_t a = bytes[0], b = bytes[1], c = bytes[2], d = bytes[3];
    return order == MIPS_BIG ? a << 24 | b << 16 | c << 8 | d : d << 24 | c << 16 | b << 8 | a;
}

static void put(struct mips_block *block, struct mips_insn insn, unsigned flags)
{
    insn.pos = (uint8_t)block->head.count;
    insn.flags = (uint8_t)flags;
    assert(block->head.insns < BLOCK_INSNS_MAX);
    block->insn[block->head.insns++] = insn;
}

/* Keeps a register for the branch, from before the slot. */
static uint8_t keep(struct mips_block *block, uint8_t reg, uint8_t temp)
{
    put(block, (struct mips_insn){.op = MIPS_OP_MOVE, .rs = reg, .rd = temp}, 0);
    return temp;
}

/* The instruction in the slot, if it does anything. */
static void put_slot(struct mips_block *block, const struct mips_insn *slot)
{
    if (slot->op != MIPS_OP_NOP)
        put(block, *slot, MIPS_INSN_SLOT);
}

/* A condition is looked at before the slot changes it. */
static void protect_operands(struct mips_block *block, struct mips_branch *b,
                             const struct mips_insn *slot, bool links_first)
{
    if (b->fcc) {
        if (mips_major(slot->word) != 0x11)
            return;
        put(block,
            (struct mips_insn){.op = MIPS_OP_HANDLER,
                               .handler = mips_do_take_condition,
                               .rd = MIPS_R_TEMP,
                               .sa = b->rs},
            0);
        b->op = b->op == MIPS_OP_BC1T ? MIPS_OP_BNEZ : MIPS_OP_BEQZ;
        b->rs = MIPS_R_TEMP;
        return;
    }
    if (b->rs && (slot->rd == b->rs || (links_first && b->link == b->rs)))
        b->rs = keep(block, b->rs, MIPS_R_TEMP);
    if (b->rt && (slot->rd == b->rt || (links_first && b->link == b->rt)))
        b->rt = keep(block, b->rt, MIPS_R_TEMP2);
}

/* A jump that links and its slot do not get in each other's way: one operation does both. */
static uint16_t linking_op(const struct mips_branch *b, const struct mips_insn *slot)
{
    if (!b->link || slot->rs == b->link || slot->rt == b->link || slot->rd == b->link)
        return 0;
    switch (b->op) {
    case MIPS_OP_B: return MIPS_OP_BAL;
    case MIPS_OP_J: return MIPS_OP_JAL;
    case MIPS_OP_JR: return MIPS_OP_JALR;
    default: return 0;
    }
}

static struct mips_insn branch_insn(const struct mips_branch *b, uint16_t op, uint32_t at)
{
    return (struct mips_insn){.op = op,
                              .rs = b->rs,
                              .rt = b->rt,
                              .rd = b->link,
                              .imm = b->region ? b->imm : at + 4 + b->imm,
                              .word = at + 8};
}

static void put_likely(struct mips_block *block, const struct mips_branch *b,
                       const struct mips_insn *slot, uint32_t at)
{
    struct mips_insn before = branch_insn(b, b->likely, at);
    before.imm = slot->op == MIPS_OP_NOP ? 2 : 3;
    put(block, before, 0);
    put_slot(block, slot);
    put(block, branch_insn(b, MIPS_OP_B, at), 0);
}

/* A branch at `at` (from the page) with the instruction in its slot. */
static void put_branch(struct mips_block *block, struct mips_branch *b, uint32_t slot_word,
                       uint32_t at, enum mips_order order)
{
    struct mips_branch nested;
    struct mips_insn slot = mips_decode(slot_word, order);
    if (mips_decode_branch(slot_word, &nested))
        slot = (struct mips_insn){.op = MIPS_OP_STOP, .sa = CPU_STOP_ILLEGAL, .rd = MIPS_R_TRASH};
    uint16_t linking = linking_op(b, &slot);
    bool links_first = b->link && !linking;
    if (!b->likely)
        protect_operands(block, b, &slot, links_first);
    else if (links_first && b->link == b->rs && !b->fcc)
        b->rs = keep(block, b->rs, MIPS_R_TEMP);
    if (links_first)
        put(block, (struct mips_insn){.op = MIPS_OP_LINK, .imm = at + 8, .rd = b->link}, 0);
    if (b->likely) {
        put_likely(block, b, &slot, at);
        return;
    }
    put_slot(block, &slot);
    put(block, branch_insn(b, linking ? linking : b->op, at), linking ? MIPS_INSN_LINKS : 0);
}

/* A block is paid for as a whole: who leaves it early by a branch is given back the rest. */
static void set_rests(struct mips_block *block)
{
    for (uint32_t i = 0; i < block->head.insns; i++) {
        struct mips_insn *insn = &block->insn[i];
        if (insn->op >= MIPS_OP_BEQ && insn->op <= MIPS_OP_JALR)
            insn->sa = (uint8_t)(block->head.count - insn->pos - 2);
    }
}

static int decode_block(struct cpu_block *head, const uint8_t *bytes, size_t size, unsigned offset,
                        unsigned limit, unsigned mode)
{
    assert(limit > 0 && limit <= MIPS_BLOCK_COUNT_MAX);
    struct mips_block *block = (struct mips_block *)head;
    enum mips_order order = (enum mips_order)mode;
    bool ended = false;
    *head = (struct cpu_block){.start = (uint16_t)offset};
    while (head->count < limit && !ended && size - head->bytes >= 4) {
        const uint8_t *from = bytes + head->bytes;
        uint32_t at = offset + head->bytes, word = fetch(from, order);
        unsigned count = 1;
        struct mips_branch b;
        if (mips_decode_branch(word, &b)) {
            count = 2;
            if (size - head->bytes < 8 || (head->count > 0 && head->count + 2 > limit))
                break;
            put_branch(block, &b, fetch(from + 4, order), at, order);
            ended = b.ends;
        } else {
            struct mips_insn insn = mips_decode(word, order);
            ended = insn.op == MIPS_OP_SYSCALL || insn.op == MIPS_OP_STOP;
            if (insn.op != MIPS_OP_NOP)
                put(block, insn, 0);
        }
        head->count += count;
        head->bytes = (uint16_t)(head->bytes + 4 * count);
    }
    if (head->count == 0)
        return -1;
    put(block, (struct mips_insn){.op = MIPS_OP_END, .imm = offset + head->bytes}, 0);
    set_rests(block);
    return 0;
}

struct cpu_store *mips_store_new(size_t max_bytes)
{
    static const struct cpu_store_kind kind = {
        .insn_bytes = sizeof(struct mips_insn),
        .count_max = MIPS_BLOCK_COUNT_MAX,
        .insns_max = BLOCK_INSNS_MAX,
        .decode = decode_block,
    };
    _Static_assert(offsetof(struct mips_block, insn) == sizeof(struct cpu_block), "store.h");
    return cpu_store_new(&kind, max_bytes);
}
