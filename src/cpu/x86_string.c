/* movs, cmps, stos, lods, scas, alone and repeated. */
#include "cpu/x86_block.h"
#include "cpu/x86_handlers.h"
#include "cpu/x86_operand.h"

/* The registers of one string instruction, as its address size sees them. */
struct string {
    struct x86 *cpu;
    uint64_t address_mask;
    uint64_t source_base; /* of the segment */
    int64_t step;
    unsigned size;
};

static uint64_t source(const struct string *s)
{
    return s->source_base + (s->cpu->r[X86_RSI] & s->address_mask);
}

static uint64_t target(const struct string *s)
{
    return s->cpu->r[X86_RDI] & s->address_mask;
}

/* 16 bits leave the others alone, 32 clear them. */
static void set_address_register(const struct string *s, enum x86_register reg, uint64_t value)
{
    uint64_t kept = s->address_mask == UINT16_MAX ? s->cpu->r[reg] & ~s->address_mask : 0;
    s->cpu->r[reg] = kept | (value & s->address_mask);
}

static void advance(const struct string *s, enum x86_register reg, uint64_t rounds)
{
    set_address_register(s, reg, s->cpu->r[reg] + rounds * (uint64_t)s->step);
}

static void compare(struct x86 *cpu, uint64_t a, uint64_t b, unsigned size)
{
    uint64_t difference = (a - b) & x86_mask(size);
    cpu->flag_result = x86_sign_extend(difference, size);
    cpu->flag_carry = x86_carries_sub(a, b, difference, 8 * size);
}

static int one_movs(const struct string *s)
{
    uint64_t value = 0;
    int rc = x86_load(s->cpu, source(s), &value, s->size);
    if (!rc)
        rc = x86_store(s->cpu, target(s), &value, s->size);
    if (rc)
        return rc;
    advance(s, X86_RSI, 1);
    advance(s, X86_RDI, 1);
    return 0;
}

static int one_stos(const struct string *s)
{
    int rc = x86_store(s->cpu, target(s), &s->cpu->r[X86_RAX], s->size);
    if (!rc)
        advance(s, X86_RDI, 1);
    return rc;
}

static int one_lods(const struct string *s)
{
    uint64_t value = 0;
    int rc = x86_load(s->cpu, source(s), &value, s->size);
    if (rc)
        return rc;
    x86_reg_set(s->cpu, X86_RAX, s->size, value);
    advance(s, X86_RSI, 1);
    return 0;
}

static int one_scas(const struct string *s)
{
    uint64_t value = 0;
    int rc = x86_load(s->cpu, target(s), &value, s->size);
    if (rc)
        return rc;
    compare(s->cpu, x86_reg_get(s->cpu, X86_RAX, s->size), value, s->size);
    advance(s, X86_RDI, 1);
    return 0;
}

static int one_cmps(const struct string *s)
{
    uint64_t a = 0, b = 0;
    int rc = x86_load(s->cpu, source(s), &a, s->size);
    if (!rc)
        rc = x86_load(s->cpu, target(s), &b, s->size);
    if (rc)
        return rc;
    compare(s->cpu, a, b, s->size);
    advance(s, X86_RSI, 1);
    advance(s, X86_RDI, 1);
    return 0;
}

static int one_round(const struct string *s, unsigned opcode)
{
    switch (opcode & 0xfe) {
    case 0xa4: return one_movs(s);
    case 0xa6: return one_cmps(s);
    case 0xaa: return one_stos(s);
    case 0xac: return one_lods(s);
    default: return one_scas(s);
    }
}

/* How many whole elements of `rounds` stand in the page of `addr`. */
static uint64_t in_page(const struct string *s, uint64_t addr, uint64_t rounds)
{
    uint64_t fit = (CPU_PAGE_BYTES - addr % CPU_PAGE_BYTES) / s->size;
    return rounds < fit ? rounds : fit;
}

static void copy_forward(uint8_t *to, const uint8_t *from, size_t bytes, unsigned size)
{
    if (to <= from || to >= from + bytes) {
        memmove(to, from, bytes);
        return;
    }
    /* What was just written is read again: a pattern spreads, element by element. */
    for (size_t i = 0; i < bytes; i += size) {
        uint64_t element = 0;
        memcpy(&element, from + i, size);
        memcpy(to + i, &element, size);
    }
}

/* Rounds of movs or stos done at once, where both sides are known pages; 0: none. */
static uint64_t bulk(const struct string *s, unsigned opcode, uint64_t rounds)
{
    struct x86 *cpu = s->cpu;
    uint64_t to = target(s), from = source(s);
    if (s->step < 0 || rounds < 2)
        return 0;
    rounds = in_page(s, to, rounds);
    bool movs = (opcode & 0xfe) == 0xa4;
    if (movs)
        rounds = in_page(s, from, rounds);
    if (rounds < 2)
        return 0;
    unsigned bytes = (unsigned)rounds * s->size;
    uint8_t *target_host = cpu_tlb_find(cpu->tlb->write, to, bytes);
    if (!target_host)
        return 0;
    if (movs) {
        const uint8_t *source_host = cpu_tlb_find(cpu->tlb->read, from, bytes);
        if (!source_host)
            return 0;
        copy_forward(target_host, source_host, bytes, s->size);
        advance(s, X86_RSI, rounds);
    } else {
        for (unsigned i = 0; i < bytes; i += s->size)
            memcpy(target_host + i, &cpu->r[X86_RAX], s->size);
    }
    advance(s, X86_RDI, rounds);
    return rounds;
}

static int repeat(const struct string *s, uint64_t what)
{
    struct x86 *cpu = s->cpu;
    /* Alone in a block that is not kept, nobody else notices that it writes over itself. */
    const struct cpu_block *block = cpu->block;
    bool once = cpu->retrying || (!block->page && block->count == 1);
    cpu->retrying = false;
    unsigned opcode = what & X86_STRING_OPCODE;
    bool moves = (opcode & 0xfe) == 0xa4 || (opcode & 0xfe) == 0xaa;
    bool compares = (opcode & 0xfe) == 0xa6 || (opcode & 0xfe) == 0xae;
    const uint64_t before = cpu->r[X86_RCX] & s->address_mask;
    uint64_t count = before;
    if (count == 0)
        cpu->left--;
    while (count > 0) {
        if (cpu->left <= 0)
            return X86_AGAIN;
        if (once && count < before)
            return X86_REFETCH;
        uint64_t rounds = count < (uint64_t)cpu->left ? count : (uint64_t)cpu->left;
        rounds = moves && !once ? bulk(s, opcode, rounds) : 0;
        if (rounds == 0) {
            int rc = one_round(s, opcode);
            if (rc)
                return rc;
            rounds = 1;
        }
        cpu->left -= (int64_t)rounds;
        count -= rounds;
        set_address_register(s, X86_RCX, count);
        if (compares && x86_zf(cpu) != ((what & X86_STRING_REPE) != 0))
            break;
    }
    return 0;
}

int x86_string(struct x86 *cpu, const struct x86_insn *insn)
{
    struct string s = {
        .cpu = cpu,
        .address_mask = (insn->imm & X86_STRING_ADDRESS16)   ? UINT16_MAX
                        : (insn->imm & X86_STRING_ADDRESS32) ? UINT32_MAX
                                                             : UINT64_MAX,
        .source_base = cpu->r[insn->base],
        .step = (cpu->flag_other & X86_DF) ? -(int64_t)insn->size : insn->size,
        .size = insn->size,
    };
    if (insn->imm & (X86_STRING_REPE | X86_STRING_REPNE))
        return repeat(&s, insn->imm);
    int rc = one_round(&s, insn->imm & X86_STRING_OPCODE);
    if (!rc)
        cpu->left--;
    return rc;
}
