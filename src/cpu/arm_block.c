/* Blocks: instructions one after the other, until one leads away. */
#include "cpu/arm_decode.h"

#include <assert.h>

static uint32_t fetch_half(const uint8_t *bytes)
{
    return (uint32_t)(bytes[0] | bytes[1] << 8);
}

static uint32_t fetch_word(const uint8_t *bytes)
{
    return fetch_half(bytes) | fetch_half(bytes + 2) << 16;
}

/* Bytes of the instruction; 0: not all of it is there. */
static unsigned length_of(const uint8_t *bytes, size_t size, bool thumb)
{
    unsigned length = thumb && size >= 2 && !arm_is_wide(fetch_half(bytes)) ? 2 : 4;
    return length <= size ? length : 0;
}

static void decode_thumb(struct arm_emit *e, const uint8_t *bytes)
{
    uint32_t half = fetch_half(bytes);
    unsigned mark = arm_begin_condition(e, e->it & 15 ? e->it >> 4 : 14u);
    if (arm_is_wide(half))
        arm_decode_wide(e, half << 16 | fetch_half(bytes + 2));
    else
        arm_decode_half(e, half);
    arm_end_condition(e, mark);
    if (!e->has_set)
        e->it = arm_it_next(e->it);
    e->has_set = false;
}

/* A block is paid for as a whole: who leaves it early is given back the rest. */
static void set_rests(struct arm_block *block)
{
    for (uint32_t i = 0; i < block->head.insns; i++) {
        struct arm_insn *insn = &block->insn[i];
        insn->rest = (uint8_t)(block->head.count - insn->pos - 1);
    }
}

static void put_end(struct arm_emit *e, uint32_t to)
{
    arm_put(e, (struct arm_insn){
                   .op = e->it ? ARM_OP_END_IT : ARM_OP_END, .imm = to | e->thumb, .sa = e->it});
}

static int decode_block(struct cpu_block *head, const uint8_t *bytes, size_t size, unsigned offset,
                        unsigned limit, unsigned mode)
{
    assert(limit > 0 && limit <= ARM_BLOCK_COUNT_MAX);
    struct arm_block *block = (struct arm_block *)head;
    struct arm_emit e = {
        .block = block, .thumb = mode & ARM_MODE_THUMB, .it = (uint8_t)(mode >> ARM_MODE_IT_AT)};
    bool began_in_it = e.it != 0;
    *head = (struct cpu_block){.start = (uint16_t)offset, .mode = mode & ARM_MODE_THUMB};
    while (head->count < limit && !e.ended) {
        const uint8_t *from = bytes + head->bytes;
        unsigned length = length_of(from, size - head->bytes, e.thumb);
        if (length == 0)
            break;
        e.at = offset + head->bytes;
        e.end = e.at + length;
        if (e.thumb)
            decode_thumb(&e, from);
        else
            arm_decode_word(&e, fetch_word(from));
        head->count++;
        head->bytes = (uint16_t)(head->bytes + length);
        if (began_in_it && e.it == 0)
            break;
    }
    if (head->count == 0)
        return -1;
    set_rests(block);
    put_end(&e, offset + head->bytes);
    return 0;
}

struct cpu_store *arm_store_new(size_t max_bytes)
{
    static const struct cpu_store_kind kind = {
        .insn_bytes = sizeof(struct arm_insn),
        .count_max = ARM_BLOCK_COUNT_MAX,
        .insns_max = ARM_BLOCK_INSNS_MAX,
        .decode = decode_block,
    };
    _Static_assert(offsetof(struct arm_block, insn) == sizeof(struct cpu_block), "store.h");
    return cpu_store_new(&kind, max_bytes);
}
