/* From bytes to blocks: prefixes, ModRM, and what all instructions have in common. */
#include "cpu/x86_decode.h"

#include <assert.h>

uint8_t x86_fetch_u8(struct x86_decoder *d)
{
    if (d->at == d->end) {
        d->failed = true;
        return 0;
    }
    return *d->at++;
}

static uint64_t fetch(struct x86_decoder *d, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)x86_fetch_u8(d) << (8 * i);
    return value;
}

uint64_t x86_fetch_s8(struct x86_decoder *d)
{
    return (uint64_t)(int8_t)fetch(d, 1);
}

uint64_t x86_fetch_s16(struct x86_decoder *d)
{
    return (uint64_t)(int16_t)fetch(d, 2);
}

uint64_t x86_fetch_s32(struct x86_decoder *d)
{
    return (uint64_t)(int32_t)fetch(d, 4);
}

uint64_t x86_fetch_64(struct x86_decoder *d)
{
    return fetch(d, 8);
}

uint64_t x86_fetch_imm(struct x86_decoder *d, unsigned size)
{
    if (size == 1)
        return x86_fetch_s8(d);
    return size == 2 ? x86_fetch_s16(d) : x86_fetch_s32(d);
}

static void fetch_sib(struct x86_decoder *d, struct x86_insn *insn, unsigned mod)
{
    uint8_t sib = x86_fetch_u8(d);
    unsigned index = ((sib >> 3) & 7) | ((d->rex & 2) << 2);
    insn->scale = sib >> 6;
    insn->index = (uint8_t)(index == X86_RSP ? (unsigned)X86_R_ZERO : index);
    if ((sib & 7) == X86_RBP && mod == 0) {
        insn->base = X86_R_ZERO;
        insn->disp = (int32_t)x86_fetch_s32(d);
    } else {
        insn->base = (uint8_t)((sib & 7) | ((d->rex & 1) << 3));
    }
}

/* The eight forms of a 16-bit address. X86_R_ZERO: no such part. */
static void fetch_address16(struct x86_decoder *d, struct x86_insn *insn, unsigned mod)
{
    static const uint8_t base[8] = {X86_RBX, X86_RBX, X86_RBP, X86_RBP,
                                    X86_RSI, X86_RDI, X86_RBP, X86_RBX};
    static const uint8_t index[8] = {X86_RSI,    X86_RDI,    X86_RSI,    X86_RDI,
                                     X86_R_ZERO, X86_R_ZERO, X86_R_ZERO, X86_R_ZERO};
    unsigned rm = d->modrm & 7;
    bool is_absolute = mod == 0 && rm == 6;
    insn->base = is_absolute ? (uint8_t)X86_R_ZERO : base[rm];
    insn->index = index[rm];
    if (mod == 2 || is_absolute)
        insn->disp = (int32_t)x86_fetch_s16(d);
    else if (mod == 1)
        insn->disp = (int32_t)x86_fetch_s8(d);
}

void x86_fetch_modrm(struct x86_decoder *d, struct x86_insn *insn)
{
    d->modrm = x86_fetch_u8(d);
    unsigned mod = d->modrm >> 6, rm = d->modrm & 7;
    insn->reg = (uint8_t)(((d->modrm >> 3) & 7) | ((d->rex & 4) << 1));
    insn->rm = (uint8_t)(rm | ((d->rex & 1) << 3));
    if (mod == 3)
        return;
    insn->flags |= X86_INSN_MEM;
    insn->index = X86_R_ZERO;
    if (d->address16) {
        fetch_address16(d, insn, mod);
        return;
    }
    if (rm == X86_RSP) {
        fetch_sib(d, insn, mod);
    } else if (rm == X86_RBP && mod == 0) {
        insn->base = d->mode32 ? X86_R_ZERO : X86_R_PAGE;
        insn->disp = (int32_t)x86_fetch_s32(d);
        d->rip_relative = !d->mode32;
    } else {
        insn->base = insn->rm;
    }
    if (mod == 1)
        insn->disp = (int32_t)x86_fetch_s8(d);
    else if (mod == 2)
        insn->disp = (int32_t)x86_fetch_s32(d);
}

bool x86_set_handler(struct x86_insn *insn, x86_handler handler)
{
    insn->op = X86_OP_HANDLER;
    insn->handler = handler;
    return true;
}

bool x86_set_stop(struct x86_decoder *d, struct x86_insn *insn, enum cpu_stop stop)
{
    insn->op = X86_OP_STOP;
    insn->imm = stop;
    d->ends_block = true;
    return true;
}

/* Takes one prefix byte; false when the byte is none. REX counts only right before the opcode. */
static bool take_prefix(struct x86_decoder *d, uint8_t byte)
{
    if ((byte & 0xf0) == 0x40 && !d->mode32) {
        d->rex = byte;
        return true;
    }
    switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e: /* es, cs, ss, ds: have no base */
        if (d->mode32)
            d->segment = 0;
        break;
    case 0x64: d->segment = X86_R_FS; break;
    case 0x65: d->segment = X86_R_GS; break;
    case 0x66: d->operand16 = true; break;
    case 0x67: *(d->mode32 ? &d->address16 : &d->address32) = true; break;
    case 0xf0: d->lock = true; break;
    case 0xf2:
    case 0xf3: d->rep = byte; break;
    default: return false;
    }
    d->rex = 0;
    return true;
}

static void take_prefixes(struct x86_decoder *d)
{
    do
        d->opcode = x86_fetch_u8(d);
    while (!d->failed && take_prefix(d, d->opcode));
    d->rex_w = d->rex & 8;
    if (d->rep)
        d->prefix = d->rep == 0xf2 ? X86_PREFIX_F2 : X86_PREFIX_F3;
    else if (d->operand16)
        d->prefix = X86_PREFIX_66;
}

static bool decode_opcode(struct x86_decoder *d, struct x86_insn *insn)
{
    insn->size = d->rex_w ? 8 : d->operand16 ? 2 : 4;
    insn->flags = d->rex ? X86_INSN_REX : 0;
    insn->base = insn->index = X86_R_ZERO;
    bool exists;
    if (d->opcode == 0x0f) {
        d->opcode = x86_fetch_u8(d);
        exists = x86_decode_two_byte(d, insn);
    } else {
        exists = x86_decode_one_byte(d, insn);
    }
    return exists && (!d->lock || d->lock_allowed);
}

/* An instruction that puts the operand's address into X86_R_TEMP, before the one that uses it. */
static struct x86_insn address_part(const struct x86_insn *insn, enum x86_op op)
{
    struct x86_insn part = *insn;
    part.handler = NULL;
    part.op = (uint16_t)op;
    part.flags |= X86_INSN_PART;
    return part;
}

static void use_temp(struct x86_insn *insn, uint8_t segment)
{
    insn->base = X86_R_TEMP;
    insn->index = segment ? segment : X86_R_ZERO;
    insn->scale = 0;
    insn->disp = 0;
}

/* Puts the segment's base into the address, and makes it count from the page instead of from the
 * instruction's end. What does not fit the form takes a part of its own, written to `part`;
 * returns how many. */
static unsigned finish_address(struct x86_decoder *d, struct x86_insn *insn, struct x86_insn *part)
{
    if (!(insn->flags & X86_INSN_MEM))
        return 0;
    if (d->absolute) {
        *part = address_part(insn, X86_OP_TEMP_IMM);
        if (d->address32)
            part->imm = (uint32_t)part->imm;
        if (d->address16)
            part->imm = (uint16_t)part->imm;
        use_temp(insn, d->segment);
        return 1;
    }
    int64_t disp = insn->disp;
    if (d->rip_relative)
        disp += insn->offset + insn->len;
    bool fits = disp == (int32_t)disp;
    insn->disp = (int32_t)disp;
    if (!fits) {
        /* Two parts if 67 is there as well: nobody writes that, so let 67 be ignored. */
        *part = address_part(insn, X86_OP_TEMP_PAGE);
        part->imm = (uint64_t)disp;
        use_temp(insn, d->segment);
        return 1;
    }
    if (d->address32 || d->address16) {
        *part = address_part(insn, d->address16 ? X86_OP_TEMP16 : X86_OP_TEMP32);
        use_temp(insn, d->segment);
        return 1;
    }
    if (!d->segment)
        return 0;
    if (insn->index == X86_R_ZERO) {
        insn->index = d->segment;
        insn->scale = 0;
    } else if (insn->base == X86_R_ZERO) {
        insn->base = d->segment;
    } else {
        *part = address_part(insn, X86_OP_TEMP);
        use_temp(insn, d->segment);
        return 1;
    }
    return 0;
}

/* One instruction at d->at, written to `out` (room for two). How many entries; 0: the bytes ended. */
static unsigned decode_insn(struct x86_decoder *d, unsigned offset, struct x86_insn *out)
{
    const uint8_t *start = d->at;
    struct x86_insn insn = {.offset = (uint16_t)offset};
    take_prefixes(d);
    bool exists = decode_opcode(d, &insn);
    if (d->failed && d->end - start < X86_INSN_BYTES_MAX)
        return 0;
    if (d->failed || !exists) {
        /* 15 bytes and no end is #GP, nonsense is #UD; neither has an operand. */
        insn = (struct x86_insn){.offset = (uint16_t)offset};
        x86_set_stop(d, &insn, d->failed ? CPU_STOP_PROTECT : CPU_STOP_ILLEGAL);
        d->target_relative = false;
    }
    insn.len = (uint8_t)(d->at - start);
    if (d->target_relative)
        insn.imm += offset + insn.len;
    unsigned parts = finish_address(d, &insn, out);
    out[parts] = insn;
    return parts + 1;
}

/* Goes on at `target` (counted from the page) without an instruction. */
static void put_end(struct x86_block *block, unsigned target)
{
    block->insn[block->head.insns++] = (struct x86_insn){
        .op = X86_OP_NEXT,
        .imm = target,
        .offset = (uint16_t)target,
        .flags = X86_INSN_PART,
    };
}

/* The operation that does both, or 0. */
static uint16_t pair_of(unsigned first, unsigned second)
{
    switch (first * X86_OP_COUNT + second) {
#define PAIR_CASE(a, b) \
    case X86_OP_##a *X86_OP_COUNT + X86_OP_##b: return X86_OP_##a##__##b;
        X86_PAIRS(PAIR_CASE)
#undef PAIR_CASE
    default: return 0;
    }
}

/* Joins neighbours, from the end, so that the last jump finds its comparison. The second one stays
 * where it is: the first one's operation does its work too, and steps over it. */
static void join_pairs(struct x86_block *block)
{
    for (uint32_t i = block->head.insns - 1; i >= 2; i--) {
        uint16_t pair = pair_of(block->insn[i - 2].op, block->insn[i - 1].op);
        if (pair) {
            block->insn[i - 2].op = pair;
            i--;
        }
        if (i < 2)
            break;
    }
}

static int decode_block(struct cpu_block *head, const uint8_t *bytes, size_t size, unsigned offset,
                        unsigned limit, unsigned mode)
{
    assert(limit > 0 && limit <= X86_BLOCK_COUNT_MAX);
    struct x86_block *block = (struct x86_block *)head;
    *head = (struct cpu_block){.start = (uint16_t)offset};
    size_t done = 0;
    bool ended = false;
    while (head->count < limit && !ended && done < size) {
        size_t room = size - done < X86_INSN_BYTES_MAX ? size - done : X86_INSN_BYTES_MAX;
        struct x86_decoder d = {
            .at = bytes + done, .end = bytes + done + room, .mode32 = mode == X86_MODE_32};
        unsigned n = decode_insn(&d, offset + (unsigned)done, &block->insn[head->insns]);
        if (n == 0)
            break;
        head->insns += n;
        head->count++;
        done = (size_t)(d.at - bytes);
        ended = d.ends_block;
    }
    if (head->count == 0)
        return -1;
    head->bytes = (uint16_t)done;
    put_end(block, offset + (unsigned)done);
    join_pairs(block);
    return 0;
}

struct cpu_store *x86_store_new(size_t max_bytes)
{
    static const struct cpu_store_kind kind = {
        .insn_bytes = sizeof(struct x86_insn),
        .count_max = X86_BLOCK_COUNT_MAX,
        .insns_max = X86_BLOCK_INSNS_MAX,
        .decode = decode_block,
    };
    _Static_assert(offsetof(struct x86_block, insn) == sizeof(struct cpu_block), "store.h");
    return cpu_store_new(&kind, max_bytes);
}
