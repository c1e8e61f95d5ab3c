/* Random instructions on our MIPS and on Unicorn's, which is here for nothing else: the same
 * registers, flags and memory, or the same fault.
 *
 * `mips_oracle_test [SEED [ROUNDS]]`: the same seed makes the same programs. */
#include "cpu/mips.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unicorn/unicorn.h>

#define PAGE ((size_t)CPU_PAGE_BYTES)

enum {
    ROUNDS_DEFAULT = 400, /* programs of each kind of processor */
    BODY_MAX = 24,        /* random instructions of a program */
    WORDS_MAX = 512,
    RUN_MAX = 10 * WORDS_MAX,
    CODE = 0x10000,
    DATA = 0x20000, /* what a program begins with, what it ends with, and its memory */
    BEGIN = DATA,
    END = DATA + 0x800,
    MEMORY = DATA + CPU_PAGE_BYTES,
    MIDDLE = MEMORY + CPU_PAGE_BYTES / 2,
    PLACE_BYTES = 8, /* of each value in BEGIN and END */
    /* The values' places behind the 32 general registers and the 32 of the other unit. */
    AT_FPR = 32,
    AT_HI = 64,
    AT_LO,
    AT_FCSR,
    PLACES,
    /* Registers that programs do not change. */
    R_INDEX = 27,
    R_JUMP = 26,
    R_MEMORY = 29,
    R_BASE = 30,
    REG_LAST = 25,
};

/* How operands are put in: d s t general registers in their fields (D: not 0), a the shift amount,
 * i an immediate, m memory (then its alignment), b a branch's distance, D E F G registers of the
 * floating-point unit in the fields fd, fs, ft, fr, c a condition in bits 8 to 10, C in 18 to 20,
 * p the pair of ll and sc, x a field for ext, y for ins, r a jump by register, j one by address. */
struct form {
    const char *name_z;
    uint32_t word;
    const char *operands_z;
};

#define FP(name, function, operands)                  \
    {name ".s", 0x46000000u | (function), operands},  \
    {                                                 \
        name ".d", 0x46200000u | (function), operands \
    }

static const struct form forms[] = {
    {"sll", 0x00000000, "dta"},      {"srl", 0x00000002, "dta"},
    {"rotr", 0x00200002, "dta"},     {"sra", 0x00000003, "dta"},
    {"sllv", 0x00000004, "dst"},     {"srlv", 0x00000006, "dst"},
    {"rotrv", 0x00000046, "dst"},    {"srav", 0x00000007, "dst"},
    {"movz", 0x0000000a, "dst"},     {"movn", 0x0000000b, "dst"},
    {"movf", 0x00000001, "dsC"},     {"movt", 0x00010001, "dsC"},
    {"sync", 0x0000000f, ""},        {"mfhi", 0x00000010, "d"},
    {"mthi", 0x00000011, "s"},       {"mflo", 0x00000012, "d"},
    {"mtlo", 0x00000013, "s"},       {"mult", 0x00000018, "st"},
    {"multu", 0x00000019, "st"},     {"div", 0x0000001a, "st"},
    {"divu", 0x0000001b, "st"},      {"add", 0x00000020, "dst"},
    {"addu", 0x00000021, "dst"},     {"sub", 0x00000022, "dst"},
    {"subu", 0x00000023, "dst"},     {"and", 0x00000024, "dst"},
    {"or", 0x00000025, "dst"},       {"xor", 0x00000026, "dst"},
    {"nor", 0x00000027, "dst"},      {"slt", 0x0000002a, "dst"},
    {"sltu", 0x0000002b, "dst"},     {"tge", 0x00000030, "st"},
    {"tgeu", 0x00000031, "st"},      {"tlt", 0x00000032, "st"},
    {"tltu", 0x00000033, "st"},      {"teq", 0x00000034, "st"},
    {"tne", 0x00000036, "st"},       {"tgei", 0x04080000, "si"},
    {"tgeiu", 0x04090000, "si"},     {"tlti", 0x040a0000, "si"},
    {"tltiu", 0x040b0000, "si"},     {"teqi", 0x040c0000, "si"},
    {"tnei", 0x040e0000, "si"},      {"addi", 0x20000000, "tsi"},
    {"addiu", 0x24000000, "tsi"},    {"slti", 0x28000000, "tsi"},
    {"sltiu", 0x2c000000, "tsi"},    {"andi", 0x30000000, "tsi"},
    {"ori", 0x34000000, "tsi"},      {"xori", 0x38000000, "tsi"},
    {"lui", 0x3c000000, "ti"},       {"madd", 0x70000000, "st"},
    {"maddu", 0x70000001, "st"},     {"mul", 0x70000002, "dst"},
    {"msub", 0x70000004, "st"},      {"msubu", 0x70000005, "st"},
    {"clz", 0x70000020, "ds"},       {"clo", 0x70000021, "ds"},
    {"ext", 0x7c000000, "tsx"},      {"ins", 0x7c000004, "tsy"},
    {"wsbh", 0x7c0000a0, "dt"},      {"seb", 0x7c000420, "dt"},
    {"seh", 0x7c000620, "dt"},       {"lb", 0x80000000, "tm1"},
    {"lh", 0x84000000, "tm2"},       {"lwl", 0x88000000, "tm1"},
    {"lw", 0x8c000000, "tm4"},       {"lbu", 0x90000000, "tm1"},
    {"lhu", 0x94000000, "tm2"},      {"lwr", 0x98000000, "tm1"},
    {"sb", 0xa0000000, "tm1"},       {"sh", 0xa4000000, "tm2"},
    {"swl", 0xa8000000, "tm1"},      {"sw", 0xac000000, "tm4"},
    {"swr", 0xb8000000, "tm1"},      {"ll", 0xc0000000, "tm4p"},
    {"lwc1", 0xc4000000, "Fm4"},     {"ldc1", 0xd4000000, "Fm8"},
    {"swc1", 0xe4000000, "Fm4"},     {"sdc1", 0xf4000000, "Fm8"},
    {"lwxc1", 0x4c000000, "DX"},     {"ldxc1", 0x4c000001, "DX"},
    {"swxc1", 0x4c000008, "EX"},     {"sdxc1", 0x4c000009, "EX"},
    {"beq", 0x10000000, "stb"},      {"bne", 0x14000000, "stb"},
    {"blez", 0x18000000, "sb"},      {"bgtz", 0x1c000000, "sb"},
    {"beql", 0x50000000, "stb"},     {"bnel", 0x54000000, "stb"},
    {"blezl", 0x58000000, "sb"},     {"bgtzl", 0x5c000000, "sb"},
    {"bltz", 0x04000000, "sb"},      {"bgez", 0x04010000, "sb"},
    {"bltzl", 0x04020000, "sb"},     {"bgezl", 0x04030000, "sb"},
    {"bltzal", 0x04100000, "sb"},    {"bgezal", 0x04110000, "sb"},
    {"bltzall", 0x04120000, "sb"},   {"bgezall", 0x04130000, "sb"},
    {"bc1f", 0x45000000, "Cb"},      {"bc1t", 0x45010000, "Cb"},
    {"bc1fl", 0x45020000, "Cb"},     {"bc1tl", 0x45030000, "Cb"},
    {"jr", 0x00000008, "r"},         {"jalr", 0x00000009, "dr"},
    {"j", 0x08000000, "j"},          {"jal", 0x0c000000, "j"},
    {"mfc1", 0x44000000, "tE"},      {"cfc1", 0x4440f800, "t"},
    {"cfc1 fexr", 0x4440d000, "t"},  {"cfc1 fenr", 0x4440e000, "t"},
    {"cfc1 fccr", 0x4440c800, "t"},  {"mfhc1", 0x44600000, "tE"},
    {"mtc1", 0x44800000, "tE"},      {"mthc1", 0x44e00000, "tE"},
    FP("add", 0x00, "DEF"),          FP("sub", 0x01, "DEF"),
    FP("mul", 0x02, "DEF"),          FP("div", 0x03, "DEF"),
    FP("sqrt", 0x04, "DE"),          FP("abs", 0x05, "DE"),
    FP("mov", 0x06, "DE"),           FP("neg", 0x07, "DE"),
    FP("round.l", 0x08, "DE"),       FP("trunc.l", 0x09, "DE"),
    FP("ceil.l", 0x0a, "DE"),        FP("floor.l", 0x0b, "DE"),
    FP("round.w", 0x0c, "DE"),       FP("trunc.w", 0x0d, "DE"),
    FP("ceil.w", 0x0e, "DE"),        FP("floor.w", 0x0f, "DE"),
    FP("movf", 0x11, "DEC"),         FP("movz", 0x12, "DEt"),
    FP("movn", 0x13, "DEt"),         FP("recip", 0x15, "DE"),
    FP("rsqrt", 0x16, "DE"),         FP("cvt.w", 0x24, "DE"),
    FP("cvt.l", 0x25, "DE"),         FP("c.f", 0x30, "EFc"),
    FP("c.un", 0x31, "EFc"),         FP("c.eq", 0x32, "EFc"),
    FP("c.ueq", 0x33, "EFc"),        FP("c.olt", 0x34, "EFc"),
    FP("c.ole", 0x36, "EFc"),        FP("c.sf", 0x38, "EFc"),
    FP("c.ngle", 0x39, "EFc"),       FP("c.seq", 0x3a, "EFc"),
    FP("c.lt", 0x3c, "EFc"),         FP("c.le", 0x3e, "EFc"),
    {"cvt.s.d", 0x46200020, "DE"},   {"cvt.s.w", 0x46800020, "DE"},
    {"cvt.s.l", 0x46a00020, "DE"},   {"cvt.d.s", 0x46000021, "DE"},
    {"cvt.d.w", 0x46800021, "DE"},   {"cvt.d.l", 0x46a00021, "DE"},
    {"madd.s", 0x4c000020, "DEFG"},  {"madd.d", 0x4c000021, "DEFG"},
    {"msub.s", 0x4c000028, "DEFG"},  {"msub.d", 0x4c000029, "DEFG"},
    {"nmadd.s", 0x4c000030, "DEFG"}, {"nmadd.d", 0x4c000031, "DEFG"},
    {"nmsub.s", 0x4c000038, "DEFG"}, {"nmsub.d", 0x4c000039, "DEFG"},
};

/* --- programs --- */

static uint64_t random_state;

static uint32_t draw(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 32);
}

struct program {
    bool big, fr;
    uint32_t word[WORDS_MAX];
    unsigned count;
    unsigned body, body_end; /* of the random words */
    uint8_t data[2 * PAGE];
};

static void put(struct program *p, uint32_t word)
{
    assert_true(p->count < WORDS_MAX);
    p->word[p->count++] = word;
}

static void set_place(struct program *p, unsigned place, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        p->data[(size_t)place * PLACE_BYTES + i] =
            (uint8_t)(value >> (p->big ? 56 - 8 * i : 8 * i));
}

/* The offset of a place, of its low word for 32-bit values: the place's last bytes in big endian. */
static uint32_t word_at(const struct program *p, unsigned place)
{
    return place * PLACE_BYTES + (p->big ? 4 : 0);
}

static uint32_t draw_integer(void)
{
    static const uint32_t special[] = {0,          1,          2,          31,     32,
                                       0x7fffffff, 0x80000000, 0xffffffff, 0xffff, 0x8000};
    switch (draw() % 4) {
    case 0: return special[draw() % ARRAY_LEN(special)];
    case 1: return draw() % 256;
    default: return draw();
    }
}

static uint64_t draw_float(void)
{
    static const uint64_t special[] = {
        0, UINT64_C(0x8000000000000000), UINT64_C(0x3ff0000000000000), UINT64_C(0xbff0000000000000),
        UINT64_C(0x7ff0000000000000), UINT64_C(0xfff0000000000000), UINT64_C(0x7ff7ffffffffffff),
        UINT64_C(0x7ff8000000000000), UINT64_C(0xfff0000080000001), UINT64_C(0x000fffffffffffff),
        UINT64_C(0x0010000000000000), UINT64_C(0x7fefffffffffffff), UINT64_C(0x41dfffffffe00000),
        UINT64_C(0xc1e0000000200000), UINT64_C(0x43e0000000000000), UINT64_C(0x3fe0000000000000),
        /* singles */
        0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fbfffff, 0x7fc00000, 0x00800000,
        0x007fffff, 0x7f7fffff, 0x4effffff, 0x4f000000, 0x80000001, 0x3f000000, 0x33800000};
    uint64_t bits = (uint64_t)draw() << 32 | draw();
    switch (draw() % 6) {
    case 0: return special[draw() % ARRAY_LEN(special)];
    case 1: return (bits & UINT64_C(0x800fffffffffffff)) | (uint64_t)(1000 + draw() % 48) << 52;
    case 2: return (bits & 0x807fffff) | (uint32_t)(110 + draw() % 34) << 23;
    case 3: return (bits & 0x807fffff) | (draw() % 3 + (draw() % 2) * 252) << 23;
    case 4: return (bits & UINT64_C(0x800fffffffff0000)) | (uint64_t)(draw() % 2046) << 52;
    default: return bits;
    }
}

/* The registers from BEGIN. */
static void put_begin(struct program *p)
{
    put(p, 0x3c000000 | R_BASE << 16 | DATA >> 16);
    for (unsigned n = 0; n < PLACES; n++)
        set_place(p, n, n >= AT_FPR && n < AT_HI ? draw_float() : draw_integer());
    /* Rounding and flags at random; some programs want to hear of exceptions. */
    uint32_t fcsr = draw() & 0xfe80007f;
    if (draw() % 8 == 0)
        fcsr |= 1u << (7 + draw() % 5);
    set_place(p, AT_FCSR, fcsr);
    set_place(p, R_INDEX, (draw() % 64) * UINT64_C(8));
    set_place(p, R_MEMORY, MIDDLE);
    put(p, 0x8fc10000 | word_at(p, AT_FCSR));
    put(p, 0x44c1f800); /* ctc1 $1, $31 */
    for (unsigned n = 0; n < 32; n++)
        if (p->fr)
            put(p, 0xd7c00000 | n << 16 | ((AT_FPR + n) * PLACE_BYTES));
        else
            put(p, 0xc7c00000 | n << 16 | word_at(p, AT_FPR + n));
    put(p, 0x8fc10000 | word_at(p, AT_HI));
    put(p, 0x00200011);
    put(p, 0x8fc10000 | word_at(p, AT_LO));
    put(p, 0x00200013);
    for (unsigned n = 1; n < 32; n++)
        if (n != R_BASE)
            put(p, 0x8fc00000 | n << 16 | word_at(p, n));
}

/* And to END. */
static void put_end(struct program *p)
{
    const uint32_t to = END - DATA;
    for (unsigned n = 1; n < 32; n++)
        put(p, 0xafc00000 | n << 16 | (to + n * PLACE_BYTES));
    put(p, 0x00000810);
    put(p, 0xafc10000 | (to + AT_HI * PLACE_BYTES));
    put(p, 0x00000812);
    put(p, 0xafc10000 | (to + AT_LO * PLACE_BYTES));
    put(p, 0x4441f800);
    put(p, 0xafc10000 | (to + AT_FCSR * PLACE_BYTES));
    for (unsigned n = 0; n < 32; n++)
        put(p, (p->fr ? 0xf7c00000 : 0xe7c00000) | n << 16 | (to + (AT_FPR + n) * PLACE_BYTES));
    put(p, 0x0000000c);
}

static uint32_t draw_register(void)
{
    return draw() % 4 ? 1 + draw() % 6 : draw() % (REG_LAST + 1);
}

/* A double's registers are even with FR = 0. */
static uint32_t draw_float_register(const struct program *p)
{
    uint32_t n = draw() % 3 ? draw() % 8 : draw() % 32;
    return p->fr ? n : n & ~1u;
}

static uint32_t memory_offset(const char *alignment_z)
{
    uint32_t align = (uint32_t)(*alignment_z - '0');
    return (uint16_t)(((int32_t)(draw() % 256) - 128) * (int32_t)align);
}

/* Where a branch at the end of the words so far may go: behind its slot, a little on. */
static uint32_t draw_distance(void)
{
    return 1 + draw() % 4;
}

/* One operand's bits; those that need more words put them before. */
static uint32_t operand(struct program *p, char kind, const char *rest_z)
{
    uint32_t low = draw() % 32, target = CODE + (p->count + draw_distance() + 1) * 4;
    switch (kind) {
    case 'd': return draw_register() << 11;
    case 's': return draw_register() << 21;
    case 't': return draw_register() << 16;
    case 'a': return low << 6;
    case 'i': return draw_integer() & 0xffff;
    case 'm': return R_MEMORY << 21 | memory_offset(rest_z);
    case 'b': return draw_distance();
    case 'c': return (draw() % 8) << 8;
    case 'C': return (draw() % 8) << 18;
    case 'D': return draw_float_register(p) << 6;
    case 'E': return draw_float_register(p) << 11;
    case 'F': return draw_float_register(p) << 16;
    case 'G': return draw_float_register(p) << 21;
    case 'X': return R_MEMORY << 21 | R_INDEX << 16;
    case 'x': return low << 6 | (draw() % (32 - low)) << 11;
    case 'y': return low << 6 | (low + draw() % (32 - low)) << 11;
    case 'j': return target >> 2;
    case 'r':
        put(p, 0x3c000000 | R_JUMP << 16 | target >> 16);
        put(p, 0x34000000 | R_JUMP << 21 | R_JUMP << 16 | ((target + 8) & 0xffff));
        return R_JUMP << 21;
    default: return 0; /* a digit; p, which is the caller's */
    }
}

static bool is_jump(const struct form *form)
{
    return strpbrk(form->operands_z, "bjr") != NULL;
}

/* Whether to take it: no second jump in a slot, no 64-bit integers with FR = 0, few traps. */
static bool suits(const struct program *p, const struct form *form, bool in_slot)
{
    if (in_slot && (is_jump(form) || strchr(form->operands_z, 'p')))
        return false;
    if (!p->fr && strstr(form->name_z, ".l"))
        return false;
    return form->name_z[0] != 't' || draw() % 8 == 0;
}

static void put_random(struct program *p, bool in_slot)
{
    const struct form *form;
    do
        form = &forms[draw() % ARRAY_LEN(forms)];
    while (!suits(p, form, in_slot));
    uint32_t word = form->word;
    for (const char *kind = form->operands_z; *kind; kind++)
        word |= operand(p, *kind, kind + 1);
    put(p, word);
    if (strchr(form->operands_z, 'p')) /* sc at the place of ll */
        put(p, (word & ~0x001f0000u) | 0x20000000u | draw_register() << 16);
    if (is_jump(form))
        put_random(p, true);
}

static void make_program(struct program *p, bool big, bool fr)
{
    *p = (struct program){.big = big, .fr = fr};
    for (unsigned i = 0; i < sizeof(p->data); i++)
        p->data[i] = (uint8_t)draw();
    put_begin(p);
    p->body = p->count;
    for (unsigned n = 1 + draw() % BODY_MAX; n > 0; n--)
        put_random(p, false);
    p->body_end = p->count;
    for (unsigned i = 0; i < 8; i++)
        put(p, 0); /* where the last branches lead */
    put_end(p);
}

/* --- the two processors --- */

struct outcome {
    bool faulted;
    enum cpu_stop stop; /* ours */
    uint32_t pc;        /* ours */
    uint8_t data[2 * PAGE];
    uint32_t reg[32]; /* when it faulted */
};

static void write_word(uint8_t *out, uint32_t word, bool big)
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = (uint8_t)(word >> (big ? 24 - 8 * i : 8 * i));
}

struct ours {
    struct cpu_pool *pool;
    struct cpu_space *space;
    struct cpu_code *code;
    struct cpu *cpu;
};

static void open_ours(struct ours *o, bool big)
{
    o->pool = cpu_pool_new(64);
    o->space = cpu_space_new(o->pool);
    o->code = cpu_code_new(1 << 20);
    o->cpu = cpu_new(big ? &mips_be_ops : &mips_le_ops, o->code, o->space);
    assert_non_null(o->cpu);
    const struct span none = {NULL, 0};
    assert_int_equal(cpu_space_map(o->space, CODE, PAGE, CPU_READ | CPU_EXEC, none), 0);
    assert_int_equal(cpu_space_map(o->space, DATA, 2 * PAGE, CPU_READ | CPU_WRITE, none), 0);
}

static void close_ours(struct ours *o)
{
    cpu_free(o->cpu);
    cpu_space_free(o->space);
    cpu_code_free(o->code);
    cpu_pool_free(o->pool);
}

static void run_ours(struct ours *o, const struct program *p, const uint8_t *code,
                     struct outcome *out)
{
    struct cpu_trap trap;
    uint64_t used;
    assert_int_equal(cpu_space_poke(o->space, CODE, code, (size_t)p->count * 4), 0);
    assert_int_equal(cpu_space_poke(o->space, DATA, p->data, sizeof(p->data)), 0);
    o->cpu->ops->start(o->cpu, CODE, 0);
    mips_state(o->cpu)->fr = p->fr;
    enum cpu_stop stop = cpu_run(o->cpu, RUN_MAX, &used, &trap);
    out->faulted = stop != CPU_STOP_SYSCALL;
    out->stop = stop;
    out->pc = (uint32_t)o->cpu->ops->pc(o->cpu);
    memcpy(out->reg, mips_state(o->cpu)->reg, sizeof(out->reg));
    assert_int_equal(cpu_space_read(o->space, DATA, out->data, sizeof(out->data)), 0);
}

static uc_engine *open_unicorn(bool big, bool fr)
{
    enum { STATUS_CU1 = 1 << 29, STATUS_FR = 1 << 26 };
    uc_engine *uc = NULL;
    uc_mode mode = UC_MODE_MIPS32 | (big ? UC_MODE_BIG_ENDIAN : UC_MODE_LITTLE_ENDIAN);
    uint32_t status = 0;
    assert_int_equal(uc_open(UC_ARCH_MIPS, mode, &uc), UC_ERR_OK);
    assert_int_equal(uc_ctl_set_cpu_model(uc, UC_CPU_MIPS32_24KF), UC_ERR_OK);
    assert_int_equal(uc_mem_map(uc, CODE, PAGE, UC_PROT_ALL), UC_ERR_OK);
    assert_int_equal(uc_mem_map(uc, DATA, 2 * PAGE, UC_PROT_READ | UC_PROT_WRITE), UC_ERR_OK);
    uc_reg_read(uc, UC_MIPS_REG_CP0_STATUS, &status);
    status |= STATUS_CU1 | (fr ? STATUS_FR : 0);
    uc_reg_write(uc, UC_MIPS_REG_CP0_STATUS, &status);
    return uc;
}

/* An exception: the program ends with it. Where it was, Unicorn does not say. */
static void on_exception(uc_engine *uc, uint32_t number, void *faulted)
{
    (void)number;
    *(bool *)faulted = true;
    uc_emu_stop(uc);
}

static void run_unicorn(uc_engine *uc, const struct program *p, const uint8_t *code,
                        struct outcome *out)
{
    const uint64_t end = CODE + (p->count - 1) * UINT64_C(4);
    uc_mem_write(uc, CODE, code, (size_t)p->count * 4);
    uc_mem_write(uc, DATA, p->data, sizeof(p->data));
    uc_ctl_remove_cache(uc, CODE, CODE + PAGE);
    uc_hook hook;
    out->faulted = false;
    uc_hook_add(uc, &hook, UC_HOOK_INTR, (void *)on_exception, &out->faulted, 1, 0);
    uc_err err = uc_emu_start(uc, CODE, end, 0, 0);
    uc_hook_del(uc, hook);
    out->faulted |= err != UC_ERR_OK;
    for (int n = 0; n < 32; n++)
        uc_reg_read(uc, UC_MIPS_REG_0 + n, &out->reg[n]);
    uc_mem_read(uc, DATA, out->data, sizeof(out->data));
}

/* --- comparing --- */

static void print_program(const struct program *p)
{
    for (unsigned i = p->body; i < p->body_end; i++)
        print_error("  %05x: %08x\n", CODE + i * 4, p->word[i]);
}

static uint64_t place(const struct program *p, const uint8_t *from, unsigned n)
{
    uint64_t value = 0;
    unsigned bytes = n >= AT_FPR && n < AT_HI && p->fr ? 8 : 4;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | from[n * PLACE_BYTES + (p->big ? i : bytes - 1 - i)];
    return value;
}

/* cvt.s.d of a NaN whose fraction has nothing in its upper bits: an infinity in Unicorn, the default
 * NaN here, as Linux's own emulation has it. */
static void forgive_narrowed_nans(const struct program *p, const struct outcome *ours,
                                  struct outcome *other)
{
    for (unsigned n = AT_FPR; n < AT_HI; n++) {
        unsigned at = END - DATA + n * PLACE_BYTES + (p->fr && p->big ? 4 : 0);
        uint8_t nan[4], infinity[4], negative[4];
        write_word(nan, 0x7fbfffff, p->big);
        write_word(infinity, 0x7f800000, p->big);
        write_word(negative, 0xff800000, p->big);
        if (memcmp(ours->data + at, nan, 4) == 0 && (memcmp(other->data + at, infinity, 4) == 0 ||
                                                     memcmp(other->data + at, negative, 4) == 0))
            memcpy(other->data + at, nan, 4);
    }
}

static bool is_same(const struct outcome *ours, const struct outcome *other)
{
    if (ours->faulted != other->faulted)
        return false;
    if (ours->faulted && memcmp(ours->reg, other->reg, sizeof(ours->reg)) != 0)
        return false;
    return memcmp(ours->data, other->data, sizeof(ours->data)) == 0;
}

static void explain(const struct program *p, const struct outcome *ours,
                    const struct outcome *other)
{
    const uint8_t *a = ours->data + (END - DATA), *b = other->data + (END - DATA);
    print_error("%s, FR %d\n", p->big ? "big endian" : "little endian", p->fr);
    print_program(p);
    print_error("ours: stop %d at %x, Unicorn: faulted %d\n", ours->stop, ours->pc, other->faulted);
    for (unsigned n = 0; n < PLACES; n++)
        if (place(p, a, n) != place(p, b, n))
            print_error("  place %u: began %" PRIx64 ", ours %" PRIx64 ", Unicorn %" PRIx64 "\n", n,
                        place(p, p->data, n), place(p, a, n), place(p, b, n));
    for (unsigned n = 0; ours->faulted && n < 32; n++)
        if (ours->reg[n] != other->reg[n])
            print_error("  $%u: ours %x, Unicorn %x\n", n, ours->reg[n], other->reg[n]);
}

static unsigned rounds = ROUNDS_DEFAULT;
static uint64_t seed = 1;

static void programs_end_as_on(bool big, bool fr)
{
    struct ours o;
    struct program p;
    uint8_t code[WORDS_MAX * 4];
    unsigned differ = 0, faults = 0;
    open_ours(&o, big);
    uc_engine *uc = open_unicorn(big, fr);
    random_state = seed * 4 + (big ? 2 : 0) + (fr ? 1 : 0);
    for (unsigned round = 0; round < rounds; round++) {
        struct outcome ours, other;
        make_program(&p, big, fr);
        for (unsigned i = 0; i < p.count; i++)
            write_word(code + (size_t)4 * i, p.word[i], big);
        run_ours(&o, &p, code, &ours);
        if (ours.stop == CPU_STOP_BUDGET)
            continue; /* jumped back into a jump by register: it goes on for ever */
        run_unicorn(uc, &p, code, &other);
        faults += ours.faulted;
        if (other.faulted) { /* after an exception Unicorn is no user's processor any more */
            uc_close(uc);
            uc = open_unicorn(big, fr);
        }
        forgive_narrowed_nans(&p, &ours, &other);
        if (is_same(&ours, &other))
            continue;
        if (differ++ < 3)
            explain(&p, &ours, &other);
    }
    print_message("%u programs, %u of them faulted, %u differ\n", rounds, faults, differ);
    uc_close(uc);
    close_ours(&o);
    assert_int_equal(differ, 0);
}

static void little_endian_with_64_bit_registers(void **state)
{
    (void)state;
    programs_end_as_on(false, true);
}

static void little_endian_with_pairs(void **state)
{
    (void)state;
    programs_end_as_on(false, false);
}

static void big_endian_with_64_bit_registers(void **state)
{
    (void)state;
    programs_end_as_on(true, true);
}

static void big_endian_with_pairs(void **state)
{
    (void)state;
    programs_end_as_on(true, false);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(little_endian_with_64_bit_registers),
        cmocka_unit_test(little_endian_with_pairs),
        cmocka_unit_test(big_endian_with_64_bit_registers),
        cmocka_unit_test(big_endian_with_pairs),
    };
    if (argc > 1)
        seed = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        rounds = (unsigned)strtoul(argv[2], NULL, 10);
    return cmocka_run_group_tests_name("mips_oracle", tests, NULL, NULL);
}
