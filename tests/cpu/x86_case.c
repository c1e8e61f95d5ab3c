#include "x86_case.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REX_W = 8, REX_R = 4, REX_X = 2, REX_B = 1 };

/* What the words of a form say. */
struct plan {
    uint8_t prefix; /* mandatory: 66, F2, F3, or 0 */
    uint8_t opcode[3];
    unsigned opcodes;
    bool plus_r, modrm, only_reg, only_mem;
    int reg_field; /* fixed /0 to /7, or -1 */
    bool sizes, sizes64, wide, maybe_wide, lock, rep, align, code, string, divide, bits;
    bool frame, flags, image, alone, is_long, segment, flat, refused, bounds, address16;
    char immediate; /* b w d z v, l for low, e for enter's two, 0 */
};

uint64_t x86_random_next(struct x86_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

unsigned x86_random_below(struct x86_random *random, unsigned limit)
{
    return (unsigned)(x86_random_next(random) >> 33) % limit;
}

static bool chance(struct x86_random *random, unsigned percent)
{
    return x86_random_below(random, 100) < percent;
}

/* Integers that break things. */
static uint64_t edge_int(struct x86_random *random)
{
    static const uint64_t edges[] = {
        0,          1,           2,          7,          0x0f,
        0x10,       0x7f,        0x80,       0xff,       0x100,
        0x7fff,     0x8000,      0xffff,     0x10000,    0x7fffffff,
        0x80000000, 0xffffffff,  1ULL << 32, 1ULL << 62, INT64_MAX,
        1ULL << 63, ~1ULL << 31, UINT64_MAX, ~0xffULL,   0x8080808080808080,
    };
    uint64_t value = x86_random_next(random);
    switch (x86_random_below(random, 4)) {
    case 0: return edges[value % (sizeof(edges) / sizeof(edges[0]))];
    case 1: return value >> (value & 63);
    case 2: return value & 0xff;
    default: return value;
    }
}

static uint64_t edge_double(struct x86_random *random)
{
    static const uint64_t edges[] = {
        0x0000000000000000, 0x0000000000000001, 0x000fffffffffffff, 0x0010000000000000,
        0x3fe0000000000000, 0x3ff0000000000000, 0x3ff8000000000000, 0x3fb999999999999a,
        0x41dfffffffc00000, 0x41e0000000000000, 0x43dfffffffffffff, 0x43e0000000000000,
        0x47efffffe0000000, 0x3810000000000000, 0x380fffffffffffff, 0x7fefffffffffffff,
        0x7ff0000000000000, 0x7ff8000000000000, 0x7ff0000000000001, 0x7ff8000000000123,
    };
    uint64_t value = x86_random_next(random), sign = value & 1ULL << 63;
    switch (x86_random_below(random, 3)) {
    case 0: return edges[value % (sizeof(edges) / sizeof(edges[0]))] | sign;
    case 1: return (value & 0x800fffffffffffff) | (0x3c0 + (value >> 56 & 0x7f)) << 52;
    default: return value;
    }
}

static uint32_t edge_single(struct x86_random *random)
{
    static const uint32_t edges[] = {
        0x00000000, 0x00000001, 0x007fffff, 0x00800000, 0x3f000000, 0x3f800000,
        0x3fc00000, 0x3dcccccd, 0x4effffff, 0x4f000000, 0x5effffff, 0x5f000000,
        0x7f7fffff, 0x7f800000, 0x7fc00000, 0x7f800001, 0x7fc01230,
    };
    uint64_t value = x86_random_next(random);
    uint32_t low = (uint32_t)value, sign = low & 1U << 31;
    switch (value >> 62) {
    case 0: return edges[low % (sizeof(edges) / sizeof(edges[0]))] | sign;
    case 1: return (low & 0x807fffff) | (uint32_t)(0x70 + (value >> 40 & 0x1f)) << 23;
    default: return low;
    }
}

static void edge_vector(uint64_t out[2], struct x86_random *random)
{
    unsigned kind = x86_random_below(random, 3);
    for (unsigned i = 0; i < 2; i++) {
        if (kind == 0)
            out[i] = edge_int(random);
        else if (kind == 1)
            out[i] = edge_double(random);
        else
            out[i] = edge_single(random) | (uint64_t)edge_single(random) << 32;
    }
}

/* Exponents around 1, around the ends, and the special ones; significands likewise. */
static void edge_extended(uint8_t out[10], struct x86_random *random)
{
    static const uint16_t exponents[] = {0,      1,      0x3fff, 0x3ffe, 0x4000, 0x3fbf, 0x403e,
                                         0x403f, 0x7ffe, 0x7fff, 0x3c01, 0x43fe, 0x3f81, 0x407e};
    static const uint64_t significands[] = {0, 1ULL << 63,       3ULL << 62,         UINT64_MAX,
                                            1, (1ULL << 63) + 1, 0xc90fdaa22168c235, 1ULL << 62};
    uint64_t value = x86_random_next(random);
    uint16_t exponent = exponents[value % 14];
    uint64_t significand = significands[value >> 8 & 7];
    if (value >> 16 & 1)
        exponent = (uint16_t)(0x3fff - 70 + (value >> 20) % 140);
    if (value >> 17 & 1) /* normal, mostly: a number has its top bit set */
        significand = x86_random_next(random) | 1ULL << 63;
    if (value >> 18 & 1 && exponent != 0)
        significand |= 1ULL << 63;
    exponent |= (uint16_t)(value >> 63 << 15);
    memcpy(out, &significand, 8);
    memcpy(out + 8, &exponent, 2);
}

void x86_case_fill(uint8_t *bytes, size_t len, struct x86_random *random)
{
    for (size_t i = 0; i + 16 <= len; i += 16) {
        uint64_t v[2];
        uint8_t extended[10];
        edge_vector(v, random);
        memcpy(bytes + i, v, 16);
        edge_extended(extended, random);
        if (chance(random, 25))
            memcpy(bytes + i, extended, 10);
    }
}

static void random_fpu(struct x86_state *s, struct x86_random *random)
{
    for (unsigned i = 0; i < 8; i++)
        edge_extended(s->fpu[i], random);
    s->fpu_tag = (uint8_t)(x86_random_next(random) | (chance(random, 70) ? 0xff : 0));
    s->fpu_control = (uint16_t)(0x7f | (x86_random_next(random) & 0xc00));
    s->fpu_control |= (uint16_t)(chance(random, 70) ? 0x300 : x86_random_next(random) & 0x200);
    if (chance(random, 10))
        s->fpu_control &= (uint16_t)(x86_random_next(random) | ~0x3fULL);
    s->fpu_status = (uint16_t)(x86_random_next(random) & 0x7f00);
    if (chance(random, 50))
        s->fpu_status |= (uint16_t)(x86_random_next(random) & 0x7f & s->fpu_control);
    /* Bit 6 says stack fault and wants an invalid operation beside it. */
    if (!(s->fpu_status & 1))
        s->fpu_status &= (uint16_t)~0x40u;
}

/* What 64-bit code has more is not there, and segments are Linux's. */
static void narrow(struct x86_state *s)
{
    const uint16_t selectors[] = {
        [X86_CS] = X86_SELECTOR_CODE32, [X86_SS] = X86_SELECTOR_DATA, [X86_DS] = X86_SELECTOR_DATA,
        [X86_ES] = X86_SELECTOR_DATA,   [X86_FS] = CASE_SELECTOR_FS,  [X86_GS] = CASE_SELECTOR_GS};
    for (unsigned i = 0; i < 16; i++)
        s->reg[i] = i < 8 ? (uint32_t)s->reg[i] : 0;
    memcpy(s->selector, selectors, sizeof(selectors));
    s->tls_used[0] = s->tls_used[1] = true;
    s->fs_base = s->tls_base[0] = CASE_FS_BASE;
    s->gs_base = s->tls_base[1] = CASE_GS_BASE;
}

void x86_state_random(struct x86_state *s, bool is_32, struct x86_random *random)
{
    *s = (struct x86_state){.rflags = 0x202};
    for (unsigned i = 0; i < 16; i++) {
        s->reg[i] = edge_int(random);
        edge_vector(s->xmm[i], random);
    }
    s->rflags |= x86_random_next(random) & 0x8d5;
    s->mxcsr = 0x1f80 | (uint32_t)(x86_random_next(random) & 0x603f);
    if (chance(random, 15))
        s->mxcsr |= (uint32_t)(x86_random_next(random) & 0x8040);
    if (chance(random, 10))
        s->mxcsr &= (uint32_t)x86_random_next(random) | ~0x1f80u;
    random_fpu(s, random);
    s->fs_base = CASE_DATA + 8ULL * x86_random_below(random, 64);
    s->gs_base = CASE_DATA + 8ULL * x86_random_below(random, 64);
    s->reg[X86_RSP] = CASE_DATA + 1024 + 8ULL * x86_random_below(random, 256);
    if (is_32)
        narrow(s);
}

static bool is_hex_byte(const char *word_z)
{
    const char *digits_z = "0123456789abcdef";
    return word_z[0] && word_z[1] && !word_z[2] && strchr(digits_z, word_z[0]) &&
           strchr(digits_z, word_z[1]);
}

static void add_byte(struct plan *p, uint8_t byte)
{
    bool prefix = byte == 0x66 || byte == 0xf2 || byte == 0xf3;
    if (prefix && p->opcodes == 0 && !p->prefix)
        p->prefix = byte;
    else
        p->opcode[p->opcodes++] = byte;
    assert(p->opcodes <= sizeof(p->opcode));
}

static bool set_flag(struct plan *p, const char *word_z)
{
    const struct {
        const char *word_z;
        bool *flag;
    } flags[] = {
        {"+r", &p->plus_r},           {"reg", &p->only_reg},    {"mem", &p->only_mem},
        {"sizes", &p->sizes},         {"sizes64", &p->sizes64}, {"w", &p->wide},
        {"w?", &p->maybe_wide},       {"lock", &p->lock},       {"rep", &p->rep},
        {"align", &p->align},         {"code", &p->code},       {"string", &p->string},
        {"frame", &p->frame},         {"image", &p->image},     {"alone", &p->alone},
        {"flags", &p->flags},         {"divide", &p->divide},   {"bits", &p->bits},
        {"long", &p->is_long},        {"segment", &p->segment}, {"bounds", &p->bounds},
        {"address16", &p->address16}, {"flat", &p->flat},       {"refused", &p->refused},
    };
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (strcmp(flags[i].word_z, word_z) == 0)
            return *flags[i].flag = true;
    }
    return false;
}

static void add_word(struct plan *p, const char *word_z)
{
    if (is_hex_byte(word_z)) {
        add_byte(p, (uint8_t)strtoul(word_z, NULL, 16));
    } else if (word_z[0] == '/') {
        p->modrm = true;
        p->reg_field = word_z[1] == 'r' ? -1 : word_z[1] - '0';
    } else if (strcmp(word_z, "low") == 0) {
        p->immediate = 'l';
    } else if (word_z[0] == 'i' && word_z[1] && !word_z[2]) {
        p->immediate = word_z[1];
    } else {
        assert(set_flag(p, word_z));
    }
}

static struct plan plan_of(const char *text)
{
    struct plan p = {.reg_field = -1};
    char word[16];
    int used;
    while (sscanf(text, "%15s%n", word, &used) == 1) {
        add_word(&p, word);
        text += used;
    }
    return p;
}

/* A case while it is put together. */
struct maker {
    struct x86_case *c;
    const struct plan *p;
    struct x86_random *random;
    uint8_t rex;
    bool operand16, fs;
    bool in_stream, is_32;
    unsigned after; /* bytes of the immediate: rip-relative operands count from behind it */
    bool rip_relative;
    unsigned rip_field; /* where the displacement stands, once all bytes are there */
    uint8_t tail[6];    /* ModRM, SIB, displacement */
    unsigned tails;
};

static void put(struct x86_case *c, uint64_t value, unsigned bytes)
{
    assert(c->len + bytes <= 15);
    memcpy(c->bytes + c->len, &value, bytes);
    c->len += bytes;
}

static void put_tail(struct maker *m, uint64_t value, unsigned bytes)
{
    memcpy(m->tail + m->tails, &value, bytes);
    m->tails += bytes;
}

/* Where the memory operand stands: in the writable pages, now and then across an edge. */
static uint64_t pick_addr(struct maker *m)
{
    unsigned offset = 64 + x86_random_below(m->random, CASE_WRITABLE_BYTES - 1024);
    if (!m->p->code && chance(m->random, 4))
        offset = (1 + x86_random_below(m->random, 3)) * CPU_PAGE_BYTES - 32 +
                 x86_random_below(m->random, 48);
    if (m->p->align && !chance(m->random, 4))
        offset &= ~15u;
    else if (chance(m->random, 60))
        offset &= ~7u;
    return CASE_DATA + offset;
}

/* rip-relative; in 32-bit code the same is an address. */
static void memory_rip(struct maker *m, unsigned reg)
{
    m->rip_relative = !m->is_32;
    put_tail(m, reg << 3 | 5, 1);
    m->rip_field = m->tails;
    put_tail(m, m->is_32 ? m->c->addr : 0, 4);
}

static void memory_absolute(struct maker *m, unsigned reg, uint64_t offset)
{
    put_tail(m, reg << 3 | 4, 1);
    put_tail(m, 0x25, 1);
    put_tail(m, offset, 4);
}

static unsigned pick_register(struct maker *m)
{
    return x86_random_below(m->random, m->is_32 ? 8 : 16);
}

/* fs:[bx + si + disp] and its kin: what the address needs more is in the displacement. */
static void memory_16(struct maker *m, unsigned reg)
{
    static const int8_t base[] = {X86_RBX, X86_RBX, X86_RBP, X86_RBP, -1, -1, X86_RBP, X86_RBX};
    static const int8_t index[] = {X86_RSI, X86_RDI, X86_RSI, X86_RDI, X86_RSI, X86_RDI, -1, -1};
    unsigned rm = x86_random_below(m->random, 8), mod = x86_random_below(m->random, 2) * 2;
    const uint64_t *r = m->c->state.reg;
    bool none = mod == 0 && rm == 6;
    uint64_t sum = base[rm] >= 0 && !none ? r[base[rm]] : 0;
    sum += index[rm] >= 0 ? r[index[rm]] : 0;
    if (mod == 0 && !none) /* without one, the registers say where */
        m->c->addr = CASE_FS_BASE + (uint16_t)sum;
    put_tail(m, mod << 6 | reg << 3 | rm, 1);
    if (mod != 0 || none)
        put_tail(m, m->c->addr - CASE_FS_BASE - sum, 2);
}

/* [base + index * scale + disp]: the base takes whatever value makes the address right. */
static void memory_based(struct maker *m, unsigned reg, uint64_t offset)
{
    struct x86_random *random = m->random;
    uint64_t *r = m->c->state.reg;
    unsigned base = pick_register(m), index = pick_register(m);
    unsigned scale = x86_random_below(random, 4), mod = x86_random_below(random, 3);
    int64_t disp = mod == 1 ? (int8_t)x86_random_next(random) : 0;
    if (mod == 2)
        disp = (int32_t)x86_random_next(random);
    if (mod == 0 && (base & 7) == 5)
        mod = 1;
    bool sib = (base & 7) == 4 || chance(random, 50);
    bool has_index = sib && index != X86_RSP && index != base;
    r[base] = offset - (uint64_t)disp - (has_index ? r[index] << scale : 0);
    m->rex |= (uint8_t)((base >= 8 ? REX_B : 0) | (has_index && index >= 8 ? REX_X : 0));
    put_tail(m, mod << 6 | reg << 3 | (sib ? 4 : base & 7), 1);
    if (sib)
        put_tail(m, scale << 6 | (has_index ? index & 7 : 4) << 3 | (base & 7), 1);
    put_tail(m, (uint64_t)disp, mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

static void memory_fixed(struct maker *m, unsigned reg)
{
    m->c->addr = pick_addr(m);
    if (chance(m->random, 50))
        memory_rip(m, reg);
    else
        memory_absolute(m, reg, m->c->addr);
}

static void memory_operand(struct maker *m, unsigned reg)
{
    uint64_t addr = pick_addr(m), offset;
    m->fs = m->p->address16 || chance(m->random, 5);
    m->c->addr = addr;
    if (m->p->address16) {
        memory_16(m, reg);
        return;
    }
    offset = addr - (m->fs ? m->c->state.fs_base : 0);
    if (!m->fs && chance(m->random, 8))
        memory_rip(m, reg);
    else if (chance(m->random, 5))
        memory_absolute(m, reg, offset);
    else
        memory_based(m, reg, offset);
}

static void operands(struct maker *m)
{
    const struct plan *p = m->p;
    unsigned reg = pick_register(m), rm = pick_register(m);
    if (p->reg_field >= 0)
        reg = (unsigned)p->reg_field;
    else if (reg >= 8)
        m->rex |= REX_R;
    if (p->bits)
        m->c->state.reg[reg] = x86_random_below(m->random, 400) - 200ULL;
    if (!p->only_reg && (p->only_mem || chance(m->random, 50))) {
        if (m->in_stream)
            memory_fixed(m, reg & 7);
        else
            memory_operand(m, reg & 7);
        return;
    }
    if (rm >= 8)
        m->rex |= REX_B;
    if (p->code)
        m->c->state.reg[rm] &= INT64_MAX >> 16;
    put_tail(m, 0xc0 | (reg & 7) << 3 | (rm & 7), 1);
}

static unsigned immediate_bytes(const struct maker *m)
{
    switch (m->p->immediate) {
    case 'b':
    case 'l': return 1;
    case 'w': return 2;
    case 'e': return 3;
    case 'd': return 4;
    case 'q': return 8;
    case 'z': return m->operand16 ? 2 : 4;
    case 'v': return m->rex & REX_W ? 8 : m->operand16 ? 2 : 4;
    default: return 0;
    }
}

static uint64_t immediate_value(const struct maker *m)
{
    switch (m->p->immediate) {
    case 'l': return x86_random_below(m->random, 16);
    case 'e': return x86_random_below(m->random, 512); /* no nesting */
    default: return edge_int(m->random);
    }
}

static void choose_size(struct maker *m)
{
    unsigned pick = x86_random_below(m->random, 3);
    const struct plan *p = m->p;
    m->operand16 = (p->sizes && pick == 0) || (p->sizes64 && pick == 0);
    if (!m->is_32 && (p->wide || (p->sizes && pick == 1) || (p->maybe_wide && pick == 0)))
        m->rex |= REX_W;
}

static void put_prefixes(struct maker *m)
{
    struct x86_case *c = m->c;
    if (m->fs)
        put(c, 0x64, 1);
    if (m->p->lock && m->tails && m->tail[0] < 0xc0 && chance(m->random, 30))
        put(c, 0xf0, 1);
    if (m->operand16)
        put(c, 0x66, 1);
    /* In 64-bit code it makes addresses of 32 bits, which ours all are. */
    bool has_memory = m->tails && m->tail[0] < 0xc0;
    if (m->p->address16 || (!m->is_32 && has_memory && chance(m->random, 4)))
        put(c, 0x67, 1);
    if (m->p->rep && chance(m->random, 70))
        put(c, chance(m->random, 50) ? 0xf3 : 0xf2, 1);
    if (m->p->prefix)
        put(c, m->p->prefix, 1);
    if (!m->is_32 && (m->rex || chance(m->random, 10)))
        put(c, 0x40 | m->rex, 1);
}

/* Selectors, in each of the words of a target: where one stands in a far address depends on its size.
 * Those that may have a base come first, the stack's last. */
static uint64_t pick_selector(const struct maker *m)
{
    static const uint16_t selectors[] = {
        CASE_SELECTOR_FS, CASE_SELECTOR_GS, 0, 3, 0x23, 0x33, 0x28, 0x73, 0x1b, 0x04, 0xffff, 0x2b};
    const unsigned count = sizeof(selectors) / sizeof(selectors[0]);
    unsigned first = m->p->segment ? 0 : 2, last = m->p->refused ? count - 1 : count;
    uint64_t selector = selectors[first + x86_random_below(m->random, last - first)];
    return selector | selector << 16 | selector << 32;
}

static void prepare_registers(struct maker *m)
{
    uint64_t *r = m->c->state.reg;
    if (m->p->string) {
        r[X86_RSI] = CASE_DATA + 1024 + x86_random_below(m->random, 2048);
        r[X86_RDI] = CASE_DATA + 1024 + x86_random_below(m->random, 2048);
        r[X86_RCX] = x86_random_below(m->random, 20);
        m->c->state.rflags |= x86_random_next(m->random) & 0x400;
    }
    if (m->p->divide && chance(m->random, 70))
        r[X86_RDX] = chance(m->random, 50)                ? 0
                     : r[X86_RAX] >> (m->is_32 ? 31 : 63) ? UINT64_MAX
                                                          : 1;
    if (m->p->frame)
        r[X86_RBP] = CASE_DATA + 1024 + 8ULL * x86_random_below(m->random, 256);
    if (m->p->flags) {
        m->c->has_target = true;
        m->c->target = 0x202 | (x86_random_next(m->random) & 0xcd5);
    }
    if (m->p->code) {
        m->c->has_target = true;
        m->c->target = x86_random_next(m->random) >> 18;
    }
    if (m->p->segment || m->p->flat || m->p->refused) {
        m->c->has_target = true;
        m->c->target = pick_selector(m);
    }
    if (m->p->bounds) {
        m->c->has_target = true;
        m->c->target = edge_int(m->random);
    }
}

static uint64_t pick_place(struct x86_random *random, unsigned len)
{
    unsigned offset = 64 + x86_random_below(random, CASE_CODE_BYTES - X86_STREAM_MAX - 128);
    if (chance(random, 3))
        offset = CPU_PAGE_BYTES - x86_random_below(random, len + 1);
    return CASE_CODE + offset;
}

static void fix_displacement(struct maker *m)
{
    struct x86_case *c = m->c;
    if (m->rip_relative) {
        uint32_t disp = (uint32_t)(c->addr - (c->state.rip + c->len));
        memcpy(c->bytes + m->rip_field, &disp, 4);
    }
}

/* Everything but where it stands. */
static void make(struct maker *m)
{
    struct x86_case *c = m->c;
    struct plan p = *m->p;
    choose_size(m);
    if (p.modrm)
        operands(m);
    if (p.plus_r) {
        unsigned r = pick_register(m);
        p.opcode[p.opcodes - 1] |= (uint8_t)(r & 7);
        m->rex |= r >= 8 ? REX_B : 0;
    }
    put_prefixes(m);
    for (unsigned i = 0; i < p.opcodes; i++)
        put(c, p.opcode[i], 1);
    m->rip_field += c->len;
    for (unsigned i = 0; i < m->tails; i++)
        put(c, m->tail[i], 1);
    put(c, immediate_value(m), immediate_bytes(m));
}

bool x86_form_is_long(const struct x86_form *form)
{
    return plan_of(form->text).is_long;
}

void x86_case_make(struct x86_case *c, const char *text, bool is_32, struct x86_random *random)
{
    struct plan p = plan_of(text);
    struct maker m = {.c = c, .p = &p, .random = random, .is_32 = is_32};
    memset(c, 0, sizeof(*c));
    x86_state_random(&c->state, is_32, random);
    prepare_registers(&m);
    c->has_image = p.image;
    make(&m);
    for (unsigned i = 0; is_32 && i < 8; i++)
        c->state.reg[i] = (uint32_t)c->state.reg[i];
    c->state.rip = pick_place(random, c->len);
    fix_displacement(&m);
}

void x86_stream_start(struct x86_stream *stream, bool is_32, struct x86_random *random)
{
    stream->len = 0;
    x86_state_random(&stream->state, is_32, random);
    stream->state.rip = pick_place(random, 32);
}

void x86_stream_add(struct x86_stream *stream, const char *text, struct x86_random *random)
{
    struct x86_case c = {.state.rip = stream->state.rip + stream->len};
    struct plan p = plan_of(text);
    struct maker m = {.c = &c,
                      .p = &p,
                      .random = random,
                      .in_stream = true,
                      .is_32 = x86_state_is_32(&stream->state)};
    if (stream->len + sizeof(c.bytes) > sizeof(stream->bytes))
        return;
    make(&m);
    fix_displacement(&m);
    memcpy(stream->bytes + stream->len, c.bytes, c.len);
    stream->len += c.len;
}

void x86_stream_add_jump(struct x86_stream *stream, struct x86_random *random)
{
    unsigned condition = x86_random_below(random, 16), reg = x86_random_below(random, 8);
    const uint8_t bytes[5] = {(uint8_t)(0x70 | condition), 3, 0x48, 0xff, (uint8_t)(0xc0 | reg)};
    if (stream->len + sizeof(bytes) > sizeof(stream->bytes))
        return;
    /* jcc +3; inc reg. The prefix is an instruction of its own in 32-bit code. */
    memcpy(stream->bytes + stream->len, bytes, sizeof(bytes));
    stream->len += sizeof(bytes);
}
